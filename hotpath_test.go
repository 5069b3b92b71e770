//go:build linux

package uring

import (
	"bytes"
	"runtime"
	"syscall"
	"testing"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/testutil"
)

// A request costs no allocation on its way into the kernel and back.
func TestNothingIsAllocatedForARequest(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		a, b := streamPair(g)
		p := newArena(t, 4096).Bytes()
		sum := 0
		for name, prep := range map[string]func(SQE){
			"nop":     func(s SQE) { s.PrepNop() },
			"timeout": func(s SQE) { s.PrepTimeout(0, 0, 0) },
			"send":    func(s SQE) { s.PrepSend(FD(a), p[:1], 0) },
			"recv":    func(s SQE) { s.PrepRecv(FD(b), p[8:16], syscall.MSG_DONTWAIT) },
		} {
			n := testing.AllocsPerRun(100, func() {
				s, err := g.NextSQE()
				if err != nil {
					t.Fatal(err)
				}
				prep(s)
				if _, err := g.SubmitAndWait(1); err != nil {
					t.Fatal(err)
				}
				for c := range g.Completions() {
					sum += int(c.UserData)
					if c.Err() == syscall.EBADF {
						t.Fatal(c.Err())
					}
				}
			})
			equal(t, "allocations for "+name, n, 0)
		}
	})
}

// In the steady state a completion of several buffers, its slices and their
// return allocate nothing.
func TestReceivingAllocatesNothing(t *testing.T) {
	for _, c := range []BufRingConfig{
		{Entries: 16, BufSize: 64},
		{Entries: 16, BufSize: 64, Incremental: true},
	} {
		for _, how := range []string{"Segments", "Consume"} {
			t.Run(name(c)+", "+how, func(t *testing.T) {
				needBundles(t, c.Incremental)
				s := newStage(t, c)
				s.arm(Bundle)
				message := stream(0, 3*64+20)
				var got int
				count := func(p []byte) error { got += len(p); return nil }
				one := func() {
					got = 0
					writeAll(s, s.out, message)
					for got < len(message) {
						if _, err := s.SubmitAndWait(1); err != nil {
							t.Fatal(err)
						}
						for cqe := range s.Completions() {
							if !cqe.More() {
								t.Fatalf("the receive is over: %+v", observe(cqe))
							}
							if how == "Consume" {
								if err := s.br.Consume(cqe, count); err != nil {
									t.Fatal(err)
								}
								continue
							}
							for seg, err := range s.br.Segments(cqe) {
								if err != nil {
									t.Fatal(err)
								}
								got += len(seg.Bytes)
								if err := seg.Release(); err != nil {
									t.Fatal(err)
								}
							}
						}
					}
				}
				if n := testing.AllocsPerRun(200, one); n != 0 {
					t.Errorf("%v allocations per message", n)
				}
				s.cancel(uint64(s.in))
				equal(t, "lent", s.br.Stats().Lent, 0)
			})
		}
	}
}

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
	if _, err := s.SubmitAndWait(1); err != nil {
		s.Fatal(err)
	}
	for c := range s.Completions() {
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
		forward := func(queue func(CQE)) { s.throughBuffers(message, queue) }
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

// throughBuffers receives the message in pieces of a buffer each.
func (s *sender) throughBuffers(message []byte, queue func(CQE)) {
	if n, err := syscall.Write(s.out, message); n != len(message) || err != nil {
		s.Fatal(n, err)
	}
	for left := len(message); left > 0; {
		q, err := s.NextSQE()
		if err == nil {
			err = q.PrepRecvProvided(FD(s.in), s.br, 0, 0, 0)
		}
		if err != nil {
			s.Fatal(err)
		}
		if _, err := s.SubmitAndWait(1); err != nil {
			s.Fatal(err)
		}
		for c := range s.Completions() {
			queue(c)
			left -= int(c.Res)
		}
	}
}

// A call into C costs more than a request that does nothing, and a system call
// several times as much. These tests count both, and allocations, so that none
// gets into what is done for every request: a turn of a program's loop enters
// the kernel once or twice, however many requests it handles, does not call C at
// all, and allocates nothing.

// A turn is one round of a program's loop that handles many requests.
type turn struct {
	ring     *Ring
	requests int
	enters   int // into the kernel that it takes
	run      func()
}

func (c turn) check(t *testing.T) {
	t.Helper()
	const turns = 20
	c.run() // what is done once
	raw := c.ring.drv.Raw()
	calls, enters := runtime.NumCgoCall(), raw.Enters
	for range turns {
		c.run()
	}
	calls, enters = runtime.NumCgoCall()-calls, raw.Enters-enters
	t.Logf("%d calls into C and %d into the kernel for %d requests", calls, enters, turns*c.requests)
	// Signals and late completions make a turn enter once more now and then.
	most := uint64(turns * (c.enters + 1))
	if cgo.EntersThroughC {
		calls, enters = 0, uint64(calls)
	}
	if calls > 0 {
		t.Errorf("%d calls into C for %d turns of %d requests, want none", calls, turns, c.requests)
	}
	if enters > most {
		t.Errorf("%d calls into the kernel for %d turns of %d requests, want about %d", enters, turns, c.requests, turns*c.enters)
	}
	equal(t, "allocations in a turn", testing.AllocsPerRun(turns, c.run), 0)
}

func TestCallsForNops(t *testing.T) {
	s := bareStage(t, Config{})
	turn{ring: s.Ring, requests: 200, enters: 1, run: func() {
		nops(t, s.Ring, 200)
		s.wait(200, func(CQE) {})
	}}.check(t)
}

func TestCallsForReceives(t *testing.T) {
	for _, c := range []BufRingConfig{
		{Group: 1, Entries: 128, BufSize: 64},
		{Group: 1, Entries: 128, BufSize: 64, Incremental: true},
	} {
		for _, how := range []string{"Consume", "Segments"} {
			t.Run(name(c)+", "+how, func(t *testing.T) {
				f := newForwarder(t, c)
				turn{ring: f.Ring, requests: f.pairs, enters: 1, run: func() {
					f.write()
					f.wait(f.pairs, func(c CQE) {
						if how == "Consume" {
							f.must(f.br.Consume(c, func([]byte) error { return nil }))
							return
						}
						for seg, err := range f.br.Segments(c) {
							f.must(err)
							f.must(seg.Release())
						}
					})
				}}.check(t)
			})
		}
	}
}

func TestCallsForSends(t *testing.T) {
	eachSendMode(t, func(t *testing.T, mode SendMode) {
		f := newForwarder(t, BufRingConfig{Group: 1, Entries: 128, BufSize: 64, Registered: mode.zeroCopy()})
		f.open(mode)
		c := turn{ring: f.Ring, requests: 2 * f.pairs, enters: 2, run: f.forward}
		if mode.zeroCopy() {
			c.enters++ // for notifications
		}
		c.check(t)
	})
}

// A forwarder receives on many sockets, and may send on to as many others.
type forwarder struct {
	*stage
	pairs    int
	ins      []int // descriptors that write writes to
	queues   []*SendQueue
	arrivals []int // descriptors where arrives what the queues send
	got      [100]byte
	due      int // results of sends to come
	owed     int // notifications to come
}

const (
	forwarderPairs = 50
	forwarderSends = 1 << 20 // in user data: a send's, not a receive's
)

func newForwarder(tb testing.TB, c BufRingConfig) *forwarder {
	tb.Helper()
	if c.Incremental {
		testutil.Need(tb, HaveIncremental)
	}
	f := &forwarder{stage: bareStage(tb, Config{}), pairs: forwarderPairs}
	var err error
	f.br, err = f.NewBufRing(c)
	f.must(err)
	for range f.pairs {
		in, out := streamPair(tb)
		f.queue(uint64(len(f.ins)), func(q SQE) { f.must(q.PrepRecvMultishot(FD(in), f.br, 0)) })
		f.ins = append(f.ins, out)
	}
	f.submit()
	return f
}

// open gives each socket a queue to send on what it receives.
func (f *forwarder) open(mode SendMode) {
	f.Helper()
	for i := range f.pairs {
		from, to := testutil.TCPPair(f)
		q, err := f.NewSendQueue(FD(from), SendQueueConfig{Token: MakeToken(0, 0, uint32(forwarderSends+i)), Mode: mode, Entries: 16, ZCAlways: true})
		f.must(err)
		f.queues = append(f.queues, q)
		f.arrivals = append(f.arrivals, to)
	}
}

// write sends a message to each socket.
func (f *forwarder) write() {
	f.Helper()
	for _, fd := range f.ins {
		writeAll(f.stage, fd, forwarderMessage)
	}
}

var forwarderMessage = stream(0, 40)

// forward writes a message to each socket, receives it and sends it on.
func (f *forwarder) forward() {
	f.Helper()
	f.write()
	f.wait(f.pairs, f.handle) // the receives
	for f.due = f.pairs; f.due > 0; {
		f.wait(f.due, f.handle) // results of the sends, and notifications
	}
	for _, fd := range f.arrivals {
		n, err := syscall.Read(fd, f.got[:])
		f.must(err)
		if !bytes.Equal(f.got[:n], forwarderMessage) { // equal allocates
			f.Fatalf("%q arrived, not %q", f.got[:n], forwarderMessage)
		}
	}
	f.wait(f.owed, f.handle)
}

func (f *forwarder) handle(c CQE) {
	f.Helper()
	if slot := c.Token().Slot(); slot >= forwarderSends {
		n, err := f.queues[slot-forwarderSends].Complete(c)
		f.must(err)
		if c.Notif() {
			f.owed--
			return
		}
		if f.due--; n != len(forwarderMessage) {
			f.Fatalf("%d bytes sent, not %d", n, len(forwarderMessage))
		}
		if c.More() {
			f.owed++
		}
		return
	}
	q := f.queues[c.UserData]
	_, err := q.AppendCompletion(f.br, c)
	f.must(err)
	f.must(q.Flush())
}

// wait submits, and handles n completions.
func (s *stage) wait(n int, handle func(CQE)) {
	s.Helper()
	for n > 0 {
		_, err := s.SubmitAndWait(n)
		s.must(err)
		for c := range s.Completions() {
			s.must(c.Err())
			handle(c)
			n--
		}
	}
}
