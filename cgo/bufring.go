package cgo

import (
	"sync/atomic"
	"unsafe"
)

// Buffer rings are filled from Go, as that is done in each turn of a program's
// loop. Their memory is an array of Slot, whose first one holds the tail.

// Refill adds slots to the buffer ring at mem and publishes them.
func Refill(mem unsafe.Pointer, mask uint32, slots []Slot) {
	tail := (*Slot)(mem).tail
	for _, s := range slots {
		add(mem, mask, tail, s.Addr, s.Len, s.BID)
		tail++
	}
	publish(mem, tail)
}

// RefillIDs adds the buffers bids, each size bytes long and lying side by side
// from base on, to the buffer ring at mem and publishes them. The kernel knows
// them by numbers from first on.
func RefillIDs(mem unsafe.Pointer, mask uint32, base uint64, size uint32, first uint16, bids []uint16) {
	tail := (*Slot)(mem).tail
	for _, bid := range bids {
		add(mem, mask, tail, base+uint64(bid)*uint64(size), size, first+bid)
		tail++
	}
	publish(mem, tail)
}

// Left returns what the kernel has left of the entry at position pos: it moves
// the address, and shortens the length, of an entry that it consumes in pieces.
func Left(mem unsafe.Pointer, mask, pos uint32) (addr uint64, n uint32) {
	s := (*Slot)(unsafe.Add(mem, uintptr(pos&mask)*unsafe.Sizeof(Slot{})))
	return atomic.LoadUint64(&s.Addr), atomic.LoadUint32(&s.Len)
}

// add is io_uring_buf_ring_add. It leaves the tail alone.
func add(mem unsafe.Pointer, mask uint32, pos uint16, addr uint64, n uint32, bid uint16) {
	s := (*Slot)(unsafe.Add(mem, uintptr(uint32(pos)&mask)*unsafe.Sizeof(Slot{})))
	s.Addr, s.Len, s.BID = addr, n, bid
}

// publish is io_uring_buf_ring_advance: who sees the new tail sees the entries
// before it. Go has no atomic store of 16 bits, so the first entry's BID, which
// lies beside the tail and is the program's too, is stored once more with it.
func publish(mem unsafe.Pointer, tail uint16) {
	first := (*Slot)(mem)
	var both uint32
	*(*[2]uint16)(unsafe.Pointer(&both)) = [2]uint16{first.BID, tail}
	atomic.StoreUint32((*uint32)(unsafe.Pointer(&first.BID)), both)
}
