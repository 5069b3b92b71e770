package cgo

import (
	"time"
	"unsafe"
)

// The results of requests that are more than a number.

// A Statx is a struct statx. Mask says which fields are filled in.
type Statx struct {
	Mask           uint32
	Blksize        uint32
	Attributes     uint64
	Nlink          uint32
	UID            uint32
	GID            uint32
	Mode           uint16
	_              uint16
	Ino            uint64
	Size           uint64
	Blocks         uint64 // of 512 bytes
	AttributesMask uint64
	Atime          StatxTimestamp
	Btime          StatxTimestamp
	Ctime          StatxTimestamp
	Mtime          StatxTimestamp
	RdevMajor      uint32
	RdevMinor      uint32
	DevMajor       uint32
	DevMinor       uint32
	MntID          uint64
	DIOMemAlign    uint32
	DIOOffsetAlign uint32
	_              [12]uint64
}

// A StatxTimestamp is a struct statx_timestamp.
type StatxTimestamp struct {
	Sec  int64
	Nsec uint32
	_    int32
}

// Time returns t as a time.
func (t StatxTimestamp) Time() time.Time { return time.Unix(t.Sec, int64(t.Nsec)) }

// Bytes returns the bytes of e.
func (e *EpollEvent) Bytes() []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(e)), unsafe.Sizeof(*e))
}

// A Siginfo is a siginfo_t about a child process.
type Siginfo struct {
	Signo  int32 // SIGCHLD, or 0 if there was no child to report
	Errno  int32
	Code   int32 // CLD_EXITED, CLD_KILLED, …
	_      int32
	PID    int32
	UID    uint32
	Status int32 // exit code or signal
	_      [100]byte
}
