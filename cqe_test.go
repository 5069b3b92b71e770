package uring

import (
	"syscall"
	"testing"

	"github.com/uring-go/uring/cgo"
)

func TestCompletionsSayWhatTheyAre(t *testing.T) {
	for _, c := range []struct {
		cqe  CQE
		want string
	}{
		{CQE{UserData: 7, Res: 5}, "user data 0x7, result 5"},
		{CQE{Res: -int32(syscall.ENOBUFS)}, "user data 0x0, result -105 (no buffer space available)"},
		{CQE{Res: 9, Flags: 3<<cgo.CQEBufferShift | cgo.CQEFBuffer | cgo.CQEFBufMore | cgo.CQEFMore | cgo.CQEFSockNonEmpty},
			"user data 0x0, result 9, buffer 3, buffer kept, more, socket not empty"},
		{CQE{Flags: cgo.CQEFNotif}, "user data 0x0, result 0, notification"},
	} {
		equal(t, "text", c.cqe.String(), c.want)
	}
}
