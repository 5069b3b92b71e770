//go:build linux

package uring

import (
	"syscall"
	"testing"
)

// cycle sends all that waits, as a program's loop does, and lets the peer read
// it.
func (s *sender) cycle(p []byte) {
	for s.q.Queued() > 0 || s.q.InFlight() {
		s.turn()
	}
	for n := 0; n < len(p); {
		k, err := syscall.Read(s.peer, p[n:])
		if k <= 0 {
			s.Fatal(k, err)
		}
		n += k
	}
	for s.q.Unnotified() > 0 { // they come with the acknowledgement, at once
		s.must(syscall.SetsockoptInt(s.peer, syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1))
		s.turn()
	}
}

// turn is one turn of the loop.
func (s *sender) turn() {
	if err := s.q.Flush(); err != nil {
		s.Fatal(err)
	}
	if _, err := s.ring.SubmitAndWait(1); err != nil {
		s.Fatal(err)
	}
	for c := range s.ring.Completions() {
		if _, err := s.q.Complete(c); err != nil {
			s.Fatal(err)
		}
	}
}

// In the steady state nothing is allocated for bytes on their way out, in any
// mode and however they come in.
func TestSendingAllocatesNothing(t *testing.T) {
	const n = 3*64 + 20 // of several buffers
	eachSendMode(t, func(t *testing.T, mode SendMode) {
		s := newSender(t, SendQueueConfig{Mode: mode, Memory: 1000, ZCAlways: true})
		s.feeds(BufRingConfig{Entries: 16, BufSize: 64, Registered: mode.zeroCopy()})
		message, got := stream(0, n), make([]byte, n)
		arrive := func() {
			if k, err := syscall.Write(s.out, message); k != n || err != nil {
				t.Fatal(k, err)
			}

		}
		// forward receives the message in pieces of a buffer each.
		forward := func(queue func(CQE)) {
			arrive()
			for left := n; left > 0; {
				q, err := s.ring.NextSQE()
				if err == nil {
					err = q.PrepRecvProvided(FD(s.in), s.br, 0, 0, 0)
				}
				if err != nil {
					t.Fatal(err)
				}
				if _, err := s.ring.SubmitAndWait(1); err != nil {
					t.Fatal(err)
				}
				for c := range s.ring.Completions() {
					queue(c)
					left -= int(c.Res)
				}
			}
		}
		for how, put := range map[string]func(){
			"Write": func() {
				if _, err := s.q.Write(message); err != nil {
					t.Fatal(err)
				}
			},
			"Reserve and Commit": func() {
				p, err := s.q.Reserve(n)
				if err != nil {
					t.Fatal(err)
				}
				if err := s.q.Commit(copy(p, message)); err != nil {
					t.Fatal(err)
				}
			},
			"Append": func() {
				forward(func(c CQE) {
					for seg, err := range s.br.Segments(c) {
						if err == nil {
							err = s.q.Append(seg)
						}
						if err != nil {
							t.Fatal(err)
						}
					}
				})
			},
			"AppendCompletion": func() {
				forward(func(c CQE) {
					if _, err := s.q.AppendCompletion(s.br, c); err != nil {
						t.Fatal(err)
					}
				})
			},
		} {
			allocs := testing.AllocsPerRun(100, func() {
				put()
				s.cycle(got)
			})
			equal(t, "allocations, "+how, allocs, 0)
			equal(t, "bytes, "+how, string(got), string(message))
		}
	})
}
