//go:build linux

package uring

import (
	"errors"
	"math"
	"math/rand"
	"syscall"
	"testing"

	"github.com/uring-go/uring/cgo"
)

// FuzzBufRingWalk hands over any completions, true or not, in between releases
// and submits. Each slice must lie in a buffer that the kernel had, behind what
// was received before, and must not overlap another that is lent; and the
// account must always add up.
func FuzzBufRingWalk(f *testing.F) {
	replaceProbe(f, &probeBufRingStatus, lacking("buffer ring status", 6, 8)) // asked of the mute ones
	rnd := rand.New(rand.NewSource(1))
	for range 100 {
		seed := make([]byte, 600)
		rnd.Read(seed)
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		z := &fuzzed{T: t, input: input}
		c := BufRingConfig{Entries: 1 << (z.byte() % 4), BufSize: 1 + int(z.byte()%40)}
		if z.byte()%2 == 0 {
			c.Incremental = true
			c.MinLeft = int(z.byte()) % (c.BufSize + 1)
		}
		z.model = newModel(t, c, []uint32{0, 1<<16 - 8, 1<<32 - 8}[z.byte()%3])
		z.mute = z.byte()%4 == 0
		z.ring.unwatch() // the completions do not come from the queue
		for len(z.input) > 0 {
			z.step()
			z.apart()
			checkAccount(t, z.br)
		}
		if err := z.ring.Close(); err != nil {
			t.Fatal(err)
		}
		for _, l := range z.loans { // their memory is still there
			clear(l.Bytes)
			if err := l.Release(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// statuses are what the kernel may say, true or not, when it is asked for a head;
// 0 stands for its head.
var statuses = []int{0, 0, 0, -int(syscall.EINVAL), -int(syscall.EEXIST), -int(syscall.ENOENT), 1 << 16, math.MaxInt32, math.MinInt32}

type fuzzed struct {
	*testing.T
	*model
	input []byte
	loans []Segment
}

func (z *fuzzed) byte() int {
	if len(z.input) == 0 {
		return 0
	}
	b := z.input[0]
	z.input = z.input[1:]
	return int(b)
}

func (z *fuzzed) step() {
	switch op := z.byte() % 16; {
	case op == 0:
		z.submit(z.T)
	case op == 1 && z.byte()%4 == 0:
		z.status = statuses[z.byte()%len(statuses)]
	case op == 1:
		z.head += uint16(z.byte() % 5)
	case op == 2:
		z.head = uint16(z.byte()<<8 | z.byte())
	case op < 6 && len(z.loans) > 0:
		i := z.byte() % len(z.loans)
		if err := z.loans[i].Release(); err != nil {
			z.Fatal(err)
		}
		if err := z.loans[i].Release(); !errors.Is(err, ErrReleased) {
			z.Fatal(err)
		}
		z.loans = append(z.loans[:i], z.loans[i+1:]...)
	default:
		z.complete(z.completion(), z.byte())
	}
}

func (z *fuzzed) completion() CQE {
	c := CQE{Res: int32(int8(z.byte()))}
	switch z.byte() % 16 {
	case 0:
		c.Res = math.MaxInt32
	case 1:
		c.Res = math.MinInt32
	case 2, 3, 4:
		c.Res *= 10
	}
	c.Flags = uint32(z.byte()) &^ cgo.CQEFBuffer
	if z.byte()%8 != 0 {
		c.Flags |= cgo.CQEFBuffer
	}
	bid := z.byte()
	if bid%16 != 0 {
		bid %= z.br.Entries() // mostly one that there is
	}
	c.Flags |= uint32(bid) << cgo.CQEBufferShift
	return c
}

// complete hands over c: how says in which way, and how many slices it looks at.
func (z *fuzzed) complete(c CQE, how int) {
	before, bufs := account(z.br), append([]buffer(nil), z.br.bufs...)
	total, most := 0, how/2%8
	see := func(p []byte) place {
		at := (&stage{rig: rigOn(z.T, nil), br: z.br}).place(p)
		buf := &bufs[at.BID]
		if len(p) == 0 || at.Off+at.Len > z.br.BufSize() {
			z.Fatalf("%+v brought %+v", observe(c), at)
		}
		if buf.state != inRing || at.Off != int(buf.off) {
			z.Fatalf("%+v brought %+v, of a buffer %+v", observe(c), at, *buf)
		}
		buf.state = retired // once is enough
		total += len(p)
		return at
	}
	stopped, failed := false, error(nil)
	if how%2 == 0 {
		failed = z.br.Consume(c, func(p []byte) error {
			at := see(p)
			for _, l := range z.loans {
				z.overlap(at, l)
			}
			if most--; most == 0 {
				stopped = true
				return errStop
			}
			return nil
		})
	} else {
		for seg, err := range z.br.Segments(c) {
			if err != nil {
				failed = err
				continue
			}
			see(seg.Bytes)
			z.loans = append(z.loans, seg)
			if most--; most == 0 {
				stopped = true
				break
			}
		}
	}
	switch {
	case errors.Is(failed, ErrBadCompletion):
		equal(z, "bytes of a refused completion", total, 0)
		equal(z, "account", account(z.br), before)
	case stopped:
	case c.Res > 0:
		equal(z, "error", failed, nil)
		equal(z, "bytes", total, int(c.Res))
	default:
		equal(z, "error", failed, c.Err())
		equal(z, "bytes", total, 0)
	}
}

// apart checks that no lent slice overlaps another, or what the kernel has.
func (z *fuzzed) apart() {
	for i, l := range z.loans {
		at := (&stage{rig: rigOn(z.T, nil), br: z.br}).place(l.Bytes)
		buf := z.br.bufs[at.BID]
		if buf.state == returned || buf.state == inRing && int(buf.off) < at.Off+at.Len {
			z.Fatalf("%+v is lent, and the kernel's: %+v", at, buf)
		}
		for _, other := range z.loans[i+1:] {
			z.overlap(at, other)
		}
	}
}

func (z *fuzzed) overlap(a place, l Segment) {
	b := (&stage{rig: rigOn(z.T, nil), br: z.br}).place(l.Bytes)
	if a.BID == b.BID && a.Off < b.Off+b.Len && b.Off < a.Off+a.Len {
		z.Fatalf("%+v overlaps %+v", a, b)
	}
}
