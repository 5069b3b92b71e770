//go:build linux

package uring

import (
	"errors"
	"io"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/testutil"
)

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// streamKinds are the ways in which streams receive.
var streamKinds = []struct {
	name   string
	bufs   BufRingConfig
	stream RecvStreamConfig
}{
	{"classic", BufRingConfig{Entries: 8, BufSize: 64}, RecvStreamConfig{}},
	{"incremental", BufRingConfig{Entries: 8, BufSize: 64, Incremental: true}, RecvStreamConfig{}},
	{"bundle", BufRingConfig{Entries: 8, BufSize: 64}, RecvStreamConfig{Bundle: true}},
	{"single", BufRingConfig{Entries: 8, BufSize: 64}, RecvStreamConfig{Single: true}},
	{"short", BufRingConfig{Entries: 8, BufSize: 64, Spare: 8}, RecvStreamConfig{}},
	{"one buffer", BufRingConfig{Entries: 1, BufSize: 64}, RecvStreamConfig{}},
}

// Every byte goes to the queue, and then comes the end, after which nothing is in
// flight. More comes than there are buffers, so that receives find none.
func TestStreamReceivesToTheEnd(t *testing.T) {
	for _, k := range streamKinds {
		t.Run(k.name, func(t *testing.T) {
			r := newReader(t, k.bufs, k.stream)
			join := r.reading()
			for range 50 {
				r.send(40)
				r.looks(time.Millisecond)
			}
			r.send(2000)
			shutdown(t, r.out)
			r.overWith(io.EOF)
			r.finish()
			join()
			r.released()
			equal(t, "bytes", r.st.Stats().Bytes, 4000)
		})
	}
}

// A reset is told apart from the end, and what came before it is not lost.
func TestStreamTellsAResetFromTheEnd(t *testing.T) {
	for _, k := range streamKinds {
		t.Run(k.name, func(t *testing.T) {
			r := readerWith(t, k.bufs)
			r.in, r.out = testutil.TCPPair(t)
			k.stream.To = r.q
			r.opens(k.stream)
			r.send(30)
			r.turns("30 bytes", func() bool { return r.st.Stats().Bytes == 30 })
			r.must(reset(r.out))
			r.overWith(syscall.ECONNRESET)
			r.finish()
			r.arrives(30)
			r.released()
		})
	}
}

// A stream whose queue is full stops, whether bytes or buffers make it full, and
// goes on when the peer reads.
func TestStreamIsHeldBackByItsQueue(t *testing.T) {
	for _, c := range []struct {
		name           string
		limits         RecvStreamConfig
		message, times int
	}{
		{"bytes", RecvStreamConfig{MaxBytes: 500, MaxBuffers: 1000}, 64, 200},
		{"buffers", RecvStreamConfig{MaxBuffers: 20}, 1, 200},
		{"bytes, bundle", RecvStreamConfig{MaxBytes: 500, MaxBuffers: 1000, Bundle: true}, 64, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := readerWith(t, BufRingConfig{Entries: 256, BufSize: 64})
			r.small()
			r.fill()
			c.limits.To = r.q
			r.opens(c.limits)
			fills := func() {
				for range c.times {
					r.send(c.message)
					if c.message == 1 {
						r.looks(time.Millisecond) // or several would come in one buffer
					}
				}
				r.turns("held", func() bool { return r.st.held && !r.st.armed })
			}
			within := func() {
				t.Helper()
				if q := r.q; q.Queued() > 500+64*65 && c.limits.MaxBytes > 0 || q.Buffers() > 20+33 && c.limits.MaxBytes == 0 {
					t.Errorf("%d bytes in %d buffers wait", q.Queued(), q.Buffers())
				}
			}
			fills()
			if HaveRecvMultishotLimit() == nil { // otherwise the first receive brings all that is there
				within()
			}
			r.turns("all has gone through", func() bool {
				r.arrives(unread(t, r.peer))
				return r.got == r.sent
			})
			r.fill()
			fills()
			within()
			for range 3 {
				r.looks(5 * time.Millisecond)
			}
			equal(t, "armed", r.st.armed, false)
			join := r.reading()
			shutdown(t, r.out)
			r.overWith(io.EOF)
			r.finish()
			join()
			r.released()
		})
	}
}

// While the buffers run short, less may wait.
func TestStreamMayHaveLessWhenBuffersRunShort(t *testing.T) {
	r := newReader(t, BufRingConfig{Entries: 4, BufSize: 64, Spare: 4}, RecvStreamConfig{MaxBytes: 1 << 20})
	equal(t, "limit", r.st.maxBytes(), leastMaxBytes)
	r.br.copies.used += r.br.copies.most
	equal(t, "limit without memory for copies", r.st.maxBytes(), 1)
	r.br.copies.used -= r.br.copies.most
	r.br.most = 4
	equal(t, "limit otherwise", r.st.maxBytes(), 1<<20)
	r.must(r.st.Cancel())
	r.turns("cancelled", func() bool { return !r.st.InFlight() })
	r.must(r.st.Close())
}

// The program pauses a stream, which brings nothing then, and goes on where it was.
func TestPausedStreamBringsNothing(t *testing.T) {
	r := newReader(t, BufRingConfig{Entries: 8, BufSize: 64}, RecvStreamConfig{})
	r.must(r.st.Pause())
	r.turns("paused", func() bool { return !r.st.armed })
	r.send(40)
	for range 3 {
		r.looks(5 * time.Millisecond)
	}
	equal(t, "bytes while paused", r.st.Stats().Bytes, 0)
	r.must(r.st.Resume())
	r.turns("40 bytes", func() bool { return r.st.Stats().Bytes == 40 })
	if err := r.st.Close(); !errors.Is(err, ErrBusy) {
		t.Errorf("Close: %v", err)
	}
	r.must(r.st.Cancel())
	r.turns("cancelled", func() bool { return !r.st.InFlight() })
	equal(t, "error", r.st.Err(), nil)
	r.must(r.st.Close())
	for what, err := range map[string]error{"Pause": r.st.Pause(), "Resume": r.st.Resume(), "Complete": second(r.st.Complete(CQE{UserData: r.st.token})), "Err": r.st.Err()} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s of a closed stream: %v", what, err)
		}
	}
	r.finish()
	r.arrives(40)
}

// A queue that is broken ends its stream.
func TestStreamEndsWithItsQueue(t *testing.T) {
	r := newReader(t, BufRingConfig{Entries: 8, BufSize: 64}, RecvStreamConfig{})
	r.closePeer()
	r.send(10)
	r.turns("the queue's error", func() bool { return r.q.Err() != nil })
	r.send(10)
	r.overWith(syscall.EPIPE)
	r.released()
}

// On the kernel: with more data than a multishot receive brings at a turn, and the
// end right behind it, kernels miss the end. The stream does not.
func TestStreamSeesTheEndThatMultishotMisses(t *testing.T) {
	const n = 40
	for _, c := range []struct {
		name string
		pair func(testing.TB) (int, int)
		end  func(int) error
		want error
	}{
		{"close of a UNIX stream", streamPair, func(fd int) error { return syscall.Shutdown(fd, syscall.SHUT_WR) }, io.EOF},
		{"reset of a TCP connection", testutil.TCPPair, reset, syscall.ECONNRESET},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := readerWith(t, BufRingConfig{Entries: 64, BufSize: 1})
			r.in, r.out = c.pair(t)
			r.send(n)
			r.must(c.end(r.out))
			r.opens(RecvStreamConfig{To: r.q, MaxBytes: 1 << 20, MaxBuffers: 64})
			r.overWith(c.want)
			r.finish()
			r.arrives(n)
			r.released()
		})
	}
}

// Without a kernel: the poll tells that the peer has gone, and the multishot receive
// says nothing. It is cancelled, and a single one gets what is left.
func TestStreamReceivesOnceAfterThePoll(t *testing.T) {
	k := newModel(t, BufRingConfig{Entries: 4, BufSize: 64}, 0)
	k.ring.unwatch()
	q, err := k.ring.NewSendQueue(DirectSlot(0).FD(), SendQueueConfig{Mode: SendPlain, Memory: 1})
	if err != nil {
		t.Fatal(err)
	}
	st, err := k.ring.NewRecvStream(DirectSlot(1).FD(), k.br, RecvStreamConfig{Token: readerToken, To: q})
	if err != nil {
		t.Fatal(err)
	}
	entry := func(i uint32) cgo.SQE { return k.mem.sqes[i] }
	complete := func(i uint32, res int32) {
		t.Helper()
		if _, err := st.Complete(CQE{UserData: entry(i).UserData, Res: res}); err != nil {
			t.Fatal(err)
		}
	}
	equal(t, "poll", entry(0).Opcode, cgo.OpPollAdd)
	complete(0, 0x10) // POLLHUP
	equal(t, "cancels", entry(2).Opcode, cgo.OpAsyncCancel)
	equal(t, "the receive", entry(2).Addr, entry(1).UserData)
	complete(1, errCanceled)
	complete(2, 1)
	equal(t, "receives", entry(3).Opcode, cgo.OpRecv)
	equal(t, "once", entry(3).IOPrio&cgo.RecvMultishot == 0 || entry(3).FileIndex == 1, true)
	equal(t, "without a poll", k.ring.Queued(), 4)
	if n, err := st.Complete(CQE{UserData: entry(1).UserData, Res: -int32(syscall.EIO)}); n != 0 || err != nil || st.Err() != nil {
		t.Errorf("a completion after the last one: %d, %v, %v", n, err, st.Err())
	}
	complete(3, 0)
	equal(t, "error", st.Err(), io.EOF)
	equal(t, "in flight", st.InFlight(), false)
}

// Without a kernel: at the end of the stream nothing is cancelled, as the poll completes
// by itself. Until then the stream is not over.
func TestStreamWaitsForItsPollAtTheEnd(t *testing.T) {
	k := newModel(t, BufRingConfig{Entries: 4, BufSize: 64}, 0)
	k.ring.unwatch()
	st, err := k.ring.NewRecvStream(DirectSlot(1).FD(), k.br, RecvStreamConfig{Token: readerToken})
	if err != nil {
		t.Fatal(err)
	}
	complete := func(i int, res int32) {
		t.Helper()
		if err := st.Consume(CQE{UserData: k.mem.sqes[i].UserData, Res: res}, nil); err != nil {
			t.Fatal(err)
		}
	}
	complete(1, 0)
	equal(t, "error", st.Err(), io.EOF)
	equal(t, "in flight", st.InFlight(), true)
	if err := st.Close(); !errors.Is(err, ErrBusy) {
		t.Errorf("Close: %v", err)
	}
	complete(0, 0x2000) // POLLRDHUP
	equal(t, "in flight", st.InFlight(), false)
	equal(t, "requests", k.ring.Queued(), 2)
	equal(t, "Close", st.Close(), nil)
}

func TestBadStreams(t *testing.T) {
	g := newRig(t, Config{})
	other := newRig(t, Config{})
	br, err := g.NewBufRing(BufRingConfig{Entries: 4, BufSize: 64})
	g.must(err)
	q, err := g.NewSendQueue(0, SendQueueConfig{Mode: SendPlain, Token: senderToken})
	g.must(err)
	foreign, err := other.NewSendQueue(0, SendQueueConfig{Mode: SendPlain})
	g.must(err)
	in, _ := testutil.UnixPair(t, syscall.SOCK_DGRAM)
	stream, _ := streamPair(t)
	st, err := g.NewRecvStream(FD(stream), br, RecvStreamConfig{To: q})
	g.must(err)
	g.must(st.Cancel())
	for want, c := range map[string]RecvStreamConfig{
		"uring: RecvStreamConfig.MaxBytes is -1, want 1 or more, or 0":                                                                              {MaxBytes: -1},
		"uring: RecvStreamConfig.MaxBuffers is -1, want 1 or more, or 0":                                                                            {MaxBuffers: -1},
		"uring: RecvStreamConfig.Token has a generation; the stream counts it itself":                                                               {Token: MakeToken(1, 1, 1)},
		"uring: RecvStreamConfig.To is a send queue of another Ring":                                                                                {To: foreign},
		"uring: RecvStreamConfig.To gets what another stream receives":                                                                              {To: q},
		"uring: another queue, stream or acceptor of the ring has kind 3 and slot 5 in RecvStreamConfig.Token; completions could not be told apart": {Token: senderToken},
		"uring: a RecvStream takes an empty message for the end, and is for stream sockets only":                                                    {},
	} {
		_, err := g.NewRecvStream(FD(in), br, c)
		equal(t, "error", text(err), want)
	}
	_, err = other.NewRecvStream(FD(stream), br, RecvStreamConfig{})
	equal(t, "error", text(err), "uring: a stream receives into a buffer ring of its own Ring only")
	_, err = st.Complete(CQE{UserData: 1})
	equal(t, "error", errors.Is(err, ErrBadCompletion), true)
	for st.InFlight() {
		_, err := st.Complete(g.next())
		g.must(err)
	}
	_, err = st.Complete(CQE{UserData: st.token | uint64(streamPoll)<<32})
	equal(t, "error", errors.Is(err, ErrBadCompletion), true)
}
