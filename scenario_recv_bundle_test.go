//go:build linux

package uring

import (
	"fmt"
	"math/rand"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"github.com/uring-go/uring/internal/kernel"
	"github.com/uring-go/uring/internal/testutil"
)

func TestScenario17_ClassicBundleLosesTheRestOfTheLastBuffer(t *testing.T) {
	s := newBundleStage(t, BufRingConfig{Entries: 8, BufSize: 0x400})
	s.send(0xa10)
	s.arm(Bundle)
	c := s.next()
	s.is(c, 0x800, 0, "MBE")
	s.take(c, place{0, 0, 0x400}, place{1, 0, 0x400})
	c = s.next()
	s.is(c, 0x210, 2, "MB")
	s.take(c, place{2, 0, 0x210})
	s.head(3)
	equal(t, "wasted", s.br.Stats().Wasted, 0x400-0x210)

	s.send(0x410)
	c = s.next()
	s.is(c, 0x410, 3, "MB")
	s.take(c, place{3, 0, 0x400}, place{4, 0, 0x10})
	s.head(5)
	s.cancel(uint64(s.in))
	s.settled()
	s.available(8)
}

// inOrder makes the kernel have just the given buffers, in that order.
func (s *stage) inOrder(bids ...int) (rest []Segment) {
	s.Helper()
	held := make([]Segment, s.br.Entries())
	for i := range held {
		s.send(1)
		held[i] = s.hold(s.recv(0, 0, 0), place{i, 0, 1})[0]
	}
	for _, bid := range bids {
		s.release(held[bid])
		held[bid] = Segment{}
	}
	for _, seg := range held {
		if seg.br != nil {
			rest = append(rest, seg)
		}
	}
	s.available(len(bids))
	return rest
}

func TestScenario18_BuffersOfABundleAreInRingOrder(t *testing.T) {
	s := newBundleStage(t, BufRingConfig{Entries: 8, BufSize: 0x400})
	rest := s.inOrder(5, 2, 7, 0)
	s.send(0xa10)
	s.arm(Bundle)
	c := s.next()
	s.is(c, 0x800, 5, "MBE")
	s.take(c, place{5, 0, 0x400}, place{2, 0, 0x400})
	c = s.next()
	s.is(c, 0x210, 7, "MB")
	s.take(c, place{7, 0, 0x210})
	s.cancel(uint64(s.in))
	s.release(rest...)
	s.settled()

	// The rest of that order, and what came back since in the order of release.
	s.submit()
	var order []int
	for range 8 {
		s.send(1)
		c := s.recv(0, 0, 0)
		bid, _ := c.BufferID()
		order = append(order, int(bid))
		s.consume(c)
	}
	equal(t, "ring order", order, []int{0, 5, 2, 7, 1, 3, 4, 6})
}

func TestScenario19_IncrementalBundleGoesOnInAPartlyFilledBuffer(t *testing.T) {
	s := newBundleStage(t, BufRingConfig{Entries: 4, BufSize: 0x1000, Incremental: true})
	var held []Segment
	step := func(n int, want ...place) []CQE {
		t.Helper()
		s.send(n)
		cqes, segs := s.bundle(n, want...)
		held = append(held, segs...)
		bid, _ := cqes[0].BufferID()
		equal(t, "first buffer", int(bid), want[0].BID)
		return cqes
	}
	s.arm(Bundle)
	step(0x800, place{0, 0, 0x800})
	step(0x2000, place{0, 0x800, 0x800}, place{1, 0, 0x1000}, place{2, 0, 0x800})
	s.head(2)
	cqes := step(0x1800, place{2, 0x800, 0x800}, place{3, 0, 0x1000})
	s.head(4)
	last := cqes[len(cqes)-1]
	if last.More() && !hasLinux(t, kernel.V(6, 15)) {
		// Such a kernel notices when it looks for the next buffer: at once, or when there is data.
		end := s.cancel(uint64(s.in))
		equal(t, "completions", len(end), 1)
		if res := syscall.Errno(-end[0].Res); res != syscall.ENOBUFS && res != syscall.ECANCELED {
			t.Errorf("the receive ends with %v", res)
		}
	} else {
		equal(t, "goes on", last.More(), false)
	}
	s.none() // and otherwise no ENOBUFS

	for bid := range 4 {
		equal(t, "buffer", string(s.br.buffer(uint16(bid))), string(stream(0x1000*bid, 0x1000)))
	}
	s.release(held...)
	s.settled()
}

func TestScenario20_UsedUpGroupEndsAMultishot(t *testing.T) {
	config := BufRingConfig{Entries: 4, BufSize: 0x400}
	all := []place{{0, 0, 0x400}, {1, 0, 0x400}, {2, 0, 0x400}, {3, 0, 0x400}}
	t.Run("bundle: without ENOBUFS", func(t *testing.T) {
		s := newBundleStage(t, config)
		s.send(0x1400)
		s.arm(Bundle)
		cqes, held := s.bundle(0x1000, all...)
		for i, c := range cqes {
			equal(t, "goes on", c.More(), i < len(cqes)-1)
		}
		s.none()

		s.arm(Bundle) // without refill
		c := s.next()
		s.is(c, -int(syscall.ENOBUFS), -1, "")
		s.failed(c, syscall.ENOBUFS)

		s.release(held...)
		s.arm(Bundle)
		c = s.next()
		s.is(c, 0x400, 0, "MB")
		s.take(c, place{0, 0, 0x400})
		s.cancel(uint64(s.in))
		s.settled()
	})
	t.Run("otherwise: with ENOBUFS", func(t *testing.T) {
		s := newBundleStage(t, config)
		s.send(0x1400)
		s.arm(0)
		for bid := range 4 {
			c := s.next()
			s.is(c, 0x400, bid, "MBE")
			s.take(c, all[bid])
		}
		c := s.next()
		s.is(c, -int(syscall.ENOBUFS), -1, "")
		s.failed(c, syscall.ENOBUFS)
		s.arm(0)
		c = s.next()
		s.is(c, 0x400, 0, "MB")
		s.take(c, place{0, 0, 0x400})
		s.cancel(uint64(s.in))
		s.settled()
	})
}

func TestScenario21_BundleOfHundredsOfBuffers(t *testing.T) {
	s := newBundleStage(t, BufRingConfig{Entries: 1024, BufSize: 16})
	var want []place
	for bid := range 1000 {
		want = append(want, place{bid, 0, 16})
	}
	s.send(16000)
	s.arm(Bundle)
	cqes, held := s.bundle(16000, want...)
	for _, c := range cqes {
		if c.Res > 512*16 {
			t.Errorf("%d bytes in one completion", c.Res)
		}
	}
	equal(t, "buffers", s.br.Stats().Buffers, 1000)
	s.head(1000)
	s.cancel(uint64(s.in))

	rand.New(rand.NewSource(21)).Shuffle(len(held), func(i, j int) { held[i], held[j] = held[j], held[i] })
	s.release(held...)
	s.settled()
	s.available(1024)
}

func TestScenario22_LengthOfABundleIsRefused(t *testing.T) {
	s := newBundleStage(t, BufRingConfig{Entries: 4, BufSize: 0x400})
	s.refuses(func(q SQE) error { return q.PrepRecvProvided(FD(s.in), s.br, 0x500, 0, Bundle) },
		"uring: a length does not limit a receive bundle: use 0")
}

func TestScenario23_BundleOfDatagramsIsOneBufferEach(t *testing.T) {
	needBundles(t, false)
	in, out := testutil.UDPPair(t)
	s := stageOn(t, Config{}, BufRingConfig{Entries: 4, BufSize: 100}, in, out)
	for _, n := range []int{60, 61, 62} {
		s.datagram(n)
	}
	s.arm(Bundle)
	for bid, n := range []int{60, 61, 62} {
		c := s.next()
		s.is(c, n, bid, "MB")
		s.take(c, place{bid, 0, n})
	}
	writeAll(s, out, stream(s.sent, 250))
	c := s.next()
	equal(t, "result", int(c.Res), 100)
	s.sent += 100 // the rest is cut off
	s.take(c, place{3, 0, 100})
	if c.More() {
		s.cancel(uint64(in))
	}
	s.settled()
}

func TestScenario24_StreamThroughFewBuffersInEveryMode(t *testing.T) {
	total := fewer(1 << 20)
	for _, mode := range []SetupFlags{0, SetupSingleIssuer | SetupDeferTaskrun, SetupCoopTaskrun, SetupSQPoll} {
		for _, incremental := range []bool{false, true} {
			for _, flags := range []IOFlags{0, Bundle} {
				name := fmt.Sprintf("%v,incremental=%v,bundle=%v", mode, incremental, flags == Bundle)
				t.Run(name, func(t *testing.T) { streamInMode(t, mode, incremental, flags, total) })
			}
		}
	}
}

func streamInMode(t *testing.T, mode SetupFlags, incremental bool, flags IOFlags, total int) {
	if flags&Bundle != 0 {
		needBundles(t, incremental)
	}
	runtime.LockOSThread() // a single issuer's ring belongs to the thread
	t.Cleanup(runtime.UnlockOSThread)
	in, out := testutil.TCPPair(t)
	s := stageOn(t, Config{Flags: mode}, BufRingConfig{Entries: 4, BufSize: 1 << 10, Incremental: incremental}, in, out)

	var writer sync.WaitGroup
	writer.Add(1)
	go func() {
		defer writer.Done()
		defer syscall.Shutdown(out, syscall.SHUT_WR)
		rnd := rand.New(rand.NewSource(24))
		for at := 0; at < total; {
			n, err := syscall.Write(out, stream(at, min(rnd.Intn(9000)+1, total-at)))
			if err != nil {
				t.Error(err)
				return
			}
			at += n
		}
	}()
	defer writer.Wait()
	defer syscall.Shutdown(in, syscall.SHUT_RDWR) // or a writer would wait for a test that failed

	s.sent = total
	s.arm(flags)
	for over := false; !over; {
		c := s.next()
		switch c.Res {
		case -int32(syscall.ENOBUFS):
			s.failed(c, syscall.ENOBUFS)
		case 0:
			s.ends(c)
			over = true
		default:
			s.consume(c)
		}
		s.submit() // refill
		if !c.More() && !over {
			s.arm(flags)
		}
	}
	s.settled()
}
