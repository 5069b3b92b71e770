//go:build linux

package uring

import (
	"errors"
	"runtime"
	"testing"

	"github.com/uring-go/uring/internal/testutil"
)

// A ring for a single issuer belongs to one thread. What enters the kernel from
// another fails there, and changes nothing.
func TestScenario54_SecondThread(t *testing.T) {
	testutil.Need(t, HaveDeferTaskrun)
	for _, mode := range []SendMode{SendBundle, SendZC} {
		t.Run(mode.String(), func(t *testing.T) {
			testutil.Need(t, mode.have)
			// The test, and what it leaves to be done at its end, is one goroutine.
			runtime.LockOSThread()
			t.Cleanup(runtime.UnlockOSThread)
			testSecondThread(t, mode)
		})
	}
}

func testSecondThread(t *testing.T, mode SendMode) {
	const size = 4 << 20
	fd, peer := streamPair(t)
	if mode.zeroCopy() {
		fd, peer = testutil.TCPPair(t)
	}
	s := senderOn(t, Config{Entries: 4, Flags: SetupSingleIssuer | SetupDeferTaskrun},
		SendQueueConfig{Mode: mode, Memory: size, ZCAlways: true}, fd, peer)
	s.small()
	s.feeds(BufRingConfig{Entries: 2, BufSize: 4096})
	mem, reg := s.mapRegistered(4096)
	s.put(size)
	s.flush()
	s.blocked()
	c := s.cancelSend() // one that makes the queue ask the kernel
	sent := int(c.Res)

	refused := func(what string, err error) {
		if !errors.Is(err, ErrWrongThread) {
			t.Errorf("%s: %v, want ErrWrongThread", what, err)
		}
	}
	if mode.provided() {
		elsewhere(func() { refused("Complete", second(s.q.Complete(c))) })
	}
	s.complete(c, sent)
	equal(t, "bytes queued", s.q.Queued(), size-sent)
	for s.SQSpace() > 0 {
		s.queue(otherData, func(q SQE) { q.PrepNop() })
	}
	elsewhere(func() {
		refused("Flush", s.q.Flush()) // it submits, to make room
		refused("NewSendQueue", second(s.NewSendQueue(FD(fd), SendQueueConfig{Mode: mode, Memory: 4096, Token: 1})))
		refused("NewBufRing", second(s.NewBufRing(BufRingConfig{Group: 9, Entries: 1, BufSize: 1})))
		refused("RegisterArena", second(s.RegisterArena(mem)))
		refused("UnregisterArena", s.UnregisterArena(reg))
		if HaveBufRingStatus() == nil {
			refused("Head", second(s.br.Head()))
			refused("Available", second(s.br.Available()))
		}
		refused("BufRing.Close", s.br.Close())
		refused("Submit", second(s.Submit()))
		refused("SubmitAndWait", second(s.SubmitAndWait(1)))
		refused("Ring.Close", s.Close())
	})
	equal(t, "in flight", s.q.InFlight(), false)
	for range s.Queued() {
		s.nextOf(otherData)
	}

	join := s.reading()
	s.finish()
	elsewhere(func() { refused("SendQueue.Close", s.q.Close()) })
	join()
	s.released()
	s.must(s.q.Close())
	s.must(s.br.Close())
}
