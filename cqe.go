package uring

import (
	"fmt"
	"syscall"

	"github.com/uring-go/uring/cgo"
)

// A CQE is one completion: a copy, valid for as long as you keep it.
type CQE struct {
	// UserData is what the request was given, see [Token] and
	// io_uring_cqe_get_data64(3).
	UserData uint64
	// Res is the result: a count, a descriptor, or a negative errno. In a
	// notification (see [CQE.Notif]) it is a set of flags.
	Res int32
	// Flags are the IORING_CQE_F_ bits; the methods below read them.
	Flags uint32

	// order is the completion's number among those that brought bytes to one
	// BufRing, from 1 on, and 0 for others.
	order uint32
}

func newCQE(e cgo.CQE) CQE { return CQE{UserData: e.UserData, Res: e.Res, Flags: e.Flags} }

// Equal reports whether d has the same user data, result and flags.
func (c CQE) Equal(d CQE) bool {
	return c.UserData == d.UserData && c.Res == d.Res && c.Flags == d.Flags
}

// Err returns the error of a failed request, a [syscall.Errno], or nil. It
// does not allocate. A notification never has an error.
func (c CQE) Err() error {
	if c.Res >= 0 || c.Notif() {
		return nil
	}
	return syscall.Errno(-c.Res)
}

// More says that the request will post further completions: a multishot
// request goes on, or the notification of a zero-copy send is still to come.
// A request is over with its first completion without it.
func (c CQE) More() bool { return c.Flags&cgo.CQEFMore != 0 }

// BufferID returns the buffer that the kernel picked, the first one of a
// bundle. ok is false if it picked none. [BufRing.Consume] and
// [BufRing.Segments] turn it into bytes.
func (c CQE) BufferID() (id uint16, ok bool) {
	return uint16(c.Flags >> cgo.CQEBufferShift), c.Flags&cgo.CQEFBuffer != 0
}

// BufferMore says that the kernel keeps the buffer and fills the rest of it
// later: incremental buffer rings only. Some kernels set it wrongly; [BufRing]
// compares it with what the kernel has left of the buffer.
func (c CQE) BufferMore() bool { return c.Flags&cgo.CQEFBufMore != 0 }

// SockNonEmpty says that the socket held more data after this receive. It is
// also set at end of file, which counts as something to read.
func (c CQE) SockNonEmpty() bool { return c.Flags&cgo.CQEFSockNonEmpty != 0 }

// Notif says that this is the notification of a zero-copy send: the kernel
// does not use the request's memory any more.
func (c CQE) Notif() bool { return c.Flags&cgo.CQEFNotif != 0 }

// Copied says, of a notification whose send had [ReportUsage], that the kernel
// copied the data after all.
func (c CQE) Copied() bool {
	return c.Notif() && uint32(c.Res)&cgo.NotifUsageZCCopied != 0
}

// Token returns UserData as a [Token].
func (c CQE) Token() Token { return Token(c.UserData) }

// String returns what there is to know about a completion, such as "user data
// 0x7, result 5, buffer 3, more".
func (c CQE) String() string {
	s := fmt.Sprintf("user data %#x, result %d", c.UserData, c.Res)
	if err := c.Err(); err != nil {
		s += fmt.Sprintf(" (%v)", err)
	}
	if id, ok := c.BufferID(); ok {
		s += fmt.Sprintf(", buffer %d", id)
	}
	for _, f := range []struct {
		flag uint32
		name string
	}{
		{cgo.CQEFBufMore, "buffer kept"},
		{cgo.CQEFMore, "more"},
		{cgo.CQEFSockNonEmpty, "socket not empty"},
		{cgo.CQEFNotif, "notification"},
	} {
		if c.Flags&f.flag != 0 {
			s += ", " + f.name
		}
	}
	return s
}
