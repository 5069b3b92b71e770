//go:build linux

package uring

import (
	"syscall"
	"testing"
	"time"

	"github.com/uring-go/uring/internal/kernel"
	"github.com/uring-go/uring/internal/testutil"
)

// The account of who has which buffer must hold whatever the program does while
// it looks at a completion, and in whichever order completions come.

func TestCompletionsMayBeHandledWhileAnotherIsLookedAt(t *testing.T) {
	for _, c := range []struct {
		name        string
		incremental bool
		bytes       int // in buffers of 16
	}{
		{"classic", false, 48},
		{"incremental", true, 40},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newBundleStage(t, BufRingConfig{Entries: 4, BufSize: 16, Incremental: c.incremental})
			s.send(c.bytes)
			outer := s.recv(0, syscall.MSG_DONTWAIT, Bundle)
			n := int(outer.Res)
			if n != c.bytes && !hasLinux(t, kernel.V(6, 15)) { // one that leaves a buffer that it would not fill
				equal(t, "result", n, c.bytes&^15)
			} else {
				equal(t, "result", n, c.bytes)
			}
			s.send(10)
			var inner []CQE
			for left := s.sent - n; left > 0; {
				inner = append(inner, s.recv(0, syscall.MSG_DONTWAIT, Bundle))
				left -= int(inner[len(inner)-1].Res)
			}

			at := 0
			for seg, err := range s.br.Segments(outer) {
				if err != nil {
					t.Fatal(err)
				}
				equal(t, "bytes", string(seg.Bytes), string(stream(at, len(seg.Bytes))))
				s.release(seg)
				if at == 0 {
					s.got = n
					for _, cqe := range inner {
						s.take(cqe, s.places(s.got, int(cqe.Res))...)
					}
					s.submit() // gives back what is free, and nothing else
				}
				at += len(seg.Bytes)
			}
			equal(t, "bytes", at, n)
			equal(t, "bytes in all", s.got, s.sent)
			s.settled()
			if wrong, err := bugBundleBufMore.check(); wrong == "" {
				s.must(err)
				wrong, err := bugShortened.check()
				s.must(err)
				left := c.incremental && n != c.bytes && wrong != "" // the buffer that was left is said to be used up
				equal(t, "mismatches", s.br.Stats().Mismatches, map[bool]uint64{true: 1}[left])
			}
		})
	}
}

// places are where n bytes at an offset of the stream lie if nothing was wasted
// and buffers were used in the order of their numbers.
func (s *stage) places(off, n int) []place {
	var list []place
	for size := s.br.BufSize(); n > 0; {
		part := min(n, size-off%size)
		list = append(list, place{off / size, off % size, part})
		off += part
		n -= part
	}
	return list
}

// The order in which a bundle's buffers were in the ring holds for as long as
// it is looked at, however far the ring gets meanwhile.
func TestBundleIsWalkedWhileOtherBuffersGoRound(t *testing.T) {
	s := newBundleStage(t, BufRingConfig{Entries: 4, BufSize: 16})
	s.send(48)
	outer := s.recv(0, syscall.MSG_DONTWAIT, Bundle)
	s.is(outer, 48, 0, "B")
	at := 0
	for seg, err := range s.br.Segments(outer) {
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "place", s.place(seg.Bytes), place{at / 16, 0, 16})
		equal(t, "bytes", string(seg.Bytes), string(stream(at, 16)))
		s.release(seg)
		at += 16
		s.got = max(s.got, 48)
		for range 5 {
			s.send(16)
			s.consume(s.recv(0, 0, 0))
		}
	}
	s.settled()
	s.available(4)
}

// A request in a worker thread has taken its buffer and waits; meanwhile the
// other buffer goes round and round past its place in the ring.
func TestBufferHeldByAWorkerIsFoundWhenItsTurnHasLongPassed(t *testing.T) {
	s := newStage(t, BufRingConfig{Entries: 2, BufSize: 16})
	slow, toSlow := testutil.UnixPair(t, syscall.SOCK_STREAM)
	s.async(slow)
	s.waitHead(1)

	for i := range 7 {
		s.send(16)
		c := s.recv(0, 0, 0)
		s.is(c, 16, 1, "B")
		s.take(c, place{1, 0, 16})
		equal(t, "in the kernel", s.br.Stats().InKernel, 2)
		s.submit()
		s.waitHead(2 + i)
		s.balanced()
	}
	s.write(toSlow, []byte("late"))
	c := s.next()
	s.is(c, 4, 0, "B")
	for seg, err := range s.br.Segments(c) {
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "bytes", string(seg.Bytes), "late")
		equal(t, "place", s.place(seg.Bytes), place{0, 0, 4})
		s.release(seg)
	}
	s.settled()

	// Both buffers take part again.
	for range 4 {
		s.send(16)
		s.consume(s.recv(0, 0, 0))
	}
	s.settled()
}

// async starts a receive in a worker thread.
func (s *stage) async(fd int) {
	s.Helper()
	s.singleReceives()
	s.sqe(uint64(fd), func(q SQE) error {
		if err := q.PrepRecvProvided(FD(fd), s.br, 0, 0, 0); err != nil {
			return err
		}
		return q.SetFlags(Async)
	})
	s.submit()
}

// singleReceives makes receives single ones, as on kernels that cannot end a
// multishot receive: they may run in worker threads.
func (s *stage) singleReceives() {
	s.Helper()
	replaceProbe(s, &probeRecvMultishotLimit, lacking("length limits of multishot receives", 6, 17))
	s.br.limits = false
}

// waitHead waits until the kernel has come to a position.
func (s *stage) waitHead(want int) {
	s.Helper()
	testutil.Need(s, HaveBufRingStatus)
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		head, err := s.br.Head()
		if err != nil {
			s.Fatal(err)
		}
		if int(head) == want {
			return
		}
		if time.Now().After(deadline) {
			s.Fatalf("head %d, want %d", head, want)
		}
	}
}

func TestRingMayCloseWhileACompletionIsLookedAt(t *testing.T) {
	s := newBundleStage(t, BufRingConfig{Entries: 4, BufSize: 16})
	s.send(64)
	c := s.recv(0, syscall.MSG_DONTWAIT, Bundle)
	s.is(c, 64, 0, "B")
	for seg, err := range s.br.Segments(c) {
		if err != nil {
			t.Fatal(err)
		}
		s.inStream(seg.Bytes)
		s.release(seg)
		if err := s.ring.Close(); err != nil {
			t.Fatal(err)
		}
	}
	equal(t, "bytes received", s.got, 64)
	equal(t, "lent", s.br.Stats().Lent, 0)
}
