package uring

import (
	"unsafe"

	"github.com/uring-go/uring/cgo"
)

// driver is what a Ring asks of liburing. [cgo.Ring] is the real one; tests
// put a mock in its place for faults that a kernel does not show on demand: go
// generate writes it to mock_driver_test.go, see doc.go.
type driver interface {
	Submit() int
	SubmitShared(tell bool) int
	SubmitAndWait(n uint32) int
	SubmitAndWaitTimeout(n uint32, nsec int64, minWaitUsec uint32) int
	SubmitAndWaitReg(n uint32, index int) int
	SubmitAndWaitUntil(n uint32, nsec int64) int
	SubmitAndGetEvents() int
	GetEvents() int
	Wait(w cgo.Wait) int
	WaitSQ() int
	SetIOWait(on bool) int
	DontFork() int
	ResizeRings(sq, cq uint32) int
	Raw() *cgo.Ring
	Enable() int
	LoseRingFD()
	Exit()
	SyncCancelAll(nsec int64) int
	registrar
}

// registrar is the part of [driver] that registers things with the ring.
type registrar interface {
	RegisterRingFD() int
	UnregisterRingFD() int
	RegisterBufRing(mem unsafe.Pointer, entries, group, flags, minLeft uint32) int
	UnregisterBufRing(group uint32) int
	BufRingHead(group uint32) int
	RegisterBuffersSparse(n uint32) int
	UpdateBuffer(index uint32, addr, n uint64) int
	UnregisterBuffers() int
	RegisterFilesSparse(n uint32) int
	UpdateFiles(off uint32, fds []int32) int
	UnregisterFiles() int
	RegisterFileAllocRange(off, n uint32) int
	RegisterEventFD(fd int, async bool) int
	UnregisterEventFD() int
	EventFDEnabled() bool
	ToggleEventFD(on bool) int
	RegisterNAPI(n *cgo.NAPI) int
	UnregisterNAPI(n *cgo.NAPI) int
	Probe(ops []uint8) int
	RegisterBuffers(bufs []cgo.IovecAddr, tags []uint64) int
	UpdateBuffers(off uint32, bufs []cgo.IovecAddr, tags []uint64) int
	CloneBuffers(from *cgo.Ring, dst, src, n, flags uint32) int
	RegisterFiles(fds []int32, tags []uint64) int
	UpdateFilesTags(off uint32, fds []int32, tags []uint64) int
	RegisterPersonality() int
	UnregisterPersonality(id uint16) int
	RegisterRestrictions(rs []cgo.Restriction) int
	RegisterIOWQAff(mask []byte) int
	UnregisterIOWQAff() int
	RegisterIOWQMaxWorkers(max *[2]uint32) int
	CloseRingFD() int
	SyncCancel(c *cgo.SyncCancel) int
	RegisterClock(id uint32) int
	RegisterRegion(d *cgo.RegionDesc, flags uint64) int
	RegisterZCRX(reg *cgo.ZCRXReg, area *cgo.ZCRXArea, region *cgo.RegionDesc) int
	ZCRXControl(id, op uint32) int
	RegisterBPFFilter(op uint8, flags uint32, pduSize *uint8, prog []cgo.BPFInsn) int
}

var _ driver = (*cgo.Ring)(nil)
