//go:build linux

package uring

import (
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/testutil"
)

// Sends from provided buffers: the kernel retires a buffer when it picks it,
// whatever becomes of its bytes.

// A length sends the first part of a buffer, which is retired whole.
func TestScenario25_LengthSendsPartOfAProvidedBuffer(t *testing.T) {
	testutil.Need(t, HaveSendProvided)
	g := newRawGroup(t, 3, 1024)
	for i, c := range []struct{ length, sent int }{{0, 1024}, {100, 100}, {5000, 1024}} {
		g.send(c.length, 0, 0)
		g.is(g.next(), c.sent, i, "B")
		g.head(i + 1)
		g.arrives(i*1024, c.sent)
	}
}

// FlushN sends the first part of a piece. In the modes that send from a ring of
// buffers that retires the buffer, and the rest is sent from where it lies.
func TestScenario25_FlushNSendsPartOfAPiece(t *testing.T) {
	eachSendMode(t, func(t *testing.T, mode SendMode) {
		if mode.provided() {
			testutil.Need(t, HaveSendProvidedPart)
		}
		s := newSender(t, SendQueueConfig{Mode: mode, ZCAlways: true})
		s.feeds(BufRingConfig{Entries: 4, BufSize: 1024, Registered: mode.zeroCopy()})
		s.forward(3, 1024)
		retired := 0
		for _, step := range []struct{ limit, sent, retired int }{
			{100, 100, 1},  // the first piece's start
			{200, 200, 1},  // on with it
			{5000, 724, 1}, // and its end
			{5000, 1024, 2},
			{1, 1, 3},
		} {
			s.must(s.q.FlushN(step.limit))
			s.must(s.q.FlushN(step.limit)) // one is in flight
			c := s.next()
			bid := -1
			if mode.provided() && step.retired > retired {
				bid = retired
			}
			if got := observe(c); got.Res != step.sent || got.BID != bid {
				t.Fatalf("completion %+v, want %d bytes, buffer %d", got, step.sent, bid)
			}
			s.complete(c, step.sent)
			if mode.zeroCopy() {
				s.complete(s.next(), 0)
			}
			s.arrives(step.sent)
			if retired = step.retired; mode.provided() {
				s.picked(retired)
			}
		}
		s.finish()
		s.arrives(1023)
		s.released()
		equal(t, "requests", s.q.Stats().Requests, 6)
	})
	s := newSender(t, SendQueueConfig{Mode: SendPlain, Memory: 1})
	for _, n := range []int{0, -1} {
		equal(t, "error", text(s.q.FlushN(n)), fmt.Sprintf("uring: FlushN of %d bytes, want at least 1", n))
	}
}

// Kernels that take no length there say EINVAL, and FlushN which one does.
func TestScenario25_FlushNWhereTheKernelTakesNoLength(t *testing.T) {
	testutil.Need(t, HaveSendProvided)
	s := newSender(t, SendQueueConfig{Mode: SendProvided, Memory: 100})
	s.put(100)
	replaceProbe(t, &probeSendProvidedPart, lacking("sends of parts of provided buffers", 6, 12))
	if err := s.q.FlushN(10); !errors.Is(err, ErrNotSupported) {
		t.Fatal(err)
	}
	equal(t, "in flight", s.q.InFlight(), false)
	s.finish()
	s.arrives(100)
}

// Without MSG_WAITALL a full socket makes a send short, and the rest of its
// buffer is gone. With it the kernel goes on by itself.
func TestScenario26_ShortSendRetiresTheWholeBuffer(t *testing.T) {
	testutil.Need(t, HaveSendProvided)
	const size = 256 << 10
	stuck := func(t *testing.T, msgFlags int) *rawGroup {
		g := newRawGroup(t, 1, size)
		g.must(syscall.SetsockoptInt(g.out, syscall.SOL_SOCKET, syscall.SO_SNDBUF, 16<<10))
		g.send(0, msgFlags, 0)
		g.submit()
		return g
	}
	t.Run("short", func(t *testing.T) {
		g := stuck(t, 0)
		c := g.next()
		sent := int(c.Res)
		if sent <= 0 || sent >= size {
			t.Fatalf("not a short send: %+v", observe(c))
		}
		g.is(c, sent, 0, "B")
		g.head(1)
		g.arrives(0, sent)
	})
	t.Run("MSG_WAITALL", func(t *testing.T) {
		g := stuck(t, cgo.MsgWaitAll)
		g.none()
		g.head(1) // although nothing has completed
		g.arrives(0, size)
		g.is(g.next(), size, 0, "B")
		g.head(1)
	})
}

// A send that a cancellation cuts short reports what it sent, and the queue
// goes on where it stopped.
func TestScenario26_ShortSendIsResent(t *testing.T) {
	eachSendMode(t, func(t *testing.T, mode SendMode) {
		const size = 1 << 20
		s := newSmallSender(t, SendQueueConfig{Mode: mode, Memory: size, ZCAlways: true})
		c := s.cutShort(size)
		sent := int(c.Res)
		s.complete(c, sent)
		equal(t, "bytes that wait", s.q.Queued(), size-sent)

		join := s.reading()
		s.finish()
		join()
		s.released()
		stats := s.q.Stats()
		equal(t, "bytes", stats.Bytes, size)
		equal(t, "requests", stats.Requests, 2)
		if mode.provided() {
			equal(t, "requests for the rest", stats.Resent, 1)
			s.picked(1)
		}
	})
}

// The peer resets the connection in the middle of a bundle: what was accepted
// is counted, and once the queue finds the stream broken all buffers come back.
func TestScenario27_PeerResetsMidwayThroughABundle(t *testing.T) {
	testutil.Need(t, SendBundle.have)
	const buffers, size = 64, 64 << 10
	fd, peer := testutil.TCPPair(t)
	s := senderOn(t, Config{}, SendQueueConfig{Mode: SendBundle}, fd, peer)
	s.small()
	s.feeds(BufRingConfig{Entries: buffers, BufSize: size})
	s.forward(buffers, size)
	s.flush()
	s.blocked()
	s.reset()

	c := s.next()
	sent := int(c.Res)
	if sent <= 0 || sent >= buffers*size {
		t.Fatalf("not sent in part: %+v", observe(c))
	}
	s.is(c, sent, 0, "B")
	s.picked(buffers)
	s.complete(c, sent)
	s.holds(buffers - sent/size)

	s.flush()
	s.breaks(s.next(), syscall.EPIPE, syscall.ECONNRESET)
	equal(t, "bytes accepted", s.q.Stats().Bytes, uint64(sent))
	equal(t, "requests for the rest", s.q.Stats().Resent, 1)
	s.released()
}

// A bundle to a peer that is gone names the first buffer, and costs all.
func TestScenario28_BundleToAClosedPeer(t *testing.T) {
	testutil.Need(t, SendBundle.have)
	s := newSender(t, SendQueueConfig{Mode: SendBundle})
	s.feeds(BufRingConfig{Entries: 4, BufSize: 1024})
	s.forward(1, 100)
	s.flush()
	c := s.next()
	s.is(c, 100, 0, "B")
	s.complete(c, 100)
	s.forward(3, 100)
	s.closePeer()

	s.flush()
	c = s.next()
	s.is(c, -int(syscall.EPIPE), 1, "B")
	s.picked(4)
	s.holds(3)
	s.breaks(c, syscall.EPIPE)
	equal(t, "bytes accepted", s.q.Stats().Bytes, 100)
	s.released()
	s.must(s.q.Close())
}

// The same in every mode: each says EPIPE and gives everything back.
func TestScenario28_SendToAClosedPeer(t *testing.T) {
	eachSendMode(t, func(t *testing.T, mode SendMode) {
		s := newSender(t, SendQueueConfig{Mode: mode, Memory: 1 << 20, ZCAlways: true})
		s.feeds(BufRingConfig{Entries: 4, BufSize: 1024})
		s.put(1000)
		s.finish()
		s.arrives(1000)
		s.forward(2, 100)
		s.put(100_000)
		s.reset()

		s.flush()
		s.breaks(s.next(), syscall.EPIPE, syscall.ECONNRESET)
		for s.q.Unnotified() > 0 {
			s.complete(s.next(), 0)
		}
		equal(t, "bytes accepted", s.q.Stats().Bytes, 1000)
		s.released()
		s.must(s.q.Close())
	})
}

// A send that is blocked before its first byte has picked its buffers already.
// Cancelled, it leaves all bytes to be sent: the queue sends them when asked to.
func TestScenario29_BlockedSendIsCancelled(t *testing.T) {
	eachSendMode(t, func(t *testing.T, mode SendMode) {
		s := newSmallSender(t, SendQueueConfig{Mode: mode, ZCAlways: true})
		s.feeds(BufRingConfig{Entries: 4, BufSize: 1024, Registered: mode.zeroCopy()})
		s.fill()
		s.forward(3, 1000)
		picks := map[SendMode]int{SendBundle: 3, SendProvided: 1}[mode]
		s.flush()
		s.none()
		if mode.provided() {
			s.picked(picks)
		}
		c := s.cancelSend()
		if mode.provided() {
			s.is(c, -int(syscall.ECANCELED), 0, "B")
			s.picked(picks)
		}
		s.completeErr(c, syscall.ECANCELED)
		s.must(s.q.Err())
		equal(t, "bytes queued", s.q.Queued(), 3000)
		s.holds(3)

		join := s.reading()
		s.finish()
		join()
		s.released()
		equal(t, "bytes sent by the queue", s.q.Stats().Bytes, 3000)
		if mode.provided() {
			equal(t, "requests for the rest", s.q.Stats().Resent, 1)
			s.picked(3) // each of them once
		}
	})
}

// A bundle has one completion for every 256 buffers.
func TestScenario30_BundleOfManyBuffers(t *testing.T) {
	testutil.Need(t, SendBundle.have)
	for _, c := range []struct {
		buffers int
		want    []completion
	}{
		{1, []completion{{16, 0, "B"}}},
		{256, []completion{{4096, 0, "B"}}},
		{257, []completion{{4096, 0, "MB"}, {16, 256, "B"}}},
		{512, []completion{{4096, 0, "MB"}, {4096, 256, "B"}}},
		{700, []completion{{4096, 0, "MB"}, {4096, 256, "MB"}, {3008, 512, "B"}}},
	} {
		t.Run(fmt.Sprint(c.buffers), func(t *testing.T) {
			s := newSender(t, SendQueueConfig{Mode: SendBundle, Entries: 1024})
			s.feeds(BufRingConfig{Entries: 1024, BufSize: 16})
			s.forward(c.buffers, 16)
			s.flush()
			left := c.buffers
			for i, want := range c.want {
				r := s.next()
				equal(t, "completion", observe(r), want)
				s.complete(r, want.Res)
				left -= want.Res / 16
				s.holds(left) // what was sent comes back with each
				equal(t, "in flight", s.q.InFlight(), i < len(c.want)-1)
			}
			s.picked(c.buffers)
			s.released()
			s.arrives(c.buffers * 16)
			equal(t, "stats", s.q.Stats(), SendQueueStats{Requests: 1, Bytes: uint64(c.buffers) * 16, Pieces: uint64(c.buffers)})
		})
	}
}

// A bundle that had to wait for room in the socket stops after 256 buffers
// with the others in the ring (older kernels go on). The queue sends them.
func TestScenario31_BundleThatHadToWaitLeavesBuffers(t *testing.T) {
	testutil.Need(t, SendBundle.have)
	const buffers, size = 400, 4096
	s := newSender(t, SendQueueConfig{Mode: SendBundle, Entries: 512})
	s.feeds(BufRingConfig{Entries: 512, BufSize: size})
	s.fill()
	s.forward(buffers, size)
	s.flush()
	s.none()
	s.picked(256)

	join := s.reading()
	c := s.next()
	s.is(c, 256*size, 0, map[bool]string{false: "B", true: "MB"}[c.More()])
	s.complete(c, 256*size)
	s.holds(buffers - 256)
	s.finish()
	join()
	s.picked(buffers)
	s.released()
	equal(t, "bytes sent by the queue", s.q.Stats().Bytes, buffers*size)
	equal(t, "requests for the rest", s.q.Stats().Resent, 0)
}

// Flush while a send is in flight does nothing, however often: the kernel
// would send out of order.
func TestScenario32_OneSendIsInFlight(t *testing.T) {
	eachSendMode(t, func(t *testing.T, mode SendMode) {
		s := newSmallSender(t, SendQueueConfig{Mode: mode, Memory: 1 << 20, ZCAlways: true})
		s.fill()
		for range 8 {
			s.put(1000)
			s.must(s.q.Flush())
			equal(t, "entries queued", s.Queued(), 1)
		}
		s.none()
		equal(t, "entries queued", s.Queued(), 0)
		s.must(s.q.Flush())
		equal(t, "entries queued", s.Queued(), 0)
		equal(t, "requests", s.q.Stats().Requests, 1)

		join := s.reading()
		s.finish()
		join()
		s.released()
	})
}
