package uring

import (
	"errors"

	"github.com/uring-go/uring/cgo"
)

// checkFlags says what is wrong with adding flags to the request.
func (s SQE) checkFlags(f SQEFlags) error {
	zc := s.Opcode == cgo.OpSendZC || s.Opcode == cgo.OpSendMsgZC
	if zc && f&(Link|HardLink|SkipSuccess) != 0 {
		return errors.New("uring: Link, HardLink and SkipSuccess do not go with a zero-copy send: its notification would come unannounced")
	}
	if s.setsOption() && f&(Async|Drain) != 0 {
		return errLateOption
	}
	if f&SkipSuccess != 0 && s.namesDescriptor() {
		return errSkipDescriptor
	}
	if f&SkipSuccess != 0 && s.ring.inFlight[s.Token().Kind()] != nil {
		return errSkipInFlight
	}
	if s.Flags&cgo.SQEBufferSelect == 0 {
		return nil
	}
	switch br := s.ring.bufRings[s.BufIndex]; {
	case br == nil:
	case f&SkipSuccess != 0:
		return errSkipProvided
	case f&Async == 0 || s.multishot():
	case br.incremental:
		return errAsyncIncremental
	case s.Opcode == cgo.OpRecv && s.IOPrio&cgo.RecvSendBundle != 0:
		return errLateBundle
	default:
		br.async = true
	}
	return nil
}

// multishot reports whether the request is a multishot receive, which waits outside
// of worker threads.
func (s SQE) multishot() bool {
	return (s.Opcode == cgo.OpRecv || s.Opcode == cgo.OpRecvMsg) && s.IOPrio&cgo.RecvMultishot != 0
}

// callersFlags are those of SetFlags. The others belong to the request.
const callersFlags = Drain | Link | HardLink | Async | SkipSuccess

// allowed ends a Prep method: it refuses the request if it does not go with
// flags that were set before.
func (s SQE) allowed() error {
	f := SQEFlags(s.Flags) & callersFlags
	if f == 0 {
		return nil
	}
	if err := s.checkFlags(f); err != nil {
		return s.refuse(err)
	}
	return nil
}

// opens ends a Prep method of a request that opens a descriptor, or fills a
// slot, and has no error to return: without a completion nobody would know which.
func (s SQE) opens(fileIndex uint32) {
	s.FileIndex = fileIndex
	if s.namesDescriptor() {
		s.Flags &^= cgo.SQECQESkipSuccess
	}
}

var errSkipDescriptor = errors.New("uring: SkipSuccess does not go with a request that opens a descriptor: without a completion nobody knows which, to close it; it goes with a given slot")

var errSkipInFlight = errors.New("uring: SkipSuccess does not go with a request of an InFlight: without a completion it would never leave the table")

// namesDescriptor says whether the result is the descriptor, or the slot, that
// the request opens.
func (s SQE) namesDescriptor() bool {
	switch s.Opcode {
	case cgo.OpOpenat, cgo.OpOpenat2, cgo.OpAccept, cgo.OpSocket:
		return s.FileIndex == 0 || s.FileIndex == cgo.FileIndexAlloc
	case cgo.OpFixedFDInstall:
		return true
	}
	return false
}
