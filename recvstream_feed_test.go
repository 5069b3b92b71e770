//go:build linux

package uring

import (
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/uring-go/uring/internal/testutil"
)

// A crowd is several streams that share buffers, whose bytes the program takes, and
// keeps until it releases them.
type crowd struct {
	*stage
	streams []*RecvStream
	outs    []int
	order   []int // of streams, as their bytes came
	held    []Segment
	turns   int // of the loop
}

func newCrowd(tb testing.TB, n int, b BufRingConfig) *crowd {
	tb.Helper()
	testutil.Need(tb, HaveRecvMultishot)
	c := &crowd{stage: bareStage(tb, Config{})}
	var err error
	c.br, err = c.NewBufRing(b)
	c.must(err)
	for range n {
		in, out := streamPair(tb)
		st, err := c.NewRecvStream(FD(in), c.br, RecvStreamConfig{})
		c.must(err)
		c.streams, c.outs = append(c.streams, st), append(c.outs, out)
	}
	tb.Cleanup(func() { c.drop() }) // before the ring is closed
	return c
}

func (c *crowd) drop() {
	c.Helper()
	c.release(c.held...)
	c.held = nil
}

// says writes a byte to each of the streams.
func (c *crowd) says(streams ...int) {
	c.Helper()
	for _, i := range streams {
		writeAll(c, c.outs[i], []byte{byte(i)})
	}
}

// until turns the loop until n messages have come in all, and checks in which order.
func (c *crowd) until(order ...int) {
	c.Helper()
	for deadline := time.Now().Add(patience); len(c.order) < len(order); {
		if time.Now().After(deadline) {
			c.Fatalf("messages of %v came, want those of %v", c.order, order)
		}
		c.once(time.Second)
	}
	equal(c, "order", c.order, order)
}

// once turns the loop once.
func (c *crowd) once(most time.Duration) {
	c.Helper()
	if _, err := c.SubmitAndWaitTimeout(1, most); err != nil && !isTimeout(err) {
		c.Fatal(err)
	}
	c.turns++
	for cqe := range c.Completions() {
		for i, st := range c.streams {
			if !st.Owns(cqe) {
				continue
			}
			for seg, err := range st.Segments(cqe) {
				c.must(err)
				equal(c, "bytes", string(seg.Bytes), string([]byte{byte(i)}))
				c.held, c.order = append(c.held, seg), append(c.order, i)
			}
		}
	}
}

// waiting counts the streams that wait for buffers, but not those that are paused:
// Linux 6.1 tells a stream at once that it has got the last buffer.
func (c *crowd) waiting() (n int) {
	for _, st := range c.streams {
		if st.starving && !st.paused {
			n++
		}
	}
	return n
}

// quiet checks that the loop does not turn by itself.
func (c *crowd) quiet() {
	c.Helper()
	c.turns = 0
	for start := time.Now(); time.Since(start) < 30*time.Millisecond; {
		c.once(30 * time.Millisecond)
	}
	if c.turns > 6 { // completions that were under way
		c.Errorf("%d turns of the loop without a buffer", c.turns)
	}
}

// free releases what came first.
func (c *crowd) free(n int) {
	c.Helper()
	c.release(c.held[:n]...)
	c.held = c.held[n:]
}

// Streams that find no buffer wait, without any work, and get one each, in the order
// in which they began to wait, when some are back.
func TestStreamsWithoutBuffersTakeTurns(t *testing.T) {
	c := newCrowd(t, 5, BufRingConfig{Entries: 2, BufSize: 64})
	c.says(0, 1)
	c.once(time.Second)
	c.until(0, 1)
	c.says(2)
	c.quiet()
	c.says(3)
	c.quiet()
	c.says(4)
	c.quiet()
	c.free(1)
	c.until(0, 1, 2)
	c.quiet()
	c.free(2)
	c.until(0, 1, 2, 3, 4)
	c.drop()
	c.says(0, 1, 2, 3, 4)
	for len(c.order) < 10 {
		c.once(time.Second)
		c.drop()
	}
}

// Those that get their turn and have nothing to receive do not keep others from
// buffers that are there: of 40 that wait one has something, and there is one buffer.
func TestStreamsThatHaveNothingDoNotKeepOthersWaiting(t *testing.T) {
	for _, who := range []int{0, 20, 39} {
		t.Run(fmt.Sprint(who), func(t *testing.T) {
			c := newCrowd(t, 41, BufRingConfig{Entries: 1, BufSize: 64})
			c.says(40)
			c.until(40)
			for _, st := range c.streams {
				c.must(st.Pause())
			}
			for c.InFlight() > len(c.streams) { // the polls
				c.once(time.Second)
			}
			for _, st := range c.streams[:40] {
				c.must(st.Resume())
			}
			equal(t, "waiting", c.waiting(), 40)
			c.says(who)
			c.quiet()
			c.free(1)
			c.until(40, who)
			c.turns = 0
			c.quiet()
		})
	}
}

// The account says that there is a buffer, and the kernel has none: the stream tries
// again after a while, and the loop does not turn all the time.
func TestStreamTriesAgainWhenNobodyTellsOfBuffers(t *testing.T) {
	c := newCrowd(t, 1, BufRingConfig{Entries: 1, BufSize: 64})
	c.says(0)
	c.once(time.Second)
	c.until(0)
	st := c.streams[0]
	c.must(st.Pause())
	for st.armed {
		c.once(time.Second)
	}
	c.drop()
	c.Submit()
	c.br.dry = true // as if it had not been there yet
	st.paused = false
	st.starve()
	c.says(0)
	c.until(0, 0)
	equal(t, "starved", st.Stats().Starved > 0, true)
}

// While bytes come, streams wait until a quarter of the buffers is back. They do not
// wait for long: others may keep the rest, and something may happen all the time.
func TestStreamsWaitForAQuarterOfTheBuffers(t *testing.T) {
	c := newCrowd(t, 17, BufRingConfig{Entries: 16, BufSize: 64})
	var order []int
	comes := func(i int) {
		t.Helper()
		c.says(i)
		order = append(order, i)
		c.until(order...)
	}
	for i := range 16 {
		comes(i)
	}
	c.says(16)
	c.quiet()
	back := func(n int, waiting uint32) {
		t.Helper()
		c.free(n)
		c.must(second(c.Submit()))
		equal(t, "waiting", c.br.starved.n, waiting)
	}
	back(3, c.br.starved.n) // on some kernels the one that got the last buffer waits, too
	back(1, 0)
	c.until(append(order, 16)...)
	order = append(order, 16)
	for i := range 3 {
		comes(i)
	}
	c.says(3)
	c.quiet()
	back(1, c.br.starved.n)
	for deadline := time.Now().Add(patience); len(c.order) == len(order) && time.Now().Before(deadline); {
		c.queue(0, func(s SQE) { s.PrepNop() })
		c.once(0)
	}
	c.until(append(order, 3)...)
}

// Bytes that the program takes, to the end, and a loop that it leaves.
func TestStreamWithoutAQueue(t *testing.T) {
	for _, how := range []string{"Segments", "Consume", "break"} {
		t.Run(how, func(t *testing.T) {
			s := newStage(t, BufRingConfig{Entries: 8, BufSize: 16})
			st, err := s.NewRecvStream(FD(s.in), s.br, RecvStreamConfig{})
			s.must(err)
			if _, err := st.Complete(CQE{}); err == nil {
				t.Error("Complete without a queue does something")
			}
			s.send(100)
			shutdown(t, s.out)
			for st.Err() == nil || st.InFlight() {
				cqe := s.next()
				if how == "Consume" {
					s.must(st.Consume(cqe, func(p []byte) error { s.inStream(p); return nil }))
					continue
				}
				for seg, err := range st.Segments(cqe) {
					s.must(err)
					s.inStream(seg.Bytes)
					s.release(seg)
					if how == "break" {
						break
					}
				}
			}
			equal(t, "error", st.Err(), io.EOF)
			s.must(st.Close())
			s.settled()
		})
	}
}

// In the steady state a stream allocates nothing, whatever it receives with.
func TestStreamsAllocateNothing(t *testing.T) {
	for _, k := range streamKinds {
		t.Run(k.name, func(t *testing.T) {
			r := newReader(t, k.bufs, k.stream)
			p := stream(0, 50)
			step := func() {
				writeAll(r, r.out, p)
				for before := r.q.Stats().Bytes; r.q.Stats().Bytes < before+50; {
					r.looks(time.Second)
				}
				for n := 0; n < 50; {
					n += readSome(r, r.peer, p[n:])
				}
			}
			equal(t, "allocations", testing.AllocsPerRun(100, step), 0)
			r.must(r.st.Cancel())
			r.turns("cancelled", func() bool { return !r.st.InFlight() })
			r.must(r.st.Close())
		})
	}
}
