package uring

import (
	"strings"

	"github.com/uring-go/uring/internal/feature"
)

// The Have functions say whether the running kernel has a feature. They return
// nil if it has, an error that matches [ErrNotSupported] and names the kernel
// that has it if not, and another error if that could not be found out, as when
// io_uring is forbidden. They try the feature once, on a ring of their own, and
// remember the answer. Any goroutine may call them.
//
// URING_WITHOUT=name,… in the environment switches features off by name, as
// [Features] lists them.

// HaveRecvMultishot: [SQE.PrepRecvMultishot] and [SQE.PrepRecvMsgMultishot].
// Linux 6.0.
func HaveRecvMultishot() error { return probeRecvMultishot.Check() }

// HaveBundles: send and receive bundles. Linux 6.10.
func HaveBundles() error { return probeBundles.Check() }

// HaveIncremental: incremental buffer rings. Linux 6.12.
func HaveIncremental() error { return probeIncremental.Check() }

// HaveMinLeft: BufRingConfig.MinLeft above 1. Linux 7.1, and stable releases
// such as 7.0.13, 6.18.44 and 6.12.107.
func HaveMinLeft() error { return probeMinLeft.Check() }

// HaveBufRingStatus: asking for a buffer ring's head. Linux 6.8.
func HaveBufRingStatus() error { return probeBufRingStatus.Check() }

// HaveSendProvided: a send that takes its bytes from a buffer ring. Linux 6.10.
func HaveSendProvided() error { return probeSendProvided.Check() }

// HaveSendZC: zero-copy send. Linux 6.0.
func HaveSendZC() error { return probeSendZC.Check() }

// HaveSendMsgZC: zero-copy send of a message of several parts. Linux 6.1.
func HaveSendMsgZC() error { return probeSendMsgZC.Check() }

// HaveSendMsgZCFixed: the same from a registered buffer. Linux 6.15.
func HaveSendMsgZCFixed() error { return probeSendMsgZCFixed.Check() }

// HaveReportUsage: notifications of zero-copy sends that say whether the data
// was copied, see [ReportUsage]. Linux 6.2.
func HaveReportUsage() error { return probeReportUsage.Check() }

// HaveMinTimeout: [Ring.SubmitAndWaitMin]. Linux 6.12.
func HaveMinTimeout() error { return probeMinTimeout.Check() }

// HaveDeferTaskrun: [SetupDeferTaskrun]. Linux 6.1.
func HaveDeferTaskrun() error { return probeDeferTaskrun.Check() }

// A Feature is something that not every kernel has.
type Feature struct {
	Name   string // also what URING_WITHOUT takes
	Since  string // the kernels that have it, such as "7.1, 7.0.13, 6.18.44, 6.12.107"
	Err    error  // nil if the running kernel has it; see the Have functions
	Advice string // what to do, or what is different, without it
}

// Features returns everything that the package probes for.
func Features() []Feature {
	list := make([]Feature, len(features))
	for i, p := range features {
		list[i] = Feature{Name: p.Name, Since: since(p), Err: p.Check(), Advice: p.Advice}
	}
	return list
}

func since(p *feature.Probe) string {
	versions := []string{p.Since.String()}
	for _, v := range p.Backports {
		versions = append(versions, v.String())
	}
	return strings.Join(versions, ", ")
}

var features = []*feature.Probe{
	probeDeferTaskrun, probeMinTimeout,
	probeRecvMultishot, probeBundles, probeIncremental, probeMinLeft, probeBufRingStatus,
	probeSendProvided, probeSendZC, probeSendMsgZC, probeSendMsgZCFixed, probeReportUsage,
}

// A KernelBug is a known fault of kernels, and whether the running one has it.
type KernelBug struct {
	Name        string
	Seen        bool
	Answer      string // what the kernel did, if Seen
	Consequence string // what the package does about it, where it is seen
	Err         error  // why it could not be found out
}

// KernelBugs looks for the kernel bugs that the package knows how to see. It
// tries each once; that takes a few milliseconds.
func KernelBugs() []KernelBug { return nil }
