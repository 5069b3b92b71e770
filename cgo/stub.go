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
func (*Ring) SubmitShared(bool) int                                              { return nosys }
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

// What register.go and wait.go have.

func (r *Ring) Raw() *Ring                                           { return r }
func (*Ring) Wait(Wait) int                                          { return nosys }
func (*Ring) SubmitAndWaitReg(uint32, int) int                       { return nosys }
func (*Ring) SubmitAndWaitUntil(uint32, int64) int                   { return nosys }
func ThreadSignals() uint64                                          { return 0 }
func ClockNow(uint32) int64                                          { return 0 }
func (*Ring) WaitSQ() int                                            { return nosys }
func (*Ring) DontFork() int                                          { return nosys }
func (*Ring) SetIOWait(bool) int                                     { return nosys }
func (*Ring) EventFDEnabled() bool                                   { return false }
func (*Ring) ToggleEventFD(bool) int                                 { return nosys }
func (*Ring) Probe([]uint8) int                                      { return nosys }
func (*Ring) RegisterBuffers([]IovecAddr, []uint64) int              { return nosys }
func (*Ring) UpdateBuffers(uint32, []IovecAddr, []uint64) int        { return nosys }
func (*Ring) CloneBuffers(*Ring, uint32, uint32, uint32, uint32) int { return nosys }
func (*Ring) RegisterFiles([]int32, []uint64) int                    { return nosys }
func (*Ring) UpdateFilesTags(uint32, []int32, []uint64) int          { return nosys }
func (*Ring) RegisterPersonality() int                               { return nosys }
func (*Ring) UnregisterPersonality(uint16) int                       { return nosys }
func (*Ring) RegisterRestrictions([]Restriction) int                 { return nosys }
func (*Ring) RegisterIOWQAff([]byte) int                             { return nosys }
func (*Ring) UnregisterIOWQAff() int                                 { return nosys }
func (*Ring) RegisterIOWQMaxWorkers(*[2]uint32) int                  { return nosys }
func (*Ring) CloseRingFD() int                                       { return nosys }
func (*Ring) SyncCancel(*SyncCancel) int                             { return nosys }
func (*Ring) RegisterNAPI(*NAPI) int                                 { return nosys }
func (*Ring) UnregisterNAPI(*NAPI) int                               { return nosys }
func (*Ring) RegisterClock(uint32) int                               { return nosys }
func (*Ring) ResizeRings(uint32, uint32) int                         { return nosys }
func (*Ring) RegisterRegion(*RegionDesc, uint64) int                 { return nosys }
func (*Ring) RegisterZCRX(*ZCRXReg, *ZCRXArea, *RegionDesc) int      { return nosys }
func (*Ring) ZCRXControl(uint32, uint32) int                         { return nosys }
func (*Ring) RegisterBPFFilter(uint8, uint32, *uint8, []BPFInsn) int { return nosys }

func RegisterBPFFilterTask(uint8, uint32, *uint8, []BPFInsn) int { return nosys }
func SyncMsg(int, CQE) int                                       { return nosys }
func QueryOpcodesInto(*QueryOpcodesAnswer) int                   { return nosys }
func QueryZCRXInto(*QueryZCRXAnswer) int                         { return nosys }
func QuerySCQInto(*QuerySCQAnswer) int                           { return nosys }
func MemorySize(uint32, Params) int                              { return nosys }
func LockedSize(uint32, Params) int                              { return nosys }

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

// OnGoHeap cannot tell without C.
func OnGoHeap(*byte) bool { return false }
