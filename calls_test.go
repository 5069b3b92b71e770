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
	turn{ring: s.ring, requests: 200, enters: 1, run: func() {
		nops(t, s.ring, 200)
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
				turn{ring: f.ring, requests: f.pairs, enters: 1, run: func() {
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
		c := turn{ring: f.ring, requests: 2 * f.pairs, enters: 2, run: f.forward}
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
	f.br, err = f.ring.NewBufRing(c)
	f.must(err)
	for range f.pairs {
		in, out := streamPair(tb)
		f.sqe(uint64(len(f.ins)), func(q SQE) error { return q.PrepRecvMultishot(FD(in), f.br, 0) })
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
		q, err := f.ring.NewSendQueue(FD(from), SendQueueConfig{Token: MakeToken(0, 0, uint32(forwarderSends+i)), Mode: mode, Entries: 16, ZCAlways: true})
		f.must(err)
		f.queues = append(f.queues, q)
		f.arrivals = append(f.arrivals, to)
	}
}

// write sends a message to each socket.
func (f *forwarder) write() {
	f.Helper()
	for _, fd := range f.ins {
		f.stage.write(fd, forwarderMessage)
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
		_, err := s.ring.SubmitAndWait(n)
		s.must(err)
		for c := range s.ring.Completions() {
			s.must(c.Err())
			handle(c)
			n--
		}
	}
}
