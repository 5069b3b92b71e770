//go:build linux

package uring

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/uring-go/uring/internal/testutil"
)

// With no entry free Flush submits.
func TestFlushMakesRoomForItself(t *testing.T) {
	fd, peer := streamPair(t)
	s := senderOn(t, Config{Entries: 2}, SendQueueConfig{Mode: SendPlain, Memory: 10}, fd, peer)
	for range 2 {
		s.queue(otherData, func(q SQE) { q.PrepNop() })
	}
	s.put(10)
	s.must(s.q.Flush())
	equal(t, "entries queued", s.Queued(), 1)
	for range 2 {
		equal(t, "user data", s.next().UserData, otherData)
	}
	s.complete(s.next(), 10)
	s.arrives(10)
}

// Four blocks that do not lie side by side: what each mode needs to send them.
func TestRequestsForBlocksThatAreApart(t *testing.T) {
	const block = 4096
	for _, c := range []struct {
		mode                    SendMode
		requests, notifications uint64
	}{
		{SendBundle, 1, 0},
		{SendVectored, 1, 0},
		{SendProvided, 4, 0},
		{SendPlain, 4, 0},
		{SendZC, 4, 4},
		{SendZCGather, 1, 1},
	} {
		t.Run(c.mode.String(), func(t *testing.T) {
			testutil.Need(t, c.mode.have)
			if c.mode == SendZCGather {
				testutil.Need(t, HaveSendMsgZCFixed)
			}
			s := newSender(t, SendQueueConfig{Mode: c.mode, ZCAlways: true})
			s.feeds(BufRingConfig{Entries: 8, BufSize: block, Registered: c.mode.zeroCopy()})
			maxRun = 1 << 20 // nothing but the gaps keeps them apart
			for i := range 8 {
				seg := s.segments(block)[0]
				if i%2 == 0 {
					s.must(s.q.Append(seg))
				} else {
					s.release(seg)
				}
			}
			s.finish()
			for i := range 4 {
				s.got = 2 * i * block
				s.arrives(block)
			}
			stats := s.q.Stats()
			equal(t, "pieces", stats.Pieces, 4)
			equal(t, "requests", stats.Requests, c.requests)
			equal(t, "notifications", stats.Notifications, c.notifications)
			s.released()
		})
	}
}

// A send must not slip into a chain of other requests. Nothing is lost by it.
func TestFlushInsideAChain(t *testing.T) {
	for _, link := range []SQEFlags{Link, HardLink} {
		s := newSender(t, SendQueueConfig{Mode: SendPlain, Memory: 10})
		s.put(10)
		s.queue(otherData, func(q SQE) { q.PrepNop(); s.must(q.SetFlags(link)) })
		wantError(t, s.q.Flush(), "Flush after a request with Link or HardLink")
		equal(t, "entries queued", s.Queued(), 1)
		s.queue(otherData, func(q SQE) { q.PrepNop() })
		s.must(s.q.Flush())
		equal(t, "entries queued", s.Queued(), 3)
		for range 3 { // in any order
			if c := s.next(); s.q.Owns(c) {
				s.complete(c, 10)
			} else {
				equal(t, "completion", c, CQE{UserData: otherData})
			}
		}
		s.arrives(10)
	}
}

// Completions of a queue are told by kind and slot; the generation is that of
// the request.
func TestOwns(t *testing.T) {
	s := bareStage(t, Config{})
	fd, _ := streamPair(t)
	q, err := s.NewSendQueue(FD(fd), SendQueueConfig{Token: MakeToken(3, 0, 5), Memory: 10})
	s.must(err)
	for _, c := range []struct {
		token Token
		want  bool
	}{
		{MakeToken(3, 0, 5), true},
		{MakeToken(3, 0xffffff, 5), true},
		{MakeToken(3, 1, 6), false},
		{MakeToken(2, 1, 5), false},
		{0, false},
	} {
		if got := q.Owns(CQE{UserData: uint64(c.token)}); got != c.want {
			t.Errorf("Owns(%#x): %v", c.token, got)
		}
	}
	s.must(second(q.Write([]byte("x"))))
	s.must(q.Flush())
	c := s.next()
	equal(t, "token", c.Token(), MakeToken(3, 1, 5))
	s.must(second(q.Complete(c)))
	_, err = q.Complete(CQE{UserData: 77})
	if !errors.Is(err, ErrBadCompletion) {
		t.Fatal(err)
	}
}

// UserData of 0 is that of requests which were given none: no queue owns them,
// and queues without a token are told apart.
func TestQueueWithoutATokenOwnsOnlyItsOwn(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		var queues []*SendQueue
		var peers []int
		open := func() {
			a, b := streamPair(g)
			q, err := g.NewSendQueue(FD(a), SendQueueConfig{Memory: 64, Mode: SendVectored})
			g.must(err)
			queues, peers = append(queues, q), append(peers, b)
		}
		for range 3 {
			open()
		}
		g.must(queues[0].Close()) // its token is free again, those of the others are not
		queues, peers = queues[1:], peers[1:]
		open()

		_, err := g.NewSendQueue(FD(peers[0]), SendQueueConfig{Token: queues[1].Token()})
		if err == nil || !strings.Contains(err.Error(), "could not be told apart") {
			t.Errorf("the token of another queue: %v", err)
		}
		g.queue(0, SQE.PrepNop)
		for i, q := range queues {
			_, err := q.Write([]byte{byte('a' + i)})
			g.must(err)
			g.must(q.Flush())
		}
		g.submit()
		owned := make([]int, len(queues))
		for _, c := range g.await(1 + len(queues)) {
			for i, q := range queues {
				if !q.Owns(c) {
					continue
				}
				owned[i]++
				equal(t, "token", q.Token().Kind(), c.Token().Kind())
				if c.UserData == 0 {
					t.Errorf("queue %d owns a completion without user data", i)
				}
				n, err := q.Complete(c)
				g.must(err)
				equal(t, "sent", n, 1)
			}
		}
		equal(t, "completions of each queue", fmt.Sprint(owned), "[1 1 1]")
		for i, q := range queues {
			equal(t, "received", g.read(peers[i]), string(rune('a'+i)))
			g.must(q.Close())
		}
	})
}

// A queue takes any number of pieces, whatever a request takes.
func TestEntriesOfARequest(t *testing.T) {
	const pieces = 1100
	step := 2
	if testing.Short() {
		step = 32
	}
	for entries := 1; entries <= 1024; entries *= step {
		t.Run(fmt.Sprint(entries), func(t *testing.T) {
			eachSendMode(t, func(t *testing.T, mode SendMode) {
				s := newSender(t, SendQueueConfig{Mode: mode, Entries: entries, ZCAlways: true})
				s.feeds(BufRingConfig{Entries: 2048, BufSize: 8, Registered: mode.zeroCopy()})
				s.send(pieces * 8)
				for s.q.Queued() < pieces*8 {
					_, err := s.q.AppendCompletion(s.br, s.recv(0, 0, 0))
					s.must(err)
				}
				join := s.reading()
				s.finish()
				join()
				s.released()
				perRequest := entries
				if mode == SendPlain || mode == SendProvided || mode == SendZC || mode == SendZCGather && HaveSendMsgZCFixed() != nil {
					perRequest = 1
				}
				stats := s.q.Stats()
				equal(t, "pieces", stats.Pieces, pieces)
				equal(t, "requests", stats.Requests, uint64((pieces+perRequest-1)/perRequest))
			})
		})
	}
}
