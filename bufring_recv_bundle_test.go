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

// Receive bundles: one completion covers as many buffers as the bytes take, in
// the order in which the kernel was given them. Kernels differ in how they
// split the same bytes into completions.

// bundle handles completions until total bytes of the stream have come, checks
// that they lie in the given places, whatever the split, and returns the
// completions and the segments.
func (s *stage) bundle(total int, want ...place) (cqes []CQE, held []Segment) {
	s.Helper()
	var places []place
	for n := 0; n < total; {
		c := s.next()
		if c.Res <= 0 {
			s.Fatalf("%d of %d bytes, then %+v", n, total, observe(c))
		}
		n += int(c.Res)
		cqes = append(cqes, c)
		for seg, err := range s.br.Segments(c) {
			if err != nil {
				s.Fatal(err)
			}
			s.inStream(seg.Bytes)
			held = append(held, seg)
			places = append(places, s.place(seg.Bytes))
		}
	}
	equal(s, "places", places, want)
	return cqes, held
}

// needBundles is for tests that receive bundles.
func needBundles(tb testing.TB, incremental bool) {
	tb.Helper()
	if incremental {
		testutil.Need(tb, HaveIncrementalBundles)
	} else {
		testutil.Need(tb, HaveBundles)
	}
}

// newBundleStage opens a stage on a TCP connection, where every kernel knows how
// much there is to receive: of UNIX sockets older ones do not, and begin with
// one buffer.
func newBundleStage(tb testing.TB, c BufRingConfig) *stage {
	tb.Helper()
	needBundles(tb, c.Incremental)
	return newTCPStage(tb, c)
}

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
		s.fails(c, syscall.ENOBUFS)

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
		s.fails(c, syscall.ENOBUFS)
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
	s.write(out, stream(s.sent, 250))
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
			s.fails(c, syscall.ENOBUFS)
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

// A used-up group says nothing about who has its buffers: only those that were
// released go back.
func TestUsedUpGroupGetsBackOnlyWhatWasReleased(t *testing.T) {
	s := newBundleStage(t, BufRingConfig{Entries: 4, BufSize: 16})
	s.send(4 * 16)
	s.arm(Bundle)
	_, held := s.bundle(4*16, place{0, 0, 16}, place{1, 0, 16}, place{2, 0, 16}, place{3, 0, 16})
	s.arm(Bundle)
	s.fails(s.next(), syscall.ENOBUFS)
	s.available(0)

	s.release(held[1], held[3])
	s.available(2)
	s.send(2 * 16)
	s.arm(Bundle)
	_, more := s.bundle(2*16, place{1, 0, 16}, place{3, 0, 16})
	equal(t, "kept", string(held[0].Bytes)+string(held[2].Bytes), string(stream(0, 16))+string(stream(32, 16)))
	s.release(held[0], held[2])
	s.release(more...)
	s.settled()
	s.available(4)
}

// Each part of a bundle is as long as its own buffer has room, not as the
// others have, nor as is left of the bundle.
func TestBundleIsCutAtTheRoomOfEachBuffer(t *testing.T) {
	s := newBundleStage(t, BufRingConfig{Entries: 4, BufSize: 100, Incremental: true})
	s.arm(Bundle)
	s.send(70)
	_, a := s.bundle(70, place{0, 0, 70})
	s.send(225)
	_, b := s.bundle(225, place{0, 70, 30}, place{1, 0, 100}, place{2, 0, 95})
	s.send(8)
	_, c := s.bundle(8, place{2, 95, 5}, place{3, 0, 3})
	s.cancel(uint64(s.in))
	for _, segs := range [][]Segment{c, b, a} {
		s.release(segs...)
	}
	s.settled()
}

// A bundle's first go may be shorter than the buffer has room: as long as the
// buffer had that was first when the request began to wait. With MinLeft the
// kernel can write off what is left then, and go on in the next buffer. The
// completion looks as if the bytes followed each other.
func TestBundleWithMinLeftIsRefused(t *testing.T) {
	s := newStage(t, BufRingConfig{Entries: 4, BufSize: 512, Incremental: true, MinLeft: 80})
	for name, prep := range map[string]func(SQE) error{
		"single":    func(q SQE) error { return q.PrepRecvProvided(FD(s.in), s.br, 0, 0, Bundle) },
		"multishot": func(q SQE) error { return q.PrepRecvMultishot(FD(s.in), s.br, Bundle) },
	} {
		t.Run(name, func(t *testing.T) { s.refuses(prep, errBundleMinLeft.Error()) })
	}

	s.send(168)
	s.take(s.recv(0, 0, 0), place{0, 0, 168})
	slow, toSlow := streamPair(t)
	s.sqe(uint64(slow), func(q SQE) error {
		s.singleReceives()
		err := q.PrepRecvProvided(FD(slow), s.br, 0, 0, 0)
		q.IOPrio |= uint16(Bundle)
		return err
	})
	s.submit() // 344 bytes are left in the first buffer
	s.send(344)
	s.take(s.recv(0, 0, 0), place{0, 168, 344})
	s.send(113)
	s.take(s.recv(0, 0, 0), place{1, 0, 113})
	s.write(toSlow, make([]byte, 455))
	c := s.next()
	if !hasLinux(t, kernel.V(6, 15)) { // fills a bundle in one go: what is written off lies behind it
		s.is(c, 344, 1, "B")
		return
	}
	s.is(c, 455, 1, "Bb")
	const asIfWithoutGap = 113 + 455 - 512
	if got := s.entryAt(2); got.Off != asIfWithoutGap {
		t.Logf("the kernel left %d bytes out in the middle", got.Off-asIfWithoutGap)
		s.entry(2, place{2, 455 - 344, 512 - (455 - 344)})
	}
}
