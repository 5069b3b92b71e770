package cgo

import (
	"sync/atomic"
	"testing"
	"unsafe"
)

// A refillKernel is the kernel's side of a refill ring: it takes entries and
// moves the head.
type refillKernel struct {
	head, tail *uint32
	entries    []ZCRXRQE
}

func newRefill(t *testing.T, n uint32) (RefillRing, refillKernel) {
	t.Helper()
	mem := make([]byte, 64+16*n)
	r, ok := NewRefillRing(mem, &ZCRXReg{Entries: n, Head: 0, Tail: 4, RQEs: 64})
	if !ok {
		t.Fatal("refused")
	}
	return r, refillKernel{
		head:    (*uint32)(unsafe.Pointer(&mem[0])),
		tail:    (*uint32)(unsafe.Pointer(&mem[4])),
		entries: unsafe.Slice((*ZCRXRQE)(unsafe.Pointer(&mem[64])), n),
	}
}

// take returns up to most entries.
func (k refillKernel) take(most int) (got []ZCRXRQE) {
	head, tail := *k.head, atomic.LoadUint32(k.tail)
	for ; head != tail && len(got) < most; head++ {
		got = append(got, k.entries[head%uint32(len(k.entries))])
	}
	atomic.StoreUint32(k.head, head)
	return got
}

func TestRefillRing(t *testing.T) {
	r, k := newRefill(t, 4)
	var put, taken uint64
	for round := range 40 { // around the ring, and around its positions
		if round == 20 {
			// Positions are 32 bits wide and wrap.
			if got := k.take(9); len(got) != 0 {
				t.Fatalf("%d entries left over", len(got))
			}
			*k.head, *k.tail, r.next = ^uint32(0)-1, ^uint32(0)-1, ^uint32(0)-1
		}
		for n := uint32(4); n > 0; n-- {
			if got := r.Space(); got != n {
				t.Fatalf("room for %d, want %d", got, n)
			}
			put++
			r.Put(put<<12, uint32(put))
		}
		if got := k.take(9); len(got) != 0 {
			t.Fatalf("the kernel saw %d entries before they were published", len(got))
		}
		r.Publish()
		if r.Space() != 0 {
			t.Fatal("room in a full ring")
		}
		for _, most := range []int{1, 3} {
			for _, e := range k.take(most) {
				taken++
				if want := (ZCRXRQE{Off: taken << 12, Len: uint32(taken)}); e != want {
					t.Fatalf("took %+v, want %+v", e, want)
				}
			}
		}
		if put != taken {
			t.Fatalf("put %d, taken %d", put, taken)
		}
	}
}

// Both sides at once. The race detector sees the memory, as it is Go's.
func TestRefillRingWithAKernelAtWork(t *testing.T) {
	const total = 20000
	r, k := newRefill(t, 8)
	sum := make(chan uint64)
	go func() {
		var s, n uint64
		for n < total {
			for _, e := range k.take(3) {
				n++
				s += e.Off * uint64(e.Len)
			}
		}
		sum <- s
	}()
	var want uint64
	for i := uint64(1); i <= total; {
		for n := r.Space(); n > 0 && i <= total; n-- {
			r.Put(i, uint32(i%7))
			want += i * (i % 7)
			i++
		}
		r.Publish()
	}
	if got := <-sum; got != want {
		t.Errorf("the kernel took entries that add up to %d, want %d", got, want)
	}
}

func TestRefillRingThatDoesNotFit(t *testing.T) {
	mem := make([]byte, 64+16*4)
	good := ZCRXReg{Entries: 4, Head: 0, Tail: 4, RQEs: 64}
	if _, ok := NewRefillRing(mem, &good); !ok {
		t.Error("a good one was refused")
	}
	for name, change := range map[string]func(*ZCRXReg){
		"no entries":         func(r *ZCRXReg) { r.Entries = 0 },
		"no power of two":    func(r *ZCRXReg) { r.Entries = 3 },
		"too many entries":   func(r *ZCRXReg) { r.Entries = 8 },
		"far too many":       func(r *ZCRXReg) { r.Entries = 1 << 31 },
		"entries too late":   func(r *ZCRXReg) { r.RQEs = 72 },
		"entries beyond":     func(r *ZCRXReg) { r.RQEs = ^uint32(7) },
		"entries not on 8":   func(r *ZCRXReg) { r.RQEs = 60 },
		"head beyond":        func(r *ZCRXReg) { r.Head = 128 },
		"tail beyond":        func(r *ZCRXReg) { r.Tail = ^uint32(3) },
		"head across a word": func(r *ZCRXReg) { r.Head = 2 },
		"tail across a word": func(r *ZCRXReg) { r.Tail = 5 },
	} {
		reg := good
		change(&reg)
		if _, ok := NewRefillRing(mem, &reg); ok {
			t.Errorf("%s: not refused", name)
		}
	}
}
