package uring

import (
	"errors"
	"testing"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/feature"
	"github.com/uring-go/uring/internal/kernel"
	"github.com/uring-go/uring/internal/testutil"
)

func TestHaveOnNewKernel(t *testing.T) {
	for name, have := range map[string]func() error{
		"HaveRecvMultishot":  HaveRecvMultishot,
		"HaveBundles":        HaveBundles,
		"HaveIncremental":    HaveIncremental,
		"HaveMinLeft":        HaveMinLeft,
		"HaveBufRingStatus":  HaveBufRingStatus,
		"HaveSendProvided":   HaveSendProvided,
		"HaveSendZC":         HaveSendZC,
		"HaveSendMsgZC":      HaveSendMsgZC,
		"HaveSendMsgZCFixed": HaveSendMsgZCFixed,
		"HaveReportUsage":    HaveReportUsage,
		"HaveMinTimeout":     HaveMinTimeout,
		"HaveDeferTaskrun":   HaveDeferTaskrun,
	} {
		t.Run(name, func(t *testing.T) { testutil.Need(t, have) })
	}
}

// Flags and opcodes that no kernel knows.
func TestProbesSayNo(t *testing.T) {
	future := kernel.V(99, 0)
	for name, p := range map[string]*feature.Probe{
		"request flag": requestProbe("x", future, "", func(t *trial) cgo.SQE {
			return cgo.SQE{Opcode: cgo.OpSendZC, IOPrio: 1 << 15}
		}),
		"opcode":     opProbe("x", future, 255, ""),
		"setup flag": setupProbe("x", future, 1<<31, ""),
		"feature":    featureBit("x", future, 1<<31, ""),
		"group flag": trialProbe("x", future, "", func(t *trial) error { return t.group(1<<15, 0) }),
	} {
		t.Run(name, func(t *testing.T) {
			if err := p.Check(); !errors.Is(err, ErrNotSupported) {
				t.Fatalf("got %v, want ErrNotSupported", err)
			}
		})
	}
}
