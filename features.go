package uring

import (
	"fmt"
	"strings"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/feature"
)

// The Have functions report whether the running kernel has a feature. They return
// nil if it has. If not, the error matches [ErrNotSupported] and names the kernel
// that has it. They try the feature once, on a ring of their own, and remember the
// answer: a kernel's version says little, as distributions carry features to older
// kernels. Any goroutine may call them.
//
// Where a seccomp profile or the like refuses a system call of io_uring, nothing
// can be found out. The error then matches EPERM if the call is forbidden, and
// ErrNotSupported if it is hidden.
//
// A feature is also reported missing where a bug in the kernel makes it lose or
// mix up data: see [KernelBugs].
//
// URING_WITHOUT=name,… in the environment switches features off by name, as
// [Features] lists them.

// HaveBufRings: [Ring.NewBufRing]. Linux 5.19.
func HaveBufRings() error { return probeBufRings.Check() }

// HaveBufRingStatus: [BufRing.Head] and [BufRing.Available]. Linux 6.8.
func HaveBufRingStatus() error { return probeBufRingStatus.Check() }

// HaveIncremental: BufRingConfig.Incremental. Linux 6.12.
func HaveIncremental() error { return probeIncremental.Check() }

// HaveMinLeft: BufRingConfig.MinLeft above 1. Linux 7.1, and older stable
// kernels from 7.0.13, 6.18.44 and 6.12.107 on.
func HaveMinLeft() error { return probeMinLeft.Check() }

// HaveRecvMultishot: [SQE.PrepRecvMultishot] and [SQE.PrepRecvMsgMultishot].
// Linux 6.0.
func HaveRecvMultishot() error { return probeRecvMultishot.Check() }

// HaveRecvMultishotLimit: [SQE.PrepRecvMultishotLimit]. Linux 6.17.
func HaveRecvMultishotLimit() error { return probeRecvMultishotLimit.Check() }

// HaveBundles: receives with [Bundle] into a classic buffer ring. Linux 6.10.
// The first call receives a stream over the loopback interface to see that no
// bytes get lost or mixed up, as they do with some kernels.
func HaveBundles() error { return probeBundles.Check() }

// HaveIncrementalBundles: receives with [Bundle] into an incremental buffer
// ring. Linux 6.12. The first call tries it out, as that of [HaveBundles] does.
func HaveIncrementalBundles() error { return probeIncrementalBundles.Check() }

// HaveAcceptMultishot: [SQE.PrepAcceptMultishot]. Linux 5.19.
func HaveAcceptMultishot() error { return probeAcceptMultishot.Check() }

// HaveAcceptMultishotDirect: [SQE.PrepAcceptMultishotDirect]. Linux 5.19.
func HaveAcceptMultishotDirect() error { return probeAcceptMultishotDirect.Check() }

// HaveSocket: [SQE.PrepSocket]. Linux 5.19.
func HaveSocket() error { return probeSocket.Check() }

// HaveSocketOptions: [SQE.PrepSetsockopt], and the other commands of sockets.
// Linux 6.7.
func HaveSocketOptions() error { return probeSocketOptions.Check() }

// HaveReadMultishot: multishot reads, of pipes for example. Linux 6.7.
func HaveReadMultishot() error { return probeReadMultishot.Check() }

// HaveSendProvided: sends that take their bytes from a buffer ring. Linux 6.10.
func HaveSendProvided() error { return probeSendProvided.Check() }

// HaveSendProvidedPart: the same with a length, to send less than the buffer
// holds. Linux 6.12.
func HaveSendProvidedPart() error { return probeSendProvidedPart.Check() }

// HaveSendBundles: sends that take several buffers from a buffer ring.
// Linux 6.10.
func HaveSendBundles() error { return probeSendBundles.Check() }

// HaveSendVectorized: plain and zero-copy sends of several pieces without a
// message header. Linux 6.17.
func HaveSendVectorized() error { return probeSendVectorized.Check() }

// HaveSendFixed: sends with a copy, from a registered buffer. Linux 7.2.
func HaveSendFixed() error { return probeSendFixed.Check() }

// HaveSendZC: [SQE.PrepSendZC] and [SQE.PrepSendZCFixed]. Linux 6.0.
func HaveSendZC() error { return probeSendZC.Check() }

// HaveSendMsgZC: [SQE.PrepSendMsgZC]. Linux 6.1.
func HaveSendMsgZC() error { return probeSendMsgZC.Check() }

// HaveSendMsgZCFixed: [SQE.PrepSendMsgZCFixed]. Linux 6.15.
func HaveSendMsgZCFixed() error { return probeSendMsgZCFixed.Check() }

// HaveReportUsage: [ReportUsage] on zero-copy sends. Linux 6.2, and 6.1.176.
func HaveReportUsage() error { return probeReportUsage.Check() }

// HaveNotifUserData: zero-copy sends whose notification has user data of its
// own. Linux 7.1.
func HaveNotifUserData() error { return probeNotifUserData.Check() }

// HaveMinTimeout: [Ring.SubmitAndWaitMin]. Linux 6.12.
func HaveMinTimeout() error { return probeMinTimeout.Check() }

// HaveSingleIssuer: [SetupSingleIssuer]. Linux 6.0.
func HaveSingleIssuer() error { return probeSingleIssuer.Check() }

// HaveDeferTaskrun: [SetupDeferTaskrun]. Linux 6.1.
func HaveDeferTaskrun() error { return probeDeferTaskrun.Check() }

// HaveCQEMixed: [SetupCQEMixed]. Linux 6.18.
func HaveCQEMixed() error { return probeCQEMixed.Check() }

// HaveSQEMixed: [SetupSQEMixed]. Linux 6.19.
func HaveSQEMixed() error { return probeSQEMixed.Check() }

// HaveSQRewind: [SetupSQRewind]. Linux 7.0.
func HaveSQRewind() error { return probeSQRewind.Check() }

// HaveRingFD: [Ring.RegisterRingFD]. Linux 5.18.
func HaveRingFD() error { return probeRingFD.Check() }

// HaveCancelOp: [Match.Op]. Linux 6.6.
func HaveCancelOp() error { return probeCancelOp.Check() }

// HaveCancelBoth: [Match.UserData] and [Match.FD] in one [Match]. Linux 7.0,
// and older stable kernels. Without it a kernel ignores the user
// data, or finds no request.
func HaveCancelBoth() error { return probeCancelBoth.Check() }

// HaveNAPI: [Ring.RegisterNAPI]. Linux 6.9, if built with
// CONFIG_NET_RX_BUSY_POLL.
func HaveNAPI() error { return probeNAPI.Check() }

// HaveMsgRing: [SQE.PrepMsgRing]. Linux 5.18.
func HaveMsgRing() error { return probeMsgRing.Check() }

// A Feature is something that not every kernel has.
type Feature struct {
	Name   string // also what URING_WITHOUT takes
	Since  string // the kernels that have it, such as "7.1, 7.0.13, 6.18.44, 6.12.107"
	Err    error  // nil if the running kernel has it; see the Have functions
	Advice string // what to do, or what is different, without it
}

// Features tries everything that the package probes for, and returns the answers
// by subject. [Ring.Features] returns what the kernel says of itself instead.
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
	probeBufRings, probeBufRingStatus, probeIncremental, probeMinLeft,
	probeRecvMultishot, probeRecvMultishotLimit, probeBundles, probeIncrementalBundles,
	probeAcceptMultishot, probeAcceptMultishotDirect, probeSocket, probeSocketOptions, probeReadMultishot,
	probeSendProvided, probeSendProvidedPart, probeSendBundles, probeSendVectorized, probeSendFixed,
	probeSendZC, probeSendMsgZC, probeSendMsgZCFixed, probeReportUsage, probeNotifUserData,
	probeMinTimeout, probeNoIowait, probeSyncCancel, probeCancelOp, probeCancelBoth, probeRingFD, probeNAPI, probeMsgRing, probeFixedFDInstall,
	probeSingleIssuer, probeDeferTaskrun, probeNoMMap, probeRegisteredFDOnly, probeNoSQArray,
	probeHybridIOPoll, probeCQEMixed, probeSQEMixed, probeSQRewind,
}

// FeatFlags are what the kernel says of a ring's abilities when it is opened.
// They tell little of what can be done with it: for that, ask the Have
// functions. See io_uring_setup(2).
type FeatFlags uint32

// The feature flags.
const (
	// FeatSingleMMap: one mapping holds both queues. Linux 5.4.
	FeatSingleMMap FeatFlags = cgo.FeatSingleMMap
	// FeatNodrop: completions that find no room are kept, not dropped. See
	// [Ring.Overflowed]. Linux 5.5.
	FeatNodrop FeatFlags = cgo.FeatNodrop
	// FeatSubmitStable: what a request tells the kernel by address, but not its
	// data, may change after Submit. Linux 5.5.
	FeatSubmitStable FeatFlags = cgo.FeatSubmitStable
	// FeatRWCurPos: reads and writes take [CurrentOffset]. Linux 5.6.
	FeatRWCurPos FeatFlags = cgo.FeatRWCurPos
	// FeatCurPersonality: requests have the rights of the thread that submits,
	// not of the one that opened the ring. Linux 5.6.
	FeatCurPersonality FeatFlags = cgo.FeatCurPersonality
	// FeatFastPoll: requests wait for sockets and pipes without a worker
	// thread. Linux 5.7.
	FeatFastPoll FeatFlags = cgo.FeatFastPoll
	// FeatPoll32bits: polls take all 32 bits of events. Linux 5.9.
	FeatPoll32bits FeatFlags = cgo.FeatPoll32bits
	// FeatSQPollNonfixed: [SetupSQPoll] works with ordinary descriptors.
	// Linux 5.11.
	FeatSQPollNonfixed FeatFlags = cgo.FeatSQPollNonfixed
	// FeatExtArg: waits take a timeout. Linux 5.11.
	FeatExtArg FeatFlags = cgo.FeatExtArg
	// FeatNativeWorkers: worker threads belong to the process. Linux 5.12.
	FeatNativeWorkers FeatFlags = cgo.FeatNativeWorkers
	// FeatRsrcTags: registered buffers and files may have tags, and be replaced
	// one by one. Linux 5.13.
	FeatRsrcTags FeatFlags = cgo.FeatRsrcTags
	// FeatCQESkip: there is [SkipSuccess]. Linux 5.17.
	FeatCQESkip FeatFlags = cgo.FeatCQESkip
	// FeatLinkedFile: the descriptor of a linked request is looked up when the
	// request starts, so that those before it can make it. Linux 5.17.
	FeatLinkedFile FeatFlags = cgo.FeatLinkedFile
	// FeatRegRegRing: a ring can be registered by its registered descriptor.
	// Linux 6.3.
	FeatRegRegRing FeatFlags = cgo.FeatRegRegRing
	// FeatRecvSendBundle: there are bundles; but ask [HaveBundles]. Linux 6.10.
	FeatRecvSendBundle FeatFlags = cgo.FeatRecvSendBundle
	// FeatMinTimeout: there is [Ring.SubmitAndWaitMin]. Linux 6.12.
	FeatMinTimeout FeatFlags = cgo.FeatMinTimeout
	// FeatRWAttr: reads and writes take attributes, such as checksums.
	// Linux 6.14.
	FeatRWAttr FeatFlags = cgo.FeatRWAttr
	// FeatNoIowait: waits need not count as waits for I/O. Linux 6.15.
	FeatNoIowait FeatFlags = cgo.FeatNoIowait
)

// featNames names the flags in the order of their bits.
var featNames = []string{
	"FeatSingleMMap", "FeatNodrop", "FeatSubmitStable", "FeatRWCurPos",
	"FeatCurPersonality", "FeatFastPoll", "FeatPoll32bits", "FeatSQPollNonfixed",
	"FeatExtArg", "FeatNativeWorkers", "FeatRsrcTags", "FeatCQESkip",
	"FeatLinkedFile", "FeatRegRegRing", "FeatRecvSendBundle", "FeatMinTimeout",
	"FeatRWAttr", "FeatNoIowait",
}

// String returns the names of the flags, joined by "|".
func (f FeatFlags) String() string {
	var names []string
	for i, name := range featNames {
		if flag := FeatFlags(1) << i; f&flag != 0 {
			names = append(names, name)
			f &^= flag
		}
	}
	if f != 0 || len(names) == 0 {
		names = append(names, fmt.Sprintf("%#x", uint32(f)))
	}
	return strings.Join(names, "|")
}

// Features returns the bits that the kernel set when it opened the ring: what it
// says of itself. The function [Features] tries features out instead.
func (r *Ring) Features() FeatFlags {
	if r == nil {
		return 0
	}
	return FeatFlags(r.features)
}
