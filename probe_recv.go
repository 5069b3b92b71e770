package uring

import (
	"syscall"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/feature"
	"github.com/uring-go/uring/internal/kernel"
)

var (
	probeRecvMultishot = trialProbe("multishot receive", kernel.V(6, 0),
		"prepare a receive for each completion",
		func(t *trial) error {
			fd, _, err := t.pair()
			if err != nil {
				return err
			}
			if err := t.group(0, 0); err != nil {
				return err
			}
			// No buffer is in the group: ENOBUFS is a yes.
			return t.knows(cgo.SQE{
				Opcode: cgo.OpRecv, FD: fd, Flags: cgo.SQEBufferSelect, IOPrio: cgo.RecvMultishot,
			}, syscall.ENOBUFS)
		})
	probeBundles = featureBit("send and receive bundles", kernel.V(6, 10), cgo.FeatRecvSendBundle,
		"one buffer for each completion: larger buffers, or incremental ones")
	probeIncremental = trialProbe("incremental buffers", kernel.V(6, 12),
		"a receive takes a whole buffer: smaller buffers waste less",
		func(t *trial) error { return t.group(cgo.PbufRingInc, 0) })
	probeMinLeft = withBackports(trialProbe("minimum left in incremental buffers", kernel.V(7, 1),
		"datagrams and messages need a buffer ring that is not incremental",
		func(t *trial) error { return t.group(cgo.PbufRingInc, 2) }),
		kernel.Version{Major: 7, Patch: 13}, kernel.Version{Major: 6, Minor: 18, Patch: 44}, kernel.Version{Major: 6, Minor: 12, Patch: 107})
	probeBufRingStatus = trialProbe("buffer ring status", kernel.V(6, 8),
		"Available and Head fail; everything else works",
		func(t *trial) error {
			if err := t.group(0, 0); err != nil {
				return err
			}
			return verdict(opBufRingHead, t.ring.BufRingHead(trialGroup))
		})
)

const (
	trialGroup   = 0
	trialEntries = 4 // in the group, whose entries are at the start of the trial's memory
)

// group registers a group without buffers.
func (t *trial) group(flags, minLeft uint32) error {
	return verdict(opRegisterBufRing, t.ring.RegisterBufRing(t.mem.Pointer(), trialEntries, trialGroup, flags, minLeft))
}

// provide gives buffers to the group.
func (t *trial) provide(slots ...cgo.Slot) {
	cgo.Refill(t.mem.Pointer(), trialEntries-1, slots)
}

func withBackports(p *feature.Probe, v ...kernel.Version) *feature.Probe {
	p.Backports = v
	return p
}
