//go:build !linux || !cgo

package cgo

import (
	"syscall"
	"unsafe"
)

// Without C there is no header.
const (
	HeaderMajor = 0
	HeaderMinor = 0
)

// Pin names no library.
const Pin = "none"

const nosys = -int(syscall.ENOSYS)

func LinkedVersion() (major, minor int) { return 0, 0 }

// A Ring cannot be opened without C.
type Ring struct {
	Queues
	Enters uint64
}

const EntersThroughC = false

func Open(uint32, *Params, []byte) (*Ring, int) { return nil, nosys }

func Setup(uint32, Params, *RawParams) int     { return nosys }
func Map(int, *RawParams) (*Ring, Params, int) { return nil, Params{}, nosys }

func Denied(Call) syscall.Errno { return syscall.ENOSYS }

func (*Ring) LoseRingFD()                                                        {}
func (*Ring) Exit()                                                              {}
func (*Ring) FD() int                                                            { return -1 }
func (*Ring) Submit() int                                                        { return nosys }
func (*Ring) SubmitAndWait(uint32) int                                           { return nosys }
func (*Ring) SubmitAndGetEvents() int                                            { return nosys }
func (*Ring) SubmitAndWaitTimeout(uint32, int64, uint32) int                     { return nosys }
func (*Ring) GetEvents() int                                                     { return nosys }
func (*Ring) Enable() int                                                        { return nosys }
func (*Ring) RegisterRingFD() int                                                { return nosys }
func (*Ring) UnregisterRingFD() int                                              { return nosys }
func (*Ring) RegisterBufRing(unsafe.Pointer, uint32, uint32, uint32, uint32) int { return nosys }
func (*Ring) UnregisterBufRing(uint32) int                                       { return nosys }
func (*Ring) BufRingHead(uint32) int                                             { return nosys }
func (*Ring) RegisterBuffersSparse(uint32) int                                   { return nosys }
func (*Ring) UpdateBuffer(uint32, uint64, uint64) int                            { return nosys }
func (*Ring) UnregisterBuffers() int                                             { return nosys }
func (*Ring) RegisterFilesSparse(uint32) int                                     { return nosys }
func (*Ring) UpdateFiles(uint32, []int32) int                                    { return nosys }
func (*Ring) UnregisterFiles() int                                               { return nosys }
func (*Ring) RegisterFileAllocRange(uint32, uint32) int                          { return nosys }
func (*Ring) RegisterEventFD(int, bool) int                                      { return nosys }
func (*Ring) UnregisterEventFD() int                                             { return nosys }
func (*Ring) SyncCancelAll(int64) int                                            { return nosys }

func Dup(int) int                  { return nosys }
func EventFD() int                 { return nosys }
func SetNonblock(int) int          { return nosys }
func SocketType(int) int           { return nosys }
func ReadKind(int) int             { return nosys }
func ReadBlocks(int) bool          { return false }
func Socketpair(int) ([2]int, int) { return [2]int{-1, -1}, nosys }
func Witness() (int, int, int)     { return -1, -1, nosys }
func Pipe() ([2]int, int)          { return [2]int{-1, -1}, nosys }
func TCPPair() ([2]int, int)       { return [2]int{-1, -1}, nosys }
func CloseFD(int) int              { return nosys }
func ThreadID() int                { return 0 }
