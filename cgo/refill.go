package cgo

import (
	"sync/atomic"
	"unsafe"
)

// A RefillRing is the Go view of the shared memory in which the buffers of a
// zero-copy receive go back to the kernel: Go moves the tail, the kernel the
// head.
type RefillRing struct {
	head, tail *uint32
	entries    []ZCRXRQE
	next       uint32 // the tail, with entries that are not published yet
}

// NewRefillRing returns the view of a refill ring that lies in mem as reg says,
// or false if it does not fit there.
func NewRefillRing(mem []byte, reg *ZCRXReg) (RefillRing, bool) {
	n := uint64(reg.Entries)
	words := reg.Head%4 == 0 && reg.Tail%4 == 0 && reg.RQEs%8 == 0
	size := uint64(len(mem))
	fits := uint64(reg.Head)+4 <= size && uint64(reg.Tail)+4 <= size &&
		uint64(reg.RQEs)+n*uint64(unsafe.Sizeof(ZCRXRQE{})) <= size
	if n == 0 || n&(n-1) != 0 || !words || !fits {
		return RefillRing{}, false
	}
	r := RefillRing{
		head:    (*uint32)(unsafe.Pointer(&mem[reg.Head])),
		tail:    (*uint32)(unsafe.Pointer(&mem[reg.Tail])),
		entries: unsafe.Slice((*ZCRXRQE)(unsafe.Pointer(&mem[reg.RQEs])), n),
	}
	r.next = atomic.LoadUint32(r.tail)
	return r, true
}

// Entries returns how many entries there are.
func (r *RefillRing) Entries() uint32 { return uint32(len(r.entries)) }

// Space returns how many entries are free: none if the kernel says that it has
// read what is not there. The load orders the kernel's reads of them before the
// writes that follow.
func (r *RefillRing) Space() uint32 {
	n := r.Entries()
	return n - min(n, r.next-atomic.LoadUint32(r.head))
}

// Put fills the next entry, which must be free.
func (r *RefillRing) Put(off uint64, n uint32) {
	r.entries[r.next&(r.Entries()-1)] = ZCRXRQE{Off: off, Len: n}
	r.next++
}

// Publish shows the kernel what was put. The store orders the entries before
// the tail.
func (r *RefillRing) Publish() { atomic.StoreUint32(r.tail, r.next) }
