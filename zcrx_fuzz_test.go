//go:build linux

package uring

import (
	"errors"
	"math"
	"math/rand"
	"os"
	"testing"
	"unsafe"

	"github.com/golang/mock/gomock"

	"github.com/uring-go/uring/cgo"
)

// FuzzZCRX registers a zero-copy receive with a kernel that says anything of
// its refill ring, hands over any completions, and moves the ring's head
// anywhere. Data lies in the memory or is refused, and the kernel gets back what
// it lent, once.
func FuzzZCRX(f *testing.F) {
	rnd := rand.New(rand.NewSource(1))
	for range 60 {
		seed := make([]byte, 300)
		rnd.Read(seed)
		seed[0] = byte(rnd.Intn(4)) // mostly a ring that is where it can be
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		d := &byteDice{input}
		z := newFuzzedZCRX(t, d)
		if z == nil {
			return
		}
		for len(d.input) > 0 {
			z.step()
			z.check()
		}
		for len(z.held) > 0 {
			*z.head = *z.tail // the kernel has taken all
			z.release(0)
		}
		z.check()
	})
}

type fuzzedZCRX struct {
	*testing.T
	*byteDice
	*ZCRX
	held       []ZCRXSegment
	head, tail *uint32
}

// newFuzzedZCRX returns nil if the registration is refused, as it must be when
// the ring does not lie in its memory.
func newFuzzedZCRX(t *testing.T, d *byteDice) *fuzzedZCRX {
	page := os.Getpagesize()
	r, _, calls := newMockRing(t, SetupDeferTaskrun|SetupCQEMixed)
	r.fd.Store(9)
	mem, refill := newArena(t, 4*page), newArena(t, 2*page)
	var reg cgo.ZCRXReg
	calls.RegisterZCRX(gomock.Any(), gomock.Any(), gomock.Any()).DoAndReturn(
		func(p *cgo.ZCRXReg, area *cgo.ZCRXArea, _ *cgo.RegionDesc) int {
			p.Head, p.Tail, p.RQEs = 0, 4, 64
			if d.Intn(4) == 0 {
				p.Head, p.Tail, p.RQEs = any32(d), any32(d), any32(d)
			}
			p.BufLen = uint32([]int{0, page, 2 * page, 1, math.MaxUint32}[d.Intn(5)])
			area.Token = uint64(d.Intn(1<<16)) << cgo.ZCRXAreaShift
			area.Len = []uint64{uint64(mem.Len()), math.MaxUint64}[d.Intn(2)]
			reg = *p
			return 0
		})
	z, err := r.RegisterZCRX(ZCRXConfig{Interface: 1, Memory: mem, RefillEntries: 4, RefillMemory: refill})
	t.Cleanup(func() {
		for _, z := range r.zcrx {
			if err := z.unmap(); err != nil {
				t.Error(err)
			}
			z.leave()
		}
	})
	at := func(off uint32) bool { return off%4 == 0 && uint64(off)+4 <= uint64(refill.Len()) }
	fits := at(reg.Head) && at(reg.Tail) && reg.RQEs%8 == 0 && uint64(reg.RQEs)+4*16 <= uint64(refill.Len())
	if fits != (err == nil) {
		t.Fatalf("%+v: %v", reg, err)
	}
	if err != nil {
		return nil
	}
	return &fuzzedZCRX{T: t, byteDice: d, ZCRX: z, head: word(refill, reg.Head), tail: word(refill, reg.Tail)}
}

func any32(d *byteDice) uint32 { return uint32(d.Intn(1<<32)) >> d.Intn(32) }

func word(a *Arena, off uint32) *uint32 { return (*uint32)(unsafe.Pointer(&a.Bytes()[off])) }

func (z *fuzzedZCRX) step() {
	switch z.Intn(8) {
	case 0:
		*z.head = any32(z.byteDice)
	case 1:
		*z.head = *z.tail
	case 2, 3:
		if len(z.held) > 0 {
			z.release(z.Intn(len(z.held)))
		}
	default:
		z.complete()
	}
}

// complete hands over a completion that may or may not be one.
func (z *fuzzedZCRX) complete() {
	c := CQE{Res: int32(z.Intn(1<<14) - 100), Flags: cgo.CQEF32}
	switch z.Intn(8) {
	case 0:
		c.Res = math.MaxInt32
	case 1:
		c.Res = math.MinInt32
	case 2:
		c.Flags = 0
	}
	off := z.refill.token | uint64(z.Intn(1<<15))
	if z.Intn(8) == 0 {
		off = uint64(any32(z.byteDice))<<32 | uint64(any32(z.byteDice))
	}
	s, err := z.Segment(c, [2]uint64{off, uint64(z.Intn(256))})
	switch {
	case err != nil && !errors.Is(err, ErrBadCompletion):
		z.Fatal(err)
	case err != nil || c.Res <= 0:
		equal(z, "bytes", len(s.Bytes()), 0)
		equal(z, "error of Release", s.Release(), nil)
	default:
		equal(z, "bytes", len(s.Bytes()), int(c.Res))
		z.held = append(z.held, s)
	}
}

// release gives segment i back, unless the ring is full.
func (z *fuzzedZCRX) release(i int) {
	switch err := z.held[i].Release(); err {
	case nil:
		z.held = append(z.held[:i:i], z.held[i+1:]...)
	case ErrRefillFull:
	default:
		z.Fatal(err)
	}
}

func (z *fuzzedZCRX) check() {
	lent := 0
	for _, n := range z.lent {
		lent += int(n)
	}
	equal(z, "segments lent", lent, len(z.held))
	if n := z.Refill().Space(); n < 0 || n > z.Refill().Entries() {
		z.Fatalf("room for %d in a ring of %d", n, z.Refill().Entries())
	}
}
