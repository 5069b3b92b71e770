package uring

import (
	"github.com/uring-go/uring/cgo"
)

// The I/O flags.
const (
	// PollFirst waits for the socket before the first try. A receive with
	// provided buffers then also waits when the buffers are used up, instead
	// of failing with ENOBUFS at once. Multishot receives refuse it: when data
	// and the end, a reset on TCP or a close on a UNIX socket, are both there
	// before the receive is, some kernels report the data and never the end
	// (of a UNIX socket: 6.17.13 to 7.2, see [KernelBugs]).
	// Linux 5.19.
	PollFirst IOFlags = cgo.RecvSendPollFirst
	// Bundle lets one completion cover as many provided buffers as it takes.
	// Linux 6.10.
	Bundle IOFlags = cgo.RecvSendBundle
	// ReportUsage makes the notification of a zero-copy send say whether the
	// data was copied: [CQE.Copied]. Linux 6.2.
	ReportUsage IOFlags = cgo.SendZCReportUsage
)

// Flags of Linux that the package syscall does not have on other systems, where
// programs that use them are to compile.
const (
	// CloseOnExec is SOCK_CLOEXEC, for [SQE.PrepAccept] and those like it, and
	// for [SQE.PrepSocket], where it is added to the type.
	CloseOnExec = cgo.SockCloexec
	// NoSignal is MSG_NOSIGNAL, for sends: a broken connection is an error only.
	NoSignal = cgo.MsgNoSignal
)
