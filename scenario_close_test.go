//go:build linux

package uring

import (
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/arena"
	"github.com/uring-go/uring/internal/testutil"
)

// A peer that does not read holds the memory of a zero-copy send for longer
// than Close waits. The memory then stays as it is until it has read, as the
// kernel sends from it.
func TestScenario52_CloseWithASendOnItsWay(t *testing.T) {
	testutil.Need(t, HaveSendZC)
	closesWith(t, 50*time.Millisecond)
	s := newSender(t, SendQueueConfig{Mode: SendZC, Memory: beyond, ZCAlways: true})
	s.roomy()
	s.feeds(BufRingConfig{Entries: 2, BufSize: 4096})
	s.put(beyond)
	s.flush()
	s.complete(s.result(beyond), beyond)
	s.forward(2, 4096)
	s.flush()
	s.complete(s.result(4096), 4096)
	mem, bufs := s.q.own.mem, s.br.arena.Bytes()

	busy := "uring: close: the kernel has not let go of requests (in flight: 2, of them zero-copy sends of queues: 2) after 50ms; wait by another Close: still in use"
	for range 2 {
		start := time.Now()
		err := s.Close()
		equal(t, "error", text(err), busy)
		equal(t, "is busy", errors.Is(err, ErrBusy), true)
		if d := time.Since(start); d < drainTime || d > 10*drainTime {
			t.Errorf("Close took %v", d)
		}
		equal(t, "descriptor", s.FD(), -1)
	}
	equal(t, "the queue", s.q.Close(), nil)
	equal(t, "the buffer ring", s.br.Close(), nil)

	// Mappings that are gone would be handed out again.
	for range 8 {
		m, err := arena.Map(beyond, false)
		s.must(err)
		defer m.Unmap()
		for i := range m.Bytes() {
			m.Bytes()[i] = 0xEE
		}
	}
	equal(t, "memory", string(mem) == string(stream(0, beyond)), true)
	equal(t, "buffers", string(bufs[:8192]) == string(stream(beyond, 8192)), true)

	// The second of the received slices was never sent.
	s.sent -= 4096
	s.reading()()
	closesLater(t, s.Ring)
	equal(t, "memory of the queue", s.q.own.arena.Bytes(), nil)
	equal(t, "memory of the buffer ring", s.br.arena.Bytes(), nil)
}

// So it is with a send that is in no queue. Its memory is the caller's: an arena
// that is registered cannot be closed before.
func TestScenario52_CloseWithASendThatIsInNoQueue(t *testing.T) {
	testutil.Need(t, HaveSendZC)
	closesWith(t, 100*time.Millisecond)
	for _, fixed := range []bool{false, true} {
		g := &rig{TB: t}
		var err error
		g.Ring, err = New(Config{Entries: 4})
		g.must(err)
		a := newArena(t, beyond)
		reg, err := g.RegisterArena(a)
		g.must(err)
		fd, peer := testutil.TCPPair(t)
		g.must(syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_SNDBUF, beyond))
		p := a.Bytes()
		copy(p, stream(0, len(p)))
		c := g.answer(func(s SQE) {
			if fixed {
				g.must(s.PrepSendZCFixed(FD(fd), reg, p, 0, 0))
			} else {
				g.must(s.PrepSendZC(FD(fd), p, 0, 0))
			}
		})
		equal(t, "result", c, CQE{UserData: c.UserData, Res: c.Res, Flags: cgo.CQEFMore})
		err = g.Close()
		equal(t, "error of Close", text(err), "uring: close: the kernel has not let go of requests (in flight: 1) after 100ms; wait by another Close: still in use")
		equal(t, "is busy", errors.Is(err, ErrBusy), true)
		equal(t, "arena is busy", errors.Is(a.Close(), ErrBusy), true)

		got := readFull(t, peer, int(c.Res))
		equal(t, "bytes", string(got) == string(stream(0, len(got))), true)
		closesLater(t, g.Ring)
		equal(t, "error of the arena's Close", a.Close(), nil)
	}
}

// A peer that reads in time lets Close finish.
func TestScenario52_CloseWaitsForNotifications(t *testing.T) {
	testutil.Need(t, HaveSendZC)
	s := newSender(t, SendQueueConfig{Mode: SendZC, Memory: beyond, ZCAlways: true})
	s.roomy()
	s.put(beyond)
	s.flush()
	s.complete(s.result(beyond), beyond)
	s.none()

	join := s.reading()
	s.must(s.Close())
	equal(t, "without notification", s.q.Unnotified(), 0)
	join()
}

// While Close waits it starts nothing that was not submitted.
func TestScenario52_CloseSubmitsNothing(t *testing.T) {
	testutil.Need(t, HaveSendZC)
	closesWith(t, 50*time.Millisecond)
	s := newSender(t, SendQueueConfig{Mode: SendZC, Memory: beyond, ZCAlways: true})
	s.roomy()
	s.put(beyond)
	s.flush()
	s.complete(s.result(beyond), beyond)

	fd, peer := testutil.TCPPair(t)
	q, err := s.NewSendQueue(FD(fd), SendQueueConfig{Mode: SendZC, Memory: 100, Token: 1})
	s.must(err)
	s.must(second(q.Write(make([]byte, 100))))
	s.must(q.Flush())
	in, out := streamPair(t)
	s.queue(otherData, func(q SQE) { q.PrepSend(FD(out), held(make([]byte, 100)), 0) })

	equal(t, "error", text(s.Close()), "uring: close: the kernel has not let go of requests (in flight: 1, of them zero-copy sends of queues: 1) after 50ms; wait by another Close: still in use")
	equal(t, "bytes at the queue's peer", unread(t, peer), 0)
	equal(t, "bytes at the other peer", unread(t, in), 0)
	s.reading()()
	closesLater(t, s.Ring)
}

// Close cancels a send that is blocked, and waits for its notification too.
func TestScenario52_CloseWithABlockedSend(t *testing.T) {
	eachSendMode(t, func(t *testing.T, mode SendMode) {
		const size = 4 << 20
		s := newSmallSender(t, SendQueueConfig{Mode: mode, Memory: size, ZCAlways: true})
		s.feeds(BufRingConfig{Entries: 2, BufSize: 4096})
		s.put(size)
		s.forward(2, 1000)
		s.flush()
		s.blocked()
		peer, fd := make(chan []byte, 1), dupFD(t, s.peer)
		// By then Close has cancelled the send, and waits for its notification.
		time.AfterFunc(100*time.Millisecond, func() { peer <- <-collect(fd) })
		s.must(s.Close())
		s.holds(0)
		shutdown(t, s.fd)
		got := <-peer
		if len(got) == 0 || len(got) >= size {
			t.Fatalf("the peer got %d bytes of a blocked send of %d", len(got), size)
		}
		s.inStream(got)
	})
}
