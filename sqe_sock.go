package uring

import (
	"github.com/uring-go/uring/cgo"
)

// The flags of [SQE.SetAcceptFlags].
const (
	// AcceptDontWait fails with EAGAIN if no connection is there, or after the
	// last one that is, if multishot.
	AcceptDontWait AcceptFlags = cgo.AcceptDontWait
	// AcceptPollFirst waits before the first try, which is wasted where no
	// connection is expected yet.
	AcceptPollFirst AcceptFlags = cgo.AcceptPollFirst
)
