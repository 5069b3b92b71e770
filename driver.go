package uring

import (
	"unsafe"

	"github.com/uring-go/uring/cgo"
)

//go:generate go run github.com/golang/mock/mockgen@v1.6.0 -source=driver.go -package=uring -mock_names=driver=mockDriver,registrar=mockRegistrar -destination=mock_driver_test.go

// driver is what a Ring asks of liburing. [cgo.Ring] is the real one; tests
// put a mock in its place for faults that a kernel does not show on demand.
type driver interface {
	FD() int
	Submit() int
	SubmitAndWait(n uint32) int
	SubmitAndWaitTimeout(n uint32, nsec int64, minWaitUsec uint32) int
	GetEvents() int
	Enable() int
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
	RegisterNAPI(busyPollUsec uint32, prefer bool) int
	UnregisterNAPI() int
	Probe(ops []uint8) int
}

var _ driver = (*cgo.Ring)(nil)
