//go:build !linux || !cgo

package cgo

func (r *Ring) Raw() *Ring                                           { return r }
func (*Ring) Wait(Wait) int                                          { return nosys }
func (*Ring) SubmitAndWaitReg(uint32, int) int                       { return nosys }
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
