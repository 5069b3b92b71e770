//go:build linux

package uring

import (
	"encoding/binary"
	"math/rand"
	"os"
	"syscall"
	"testing"
	"unsafe"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/arena"
)

// cqMemory returns memory for n bytes of completions behind which there is
// none: who reads on faults.
func cqMemory(tb testing.TB, n int) []byte {
	tb.Helper()
	page := os.Getpagesize()
	m, err := arena.Map(2*page, false)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = m.Unmap() })
	if err := syscall.Mprotect(m.Bytes()[page:], syscall.PROT_NONE); err != nil {
		tb.Fatal(err)
	}
	return m.Bytes()[page-n : page]
}

// A cqWalk is a completion queue of each kind, full of anything.
type cqWalk struct {
	testing.TB
	memory
	*Ring
	mixed bool
}

const cqWalkEntries = 8

// newCQWalk fills the queue with what input says. The user data of each place is
// its position.
func newCQWalk(tb testing.TB, mem []byte, flags SetupFlags, head, ready uint32, input []byte) *cqWalk {
	w := &cqWalk{TB: tb, mixed: flags&SetupCQEMixed != 0}
	w.cqHead, w.cqTail = head, head+ready
	size := 16
	if flags&SetupCQE32 != 0 {
		size = 32
	}
	mem = mem[len(mem)-cqWalkEntries*size:]
	clear(mem)
	d := &byteDice{input}
	for i := range uint32(cqWalkEntries) {
		at := mem[int((head+i)%cqWalkEntries)*size:]
		binary.NativeEndian.PutUint64(at, uint64(head+i))
		binary.NativeEndian.PutUint32(at[8:], uint32(d.Intn(1<<32)))
		binary.NativeEndian.PutUint32(at[12:], uint32(d.Intn(1<<32)))
	}
	q := cgo.NewQueues(cgo.QueueMemory{
		SQHead: &w.sqHead, SQTail: &w.sqTail, SQFlags: &w.sqFlags,
		SQEs: unsafe.Pointer(&w.sqes), SQEntries: uint32(len(w.sqes)),
		CQHead: &w.cqHead, CQTail: &w.cqTail,
		CQEs: unsafe.Pointer(unsafe.SliceData(mem)), CQEntries: cqWalkEntries, Flags: uint32(flags),
	})
	w.Ring = newRing(&q, nil, flags, 0)
	return w
}

// saw checks that c stands at a position that is ready, behind last, and
// returns that.
func (w *cqWalk) saw(c CQE, last int64) int64 {
	w.Helper()
	at := int64(int32(uint32(c.UserData) - w.cqTail))
	if at >= 0 || at <= last {
		w.Fatalf("completion %v at %d from the end, after that at %d", c, at, last)
	}
	if c.Big() && w.mixed && at == -1 {
		w.Fatalf("completion %v reaches behind the end", c)
	}
	return at
}

// walk takes all completions in one way and checks that they are those that are
// ready.
func (w *cqWalk) walk(how int) {
	w.Helper()
	last, n := int64(-1)<<32, 0
	switch how % 3 {
	case 0:
		for c := range w.Completions() {
			last = w.saw(c, last)
			n++
		}
	case 1:
		for c := range w.CompletionsBig() {
			last = w.saw(c, last)
			n++
		}
	case 2:
		var dst [3]CQE
		for k := w.Peek(dst[:]); k > 0; k = w.Peek(dst[:]) {
			for _, c := range dst[:k] {
				last = w.saw(c, last)
				n++
			}
			w.Advance(k)
		}
		w.Advance(1) // of which there is none but fillers
	}
	if n > cqWalkEntries {
		w.Fatalf("%d completions in a queue of %d", n, cqWalkEntries)
	}
	equal(w, "completions ready after all", w.Ready(), 0)
	w.syncHead()
	equal(w, "head", w.cqHead, w.cqTail)
}

var cqKinds = []SetupFlags{0, SetupCQE32, SetupCQEMixed}

// FuzzCompletionQueue walks over completion queues that hold anything, in
// particular halves of completions of 32 bytes. No byte behind the queue is
// read, and none but the completions that are ready are seen.
func FuzzCompletionQueue(f *testing.F) {
	rnd := rand.New(rand.NewSource(1))
	for i := range 30 {
		seed := make([]byte, 64)
		rnd.Read(seed)
		f.Add(uint8(i), uint8(i/3), uint32(i), uint8(i), seed)
	}
	mem := cqMemory(f, 32*cqWalkEntries)
	f.Fuzz(func(t *testing.T, kind, how uint8, head uint32, ready uint8, input []byte) {
		flags := cqKinds[int(kind)%len(cqKinds)]
		newCQWalk(t, mem, flags, head, uint32(ready)%(cqWalkEntries+1), input).walk(int(how))
	})
}

// Half a completion of 32 bytes, at the end of what is ready or of the memory,
// is one of 16.
func TestHalfABigCompletion(t *testing.T) {
	mem := cqMemory(t, 32*cqWalkEntries)
	big := make([]byte, 8*cqWalkEntries)
	for i := range cqWalkEntries {
		big[8*i+7] = 0 // the low byte of the flags comes last
		big[8*i+6] = cgo.CQEF32 >> 8
	}
	for name, c := range map[string]struct{ head, ready uint32 }{
		"at the end of what is ready": {0, 1},
		"at the end of the memory":    {cqWalkEntries - 1, 2},
		"odd number of places":        {2, 5},
		"positions wrap":              {1<<32 - 1, 3},
	} {
		t.Run(name, func(t *testing.T) {
			for how := range 3 {
				newCQWalk(t, mem, SetupCQEMixed, c.head, c.ready, big).walk(how)
			}
		})
	}
}
