//go:build linux

package uring

import (
	"errors"
	"fmt"
	"testing"
)

// A peer stops to read, and a queue goes on receiving for it. All but Spare
// buffers may be held by the send that is outstanding; what waits behind it is
// copied, the buffers go back, and the peer gets every byte once it reads.
func TestWhatWaitsLeavesSpareBuffers(t *testing.T) {
	eachSendMode(t, func(t *testing.T, mode SendMode) {
		for _, c := range []BufRingConfig{
			{Entries: 8, BufSize: 80, Spare: 5},
			{Entries: 8, BufSize: 80, Spare: 5, Incremental: true},
		} {
			t.Run(name(c), func(t *testing.T) {
				s := newSmallSender(t, SendQueueConfig{Mode: mode, ZCAlways: true})
				c.Registered = mode.zeroCopy()
				s.feeds(c)
				s.fill()
				for range 60 {
					s.forward(1, 40) // would take 60 buffers, or 30
					s.must(s.q.Flush())
					if n := s.br.Stats().InKernel; n < c.Spare-1 {
						t.Fatalf("%d buffers are left, of which %d are spare", n, c.Spare)
					}
				}
				s.blocked()
				if n := s.q.Buffers(); n > c.Entries-c.Spare+1 {
					t.Errorf("the queue holds %d buffers", n)
				}
				if n := s.q.Stats().CopiedOut; n < 40*(60-8) || n != s.br.Stats().CopiedOut {
					t.Errorf("%d bytes copied, %d by the buffers' count", n, s.br.Stats().CopiedOut)
				}
				join := s.reading()
				s.finish()
				join()
				s.released()
				equal(t, "copies", s.br.Stats().CopyMemory, 0)
			})
		}
	})
}

// One byte that waits keeps a whole buffer of an incremental ring from the kernel.
// A copy of it gives the buffer back.
func TestACopyOfOneByteGivesBackAWholeBuffer(t *testing.T) {
	s := newSender(t, SendQueueConfig{Mode: SendVectored})
	s.feeds(BufRingConfig{Entries: 1, BufSize: 64 << 10, Incremental: true, Spare: 1})
	s.forward(1, 1) // the kernel goes on filling the buffer
	equal(t, "copied", s.q.Stats().CopiedOut, 0)
	for got := 0; got < 64<<10-1; {
		s.send(min(4096, 64<<10-1-got))
		got += int(discard(s, s.recv(0, 0, 0)))
	}
	s.holds(1)
	equal(t, "buffers left", s.br.Stats().InKernel, 0)
	s.br.relieve()
	s.holds(0)
	equal(t, "buffers left", s.br.Stats().InKernel, 1)
	equal(t, "copied", s.q.Stats().CopiedOut, 1)
	s.finish()
	equal(t, "bytes at the peer", string(readFull(t, s.peer, 1)), string(stream(0, 1)))
}

// discard drops what a completion brought, and returns its length.
func discard(s *sender, c CQE) int32 {
	s.Helper()
	s.must(s.br.Consume(c, func([]byte) error { return nil }))
	return c.Res
}

// Of several queues the one that holds buffers for the longest copies first.
func TestWhatWaitsLongestIsCopiedFirst(t *testing.T) {
	s := newSender(t, SendQueueConfig{Mode: SendPlain})
	s.feeds(BufRingConfig{Entries: 8, BufSize: 64, Spare: 4})
	var queues []*SendQueue
	for i := range 3 {
		q, err := s.NewSendQueue(FD(s.fd), SendQueueConfig{Mode: SendPlain, Token: MakeToken(9, 0, uint32(i))})
		s.must(err)
		queues = append(queues, q)
	}
	put := func(q *SendQueue) {
		s.send(10)
		if n, err := q.AppendCompletion(s.br, s.recv(0, 0, 0)); n != 10 || err != nil {
			t.Fatal(n, err)
		}
	}
	copied := func(want ...uint64) {
		t.Helper()
		for i, q := range queues {
			equal(t, fmt.Sprintf("copied by queue %d", i), q.Stats().CopiedOut, want[i])
		}
	}
	for _, q := range []*SendQueue{queues[1], queues[1], queues[0], queues[2]} {
		put(q)
	}
	copied(0, 0, 0)
	put(queues[2])
	copied(0, 20, 0) // two buffers are back
	put(queues[1])
	copied(0, 20, 0)
	put(queues[1])
	copied(10, 20, 0)
	for _, q := range queues {
		s.must(q.Close())
	}
	equal(t, "copies", s.br.Stats().CopyMemory, 0)
	s.holds(0)
}

// Copies are bounded for each queue, and in all. What goes beyond keeps its buffers.
func TestCopiesAreBounded(t *testing.T) {
	const chunk = 4 << 10
	for _, c := range []struct {
		queue, all int
		full       bool
	}{{chunk, 0, false}, {0, chunk, true}, {2 * chunk, chunk, true}} {
		t.Run(fmt.Sprint(c.queue, " ", c.all), func(t *testing.T) {
			s := newSender(t, SendQueueConfig{Mode: SendVectored, MaxCopied: c.queue})
			s.feeds(BufRingConfig{Entries: 4, BufSize: 3000, Spare: 4, CopyMemory: c.all})
			s.forward(2, 3000)
			stats := s.br.Stats()
			equal(t, "bytes copied", stats.CopiedOut, 3000)
			equal(t, "memory of copies", stats.CopyMemory, chunk)
			equal(t, "times full", stats.CopyFull > 0, c.full)
			equal(t, "buffers held", s.q.Buffers(), 1)
			s.finish()
			s.arrives(6000)
			s.forward(1, 3000) // there is room again
			equal(t, "bytes copied", s.br.Stats().CopiedOut, 6000)
			s.finish()
			s.arrives(3000)
			s.released()
		})
	}
}

// Small messages share chunks: 100 of 10 bytes take one, and one part of a send.
func TestSmallCopiesAreJoined(t *testing.T) {
	s := newSender(t, SendQueueConfig{Mode: SendVectored})
	s.feeds(BufRingConfig{Entries: 4, BufSize: 64, Spare: 4})
	s.forward(100, 10)
	equal(t, "memory of copies", s.br.Stats().CopyMemory, 4<<10)
	equal(t, "pieces", s.q.out.tail-s.q.out.free, 1)
	s.finish()
	s.arrives(1000)
	s.released()
}

// While copies wait the buffer ring cannot be closed; the Ring can.
func TestCloseWithCopies(t *testing.T) {
	s := newSender(t, SendQueueConfig{Mode: SendVectored})
	s.feeds(BufRingConfig{Entries: 4, BufSize: 64, Spare: 4})
	s.forward(1, 10)
	if err := s.br.Close(); !errors.Is(err, ErrBusy) {
		t.Errorf("Close of the buffer ring: %v", err)
	}
	s.must(s.Ring.Close())
	equal(t, "memory of copies", s.br.copies.mem == nil, true)
}

// Queues that come and go leave nothing in the list of those that hold buffers.
func TestClosedQueuesAreForgotten(t *testing.T) {
	s := bareStage(t, Config{})
	in, out := streamPair(t)
	s.in, s.out = in, out
	var err error
	s.br, err = s.NewBufRing(BufRingConfig{Entries: 4, BufSize: 64, Spare: 1})
	s.must(err)
	for range 100 {
		q, err := s.NewSendQueue(FD(in), SendQueueConfig{Mode: SendPlain})
		s.must(err)
		s.send(1)
		_, err = q.AppendCompletion(s.br, s.recv(0, 0, 0))
		s.must(err)
		s.must(q.Close())
	}
	if n := s.br.copies.queues.n; n > 2 {
		t.Errorf("%d queues are remembered", n)
	}
	s.holds(0)
}

func TestBadSpare(t *testing.T) {
	r := newRig(t, Config{})
	for want, c := range map[string]BufRingConfig{
		"uring: BufRingConfig.Spare is -1, want 0 to Entries, 4":                    {Spare: -1},
		"uring: BufRingConfig.Spare is 5, want 0 to Entries, 4":                     {Spare: 5},
		"uring: BufRingConfig.CopyMemory is -1, want 0 to 1073741824":               {Spare: 1, CopyMemory: -1},
		"uring: BufRingConfig.CopyMemory is 9, but nothing is copied without Spare": {CopyMemory: 9},
		"uring: BufRingConfig.CopyMemory is 1073741825, want 0 to 1073741824":       {Spare: 1, CopyMemory: 1<<30 + 1},
		"uring: SendQueueConfig.MaxCopied is -1, want 0 or more":                    {},
	} {
		c.Entries, c.BufSize = 4, 64
		_, err := r.NewBufRing(c)
		if c.Spare == 0 && c.CopyMemory == 0 {
			_, err = r.NewSendQueue(0, SendQueueConfig{MaxCopied: -1})
		}
		equal(t, "error", text(err), want)
	}
}

// In the steady state copying allocates nothing.
func TestCopyingAllocatesNothing(t *testing.T) {
	s := newSender(t, SendQueueConfig{Mode: SendVectored})
	s.feeds(BufRingConfig{Entries: 8, BufSize: 64, Spare: 8})
	p := stream(0, 40)
	n := testing.AllocsPerRun(100, func() {
		writeAll(s, s.out, p)
		s.queue(1, func(q SQE) { s.must(q.PrepRecvProvided(FD(s.in), s.br, 0, 0, 0)) })
		_, err := s.SubmitAndWait(1)
		s.must(err)
		for c := range s.Completions() {
			_, err := s.q.AppendCompletion(s.br, c)
			s.must(err)
		}
		s.cycle(p)
	})
	equal(t, "allocations", n, 0)
	equal(t, "copied", s.q.Stats().CopiedOut, 101*40)
}

func TestFifo(t *testing.T) {
	var f fifo[int]
	for i := range 20 {
		f.push(i)
		if i%3 == 0 {
			equal(t, "oldest", f.pop(), i/3)
		}
	}
	f.keep(func(i int) bool { return i%2 == 0 })
	var left []int
	for f.n > 0 {
		left = append(left, f.pop())
	}
	equal(t, "left", left, []int{8, 10, 12, 14, 16, 18})
}

// What was copied is copied once more when it is sent: without that the kernel
// would keep the memory until the peer has the bytes, and other queues could copy
// nothing.
func TestCopiesAreNotSentWithoutACopy(t *testing.T) {
	for _, mode := range []SendMode{SendZC, SendZCGather} {
		t.Run(mode.String(), func(t *testing.T) {
			s := newSender(t, SendQueueConfig{Mode: mode, ZCMin: 1, ZCAlways: true})
			s.feeds(BufRingConfig{Entries: 8, BufSize: 64, Spare: 8, Registered: true})
			for range 4 {
				s.forward(1, 40)
			}
			equal(t, "copied", s.q.Stats().CopiedOut, 4*40)
			s.finish()
			equal(t, "sends without a copy", s.q.Stats().ZeroCopy, 0)
			equal(t, "bytes at the peer", string(readFull(t, s.peer, 4*40)), string(stream(0, 4*40)))
			equal(t, "copies", s.br.Stats().CopyMemory, 0)
		})
	}
}
