package uring

import "github.com/uring-go/uring/cgo"

// Multishot reports whether the request, as a Prep method filled it, posts
// completions until one comes without [CQE.More], each with a result of its
// own. A zero-copy send is not one: its second completion is a notification.
// Call it before Submit.
func (s SQE) Multishot() bool {
	switch s.Opcode {
	case cgo.OpAccept:
		return s.IOPrio&cgo.AcceptMultishot != 0
	case cgo.OpRecv, cgo.OpRecvMsg:
		return s.IOPrio&cgo.RecvMultishot != 0
	case cgo.OpPollAdd:
		return s.Len&cgo.PollAddMulti != 0
	case cgo.OpTimeout:
		return s.OpFlags&cgo.TimeoutMultishot != 0
	case cgo.OpUringCmd:
		return s.Off == words(cgo.SocketOpTXTimestamp, 0)
	case cgo.OpReadMultishot, cgo.OpRecvZC:
		return true
	}
	return false
}
