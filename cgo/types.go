package cgo

import "unsafe"

// An SQE is a struct io_uring_sqe. Where C has a union, the field has the name
// of its most common use.
type SQE struct {
	Opcode      uint8
	Flags       uint8
	IOPrio      uint16
	FD          int32
	Off         uint64 // also addr2
	Addr        uint64
	Len         uint32
	OpFlags     uint32 // rw_flags, msg_flags, timeout_flags, …
	UserData    uint64
	BufIndex    uint16 // also buf_group
	Personality uint16
	FileIndex   uint32 // also splice_fd_in, addr_len, optlen
	Addr3       uint64
	Pad2        uint64
}

// Cmd returns the first n bytes of the data that commands have: 16, or 80 if the
// entry has 128 bytes.
func (s *SQE) Cmd(n int) []byte { return unsafe.Slice((*byte)(unsafe.Pointer(&s.Addr3)), n) }

// A CQE is a struct io_uring_cqe without the second half that 32-byte
// completions have.
type CQE struct {
	UserData uint64
	Res      int32
	Flags    uint32
}

// Params is the part of a struct io_uring_params that a caller fills in or
// reads.
type Params struct {
	CQEntries    uint32
	Flags        uint32
	SQThreadCPU  uint32
	SQThreadIdle uint32 // milliseconds
	WQFD         uint32
	Features     uint32 // out
}

// RawParams is a struct io_uring_params as the kernel filled it in.
type RawParams [120]byte

// A Slot is an entry of a buffer ring: struct io_uring_buf.
type Slot struct {
	Addr uint64
	Len  uint32
	BID  uint16
	tail uint16 // of the ring, in its first entry
}

// An Iovec is a struct iovec over memory that Go's collector owns.
type Iovec struct {
	Base unsafe.Pointer
	Len  uint64
}

// An IovecAddr is a struct iovec over memory outside the Go heap. It holds a
// number, because a pointer to memory that was unmapped meanwhile would
// confuse the collector.
type IovecAddr struct {
	Addr uint64
	Len  uint64
}

// A Msghdr is a struct msghdr.
type Msghdr struct {
	Name       unsafe.Pointer
	NameLen    uint32
	_          uint32
	Iov        unsafe.Pointer
	IovLen     uint64
	Control    unsafe.Pointer
	ControlLen uint64
	Flags      int32
	_          int32
}

// A Call is one of io_uring's three system calls.
type Call string

const (
	CallSetup    Call = "io_uring_setup"
	CallEnter    Call = "io_uring_enter"
	CallRegister Call = "io_uring_register"
)
