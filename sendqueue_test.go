//go:build linux

package uring

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/uring-go/uring/internal/testutil"
)

// every mode beside SendAuto
var sendModes = []SendMode{SendBundle, SendVectored, SendProvided, SendPlain, SendZC, SendZCGather}

// eachSendMode runs a test in each mode that the kernel has.
func eachSendMode(t *testing.T, test func(t *testing.T, mode SendMode)) {
	for _, mode := range sendModes {
		t.Run(mode.String(), func(t *testing.T) {
			testutil.Need(t, mode.have)
			test(t, mode)
		})
	}
}

// randomBytes returns n bytes that do not repeat.
func randomBytes(seed int64, n int) []byte {
	p := make([]byte, n)
	rand.New(rand.NewSource(seed)).Read(p)
	return p
}

// collect reads fd until its end in a goroutine of its own.
func collect(fd int) <-chan []byte {
	got := make(chan []byte, 1)
	go func() {
		f := os.NewFile(uintptr(fd), "peer")
		p, _ := io.ReadAll(f)
		f.Close()
		got <- p
	}()
	return got
}

// pump submits and handles completions of q until nothing waits and nothing is
// in flight.
func pump(r *Ring, q *SendQueue) error {
	for q.Queued() > 0 || q.InFlight() || q.Unnotified() > 0 {
		if err := q.Flush(); err != nil {
			return err
		}
		if _, err := r.SubmitAndWaitTimeout(1, 5*time.Second); err != nil {
			return err
		}
		for c := range r.Completions() {
			if _, err := q.Complete(c); err != nil {
				return err
			}
		}
	}
	return nil
}

func TestSendQueueDeliversEveryByteInOrder(t *testing.T) {
	eachSendMode(t, func(t *testing.T, mode SendMode) {
		a, b := testutil.TCPPair(t)
		sent := randomBytes(1, 3<<20)
		b2 := dupFD(t, b)
		got := collect(b2)
		err := Serve(Config{}, func(r *Ring) error {
			q, err := r.NewSendQueue(FD(a), SendQueueConfig{Mode: mode, Memory: 100_000, Token: MakeToken(1, 0, 7), ZCAlways: true})
			if err != nil {
				return err
			}
			rnd := rand.New(rand.NewSource(2))
			for rest := sent; len(rest) > 0; {
				n, err := q.Write(rest[:min(rnd.Intn(3000)+1, len(rest))])
				rest = rest[n:]
				if err == ErrQueueFull {
					err = pump(r, q)
				}
				if err != nil {
					return err
				}
			}
			if err := pump(r, q); err != nil {
				return err
			}
			return q.Close()
		})
		if err != nil {
			t.Error(err)
		}
		shutdown(t, a)
		if p := <-got; !bytes.Equal(p, sent) {
			t.Errorf("peer got %d bytes, want %d, or others", len(p), len(sent))
		}
	})
}

func dupFD(t testing.TB, fd int) int {
	t.Helper()
	d, err := syscall.Dup(fd)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func shutdown(t *testing.T, fd int) {
	t.Helper()
	if err := syscall.Shutdown(fd, syscall.SHUT_WR); err != nil {
		t.Error(err)
	}
}

// A queue of 100 bytes, of which the first 40 were sent and 40 are waiting:
// there are 40 free, and then 20 at the end and 40 at the start when 20 more
// are taken.
func wrapped(t *testing.T) *sender {
	s := newSender(t, SendQueueConfig{Mode: SendPlain, Memory: 100})
	s.queue(40)
	s.flush()
	s.queue(40)
	s.complete(s.next(), 40)
	s.arrives(40)
	equal(t, "space", s.q.Space(), 60)
	return s
}

func TestWriteWrapsAround(t *testing.T) {
	s := wrapped(t)
	s.queue(50)
	equal(t, "space", s.q.Space(), 10)
	equal(t, "queued", s.q.Queued(), 90)
	s.finish()
	s.arrives(90)
	s.released()
	equal(t, "pieces", s.q.Stats().Pieces, 3) // 40, then 40+20 in one, then 30
}

func TestWriteTakesWhatFits(t *testing.T) {
	s := wrapped(t)
	p := stream(s.sent, 61)
	n, err := s.q.Write(p)
	if n != 60 || err != ErrQueueFull {
		t.Fatalf("Write of 61 bytes: %d, %v, want 60, ErrQueueFull", n, err)
	}
	s.sent += n
	if n, err := s.q.Write(p[60:]); n != 0 || err != ErrQueueFull {
		t.Fatalf("Write to a full queue: %d, %v", n, err)
	}
	s.queue(0)
	s.finish()
	s.arrives(100)
	s.released()
}

// reserve fills n bytes in place with what the stream goes on with.
func (s *sender) reserve(n int) []byte {
	s.Helper()
	p, err := s.q.Reserve(n)
	s.must(err)
	equal(s, "bytes lent", len(p), n)
	equal(s, "room behind them", cap(p), n)
	copy(p, stream(s.sent, n))
	return p
}

func (s *sender) commit(n int) {
	s.Helper()
	s.must(s.q.Commit(n))
	s.sent += n
}

func TestReserveLendsOnePieceOfMemory(t *testing.T) {
	s := wrapped(t)
	s.reserve(35) // 20 bytes at the end are too few
	equal(t, "space", s.q.Space(), 60)
	s.commit(35)
	equal(t, "space", s.q.Space(), 5)
	if _, err := s.q.Reserve(6); err != ErrQueueFull {
		t.Fatal(err)
	}
	s.reserve(5)
	s.commit(5)
	s.finish()
	s.arrives(80)
	s.released()
}

func TestReserveOfMoreThanIsFree(t *testing.T) {
	s := wrapped(t)
	for _, n := range []int{41, 61, 100} {
		if p, err := s.q.Reserve(n); p != nil || err != ErrQueueFull {
			t.Fatalf("Reserve(%d): %d bytes, %v", n, len(p), err)
		}
	}
	for _, n := range []int{-1, 101} {
		_, err := s.q.Reserve(n)
		equal(t, "error", text(err), fmt.Sprintf("uring: Reserve of %d bytes from a send queue with 100 bytes of memory", n))
	}
	s.finish()
	s.arrives(40)
}

// All of an empty queue's memory can be reserved, wherever the last write ended.
func TestReserveAllOfAnEmptyQueue(t *testing.T) {
	for _, used := range []int{0, 1, 50, 99, 100} {
		t.Run(fmt.Sprint(used), func(t *testing.T) {
			s := newSender(t, SendQueueConfig{Mode: SendPlain, Memory: 100})
			s.queue(used)
			s.finish()
			s.reserve(100)
			s.commit(100)
			s.finish()
			s.arrives(used + 100)
			s.released()
		})
	}
}

func TestCommitTakesWhatWasReservedLast(t *testing.T) {
	s := newSender(t, SendQueueConfig{Mode: SendPlain, Memory: 100})
	refused := func(n, reserved int) {
		t.Helper()
		equal(t, "error", text(s.q.Commit(n)), fmt.Sprintf("uring: Commit of %d bytes, %d are reserved", n, reserved))
	}
	refused(1, 0)
	s.reserve(10)
	refused(11, 10)
	refused(-1, 10)
	s.commit(10)
	refused(1, 0)

	s.reserve(30)
	s.reserve(20) // in its place
	refused(21, 20)
	s.commit(5)
	refused(1, 0)

	s.reserve(10)
	s.queue(7) // ends the reservation
	refused(1, 0)

	s.reserve(10)
	s.commit(0)
	refused(1, 0)
	equal(t, "queued", s.q.Queued(), 22)
	s.finish()
	s.arrives(22)
	s.released()
}

// A reservation stays where it is while the queue sends, and while received
// bytes are queued.
func TestReservationStaysWhileOthersAreSent(t *testing.T) {
	s := newSender(t, SendQueueConfig{Mode: SendPlain, Memory: 100})
	s.feeds(BufRingConfig{Entries: 1, BufSize: 10})
	s.queue(60)
	p, err := s.q.Reserve(40)
	s.must(err)
	s.forward(1, 10)
	s.finish()
	copy(p, stream(s.sent, 40))
	s.commit(40)
	s.finish()
	s.arrives(110)
	s.released()
}

func TestQueueWithoutMemory(t *testing.T) {
	s := newSender(t, SendQueueConfig{Mode: SendPlain})
	equal(t, "error of Write", text(second(s.q.Write([]byte("x")))), "uring: Write to a send queue without memory of its own: set SendQueueConfig.Memory")
	equal(t, "error of Reserve", text(second(s.q.Reserve(1))), "uring: Reserve of 1 bytes from a send queue with 0 bytes of memory")
	s.must(second(s.q.Write(nil)))
	equal(t, "space", s.q.Space(), 0)
	s.must(s.q.Flush())
	equal(t, "requests", s.q.Stats().Requests, 0)
}

// segments receives n bytes and returns their segments.
func (s *sender) segments(n int) []Segment {
	s.Helper()
	s.send(n)
	var list []Segment
	for seg, err := range s.br.Segments(s.recv(0, 0, 0)) {
		s.must(err)
		list = append(list, seg)
	}
	return list
}

func TestAppendTakesOverTheSegment(t *testing.T) {
	s := newSender(t, SendQueueConfig{Mode: SendPlain})
	s.feeds(BufRingConfig{Entries: 2, BufSize: 100})
	seg := s.segments(100)[0]
	s.must(s.q.Append(seg))
	for what, err := range map[string]error{"Release": seg.Release(), "Append": s.q.Append(seg)} {
		if err != ErrReleased {
			t.Errorf("%s of a segment that was appended: %v", what, err)
		}
	}
	s.holds(1)
	s.finish()
	s.arrives(100)
	s.released()

	seg = s.segments(100)[0]
	s.must(seg.Release())
	if err := s.q.Append(seg); err != ErrReleased {
		t.Errorf("Append of a segment that was released: %v", err)
	}
	equal(t, "queued", s.q.Queued(), 0)
	s.released()
}

func TestAppendOfAPart(t *testing.T) {
	s := newSender(t, SendQueueConfig{Mode: SendPlain, Memory: 10})
	s.feeds(BufRingConfig{Entries: 4, BufSize: 100})
	seg := s.segments(100)[0]
	seg.Bytes = seg.Bytes[10:30]
	s.must(s.q.Append(seg))
	s.finish()
	s.got = 10
	s.arrives(20)
	s.released()

	seg = s.segments(100)[0]
	seg.Bytes = seg.Bytes[:0]
	s.must(s.q.Append(seg))
	s.released()

	seg = s.segments(100)[0]
	whole := seg.Bytes
	seg.Bytes = []byte("other memory")
	equal(t, "error", text(s.q.Append(seg)), "uring: Append of a segment whose Bytes were replaced by other memory; Write copies that")
	seg.Bytes = whole
	s.must(seg.Release()) // it is still the caller's
	s.released()
}

func TestAppendOfWhatIsNotTheRings(t *testing.T) {
	s := newSender(t, SendQueueConfig{Mode: SendPlain})
	other := newSender(t, SendQueueConfig{Mode: SendPlain})
	other.feeds(BufRingConfig{Entries: 1, BufSize: 100})
	const want = "uring: a send queue takes segments of its own Ring only"
	equal(t, "error", text(s.q.Append(Segment{})), want)
	equal(t, "error", text(second(s.q.AppendCompletion(nil, CQE{}))), want)
	seg := other.segments(10)[0]
	equal(t, "error", text(s.q.Append(seg)), want)
	s.must(seg.Release())
	other.send(10)
	equal(t, "error", text(second(s.q.AppendCompletion(other.br, other.recv(0, 0, 0)))), want)
	other.released() // the bytes were dropped
	s.released()
}

// What a broken or closed queue does not take goes back.
func TestAppendToAQueueThatTakesNothing(t *testing.T) {
	for _, state := range []string{"broken", "closed"} {
		t.Run(state, func(t *testing.T) {
			s := newSender(t, SendQueueConfig{Mode: SendPlain, Memory: 10})
			s.feeds(BufRingConfig{Entries: 4, BufSize: 100})
			var want error
			if state == "broken" {
				s.closePeer()
				s.queue(10)
				s.flush()
				s.breaks(s.next(), syscall.EPIPE)
				want = syscall.EPIPE
			} else {
				s.must(s.q.Close())
				want = ErrClosed
			}
			seg := s.segments(100)[0]
			if err := s.q.Append(seg); !errors.Is(err, want) {
				t.Fatal(err)
			}
			s.holds(1)
			s.must(seg.Release()) // it is still the caller's
			s.send(250)
			n, err := s.q.AppendCompletion(s.br, s.recv(0, 0, 0))
			if n != 0 || !errors.Is(err, want) {
				t.Fatalf("AppendCompletion: %d, %v", n, err)
			}
			s.released()
		})
	}
}

// A completion without bytes queues nothing, and brings its error.
func TestAppendOfAFailedReceive(t *testing.T) {
	s := newSender(t, SendQueueConfig{Mode: SendPlain})
	s.feeds(BufRingConfig{Entries: 1, BufSize: 100})
	n, err := s.q.AppendCompletion(s.br, s.recv(0, syscall.MSG_DONTWAIT, 0))
	if n != 0 || err != syscall.EAGAIN {
		t.Fatalf("%d, %v", n, err)
	}
	shutdown(t, s.out)
	n, err = s.q.AppendCompletion(s.br, s.recv(0, 0, 0))
	if n != 0 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	n, err = s.q.AppendCompletion(s.br, CQE{Res: 1})
	if n != 0 || !errors.Is(err, ErrBadCompletion) {
		t.Fatalf("%d, %v", n, err)
	}
	s.released()
}

// What lies behind the last piece in memory lengthens it, unless the kernel has
// that piece already.
func TestAdjacentPiecesAreMerged(t *testing.T) {
	eachSendMode(t, func(t *testing.T, mode SendMode) {
		s := newSender(t, SendQueueConfig{Mode: mode, Memory: 1000, ZCAlways: true})
		pieces := func() int { return int(s.q.out.tail - s.q.out.free) }
		s.queue(100)
		s.queue(100)
		s.reserve(100)
		s.commit(50)
		s.queue(10)
		equal(t, "pieces", pieces(), 1)
		s.must(s.q.Flush()) // it is with the kernel now
		s.queue(100)
		equal(t, "pieces", pieces(), 2)
		s.queue(100)
		equal(t, "pieces", pieces(), 2)
		s.complete(s.next(), 260)
		s.finish()
		s.arrives(460)
		s.released()
		equal(t, "pieces sent", s.q.Stats().Pieces, 2)
	})
}

// Slices of one buffer of an incremental ring are one piece as well, with one
// hold on it; slices of others are not.
func TestSlicesOfABufferAreMerged(t *testing.T) {
	testutil.Need(t, HaveIncremental)
	eachSendMode(t, func(t *testing.T, mode SendMode) {
		s := newSender(t, SendQueueConfig{Mode: mode, ZCAlways: true})
		s.feeds(BufRingConfig{Entries: 4, BufSize: 100, Incremental: true, Registered: mode.zeroCopy()})
		s.forward(3, 30)
		s.holds(1)
		equal(t, "pieces", s.q.out.tail, 1)
		s.forward(1, 10) // the buffer's end
		equal(t, "pieces", s.q.out.tail, 1)
		s.forward(1, 10)
		equal(t, "pieces", s.q.out.tail, 2)
		s.holds(2)
		seg := s.segments(10)[0]
		s.holds(3)
		s.must(s.q.Flush())
		s.must(s.q.Append(seg))
		grown := uint32(2)
		if mode == SendVectored || mode.provided() || mode == SendZCGather && HaveSendMsgZCFixed() == nil {
			grown = 3 // the kernel has the second piece
		}
		equal(t, "pieces", s.q.out.tail, grown)
		s.holds(int(grown))
		s.finish()
		s.arrives(120)
		s.holds(0)
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

// A ring of the largest size; positions go round it.
func TestLargestSendRing(t *testing.T) {
	testutil.Need(t, SendBundle.have)
	testutil.Need(t, HaveBundles)
	s := newSender(t, SendQueueConfig{Mode: SendBundle, Entries: 32768})
	s.feeds(BufRingConfig{Entries: 32768, BufSize: 1})
	const pieces = 30000
	for range 3 {
		s.send(pieces)
		for s.q.Queued() < pieces {
			s.must(second(s.q.AppendCompletion(s.br, s.recv(0, syscall.MSG_DONTWAIT, Bundle))))
		}
		s.finish()
		s.arrives(pieces)
		s.released()
	}
	equal(t, "pieces", s.q.Stats().Pieces, 3*pieces)
	s.picked(3 * pieces % (1 << 16))
}

func TestConfigOfASendQueue(t *testing.T) {
	s := newSender(t, SendQueueConfig{Mode: SendPlain})
	for want, c := range map[string]SendQueueConfig{
		"uring: SendQueueConfig.Entries is 3, want a power of two, 1 to 32768":      {Entries: 3},
		"uring: SendQueueConfig.Entries is -1, want a power of two, 1 to 32768":     {Entries: -1},
		"uring: SendQueueConfig.Entries is 65536, want a power of two, 1 to 32768":  {Entries: 65536},
		"uring: SendQueueConfig.Memory is -1, want 0 to 1073741824":                 {Memory: -1},
		"uring: SendQueueConfig.Memory is 1073741825, want 0 to 1073741824":         {Memory: 1<<30 + 1},
		"uring: SendQueueConfig.Token has a generation; the queue counts it itself": {Token: MakeToken(1, 2, 3)},
		"uring: no send mode 7":  {Mode: SendZCGather + 1},
		"uring: no send mode -1": {Mode: -1},
		"uring: another send queue of the ring has kind 3 and slot 5 in SendQueueConfig.Token; completions could not be told apart": {Token: senderToken},
	} {
		q, err := s.ring.NewSendQueue(FD(s.fd), c)
		if q != nil || text(err) != want {
			t.Errorf("%+v: %v, want %s", c, err, want)
		}
	}
	for _, typ := range []int{syscall.SOCK_DGRAM, syscall.SOCK_SEQPACKET} {
		fd, _ := testutil.UnixPair(t, typ)
		_, err := s.ring.NewSendQueue(FD(fd), SendQueueConfig{})
		equal(t, "error", text(err), "uring: a send queue joins and splits what is written, and is for stream sockets only")
	}
	equal(t, "send queues", len(s.ring.queues), 1)
}

func TestSendModeNames(t *testing.T) {
	var names []string
	for m := SendMode(-1); m <= SendZCGather+1; m++ {
		names = append(names, m.String())
	}
	equal(t, "names", strings.Join(names, " "), "SendMode(-1) auto bundle vectored provided plain zc zc-gather SendMode(7)")
}

// SendAuto takes what there is; a mode that is asked for and missing is an
// error.
func TestModesThatTheKernelLacks(t *testing.T) {
	fd, _ := streamPair(t)
	s := bareStage(t, Config{})
	open := func(m SendMode) (SendMode, error) {
		q, err := s.ring.NewSendQueue(FD(fd), SendQueueConfig{Mode: m})
		if err != nil {
			return 0, err
		}
		defer q.Close()
		return q.Mode(), nil
	}
	auto := func(want SendMode) {
		t.Helper()
		m, err := open(SendAuto)
		s.must(err)
		equal(t, "mode", m, want)
	}
	if SendBundle.have() == nil {
		auto(SendBundle)
	}
	replaceProbe(t, &probeSendBundles, lacking("send bundles", 6, 10))
	replaceProbe(t, &probeSendProvided, lacking("sends from provided buffers", 6, 10))
	replaceProbe(t, &probeSendZC, lacking("zero-copy send", 6, 0))
	auto(SendVectored)
	for _, m := range []SendMode{SendBundle, SendProvided, SendZC, SendZCGather} {
		if _, err := open(m); !errors.Is(err, ErrNotSupported) {
			t.Errorf("%v: %v", m, err)
		}
	}
	for _, m := range []SendMode{SendVectored, SendPlain} {
		if got, err := open(m); got != m || err != nil {
			t.Errorf("%v: %v, %v", m, got, err)
		}
	}
}

// Queues take buffer groups from the top, past those of the program, and give
// them back.
func TestBufferGroupsOfSendQueues(t *testing.T) {
	testutil.Need(t, SendProvided.have)
	s := bareStage(t, Config{})
	fd, _ := streamPair(t)
	br, err := s.ring.NewBufRing(BufRingConfig{Group: 65534, Entries: 1, BufSize: 1})
	s.must(err)
	open := func(slot uint32) (*SendQueue, error) {
		return s.ring.NewSendQueue(FD(fd), SendQueueConfig{Mode: SendProvided, Entries: 1, Token: MakeToken(0, 0, slot)})
	}
	a, err := open(1)
	s.must(err)
	b, err := open(2)
	s.must(err)
	equal(t, "groups", []uint16{a.group, b.group}, []uint16{65535, 65533})
	_, err = s.ring.NewBufRing(BufRingConfig{Group: 65535, Entries: 1, BufSize: 1})
	equal(t, "error", text(err), "uring: buffer group 65535 is in use on this ring")

	// With all others taken there is none for a third, until one is closed.
	for g := range 1 << 16 {
		if _, taken := s.ring.groups[uint16(g)]; !taken {
			s.ring.groups[uint16(g)] = struct{}{}
			defer delete(s.ring.groups, uint16(g))
		}
	}
	_, err = open(3)
	equal(t, "error", text(err), "uring: all 65536 buffer groups of the ring are in use")
	s.must(b.Close())
	c, err := open(3)
	s.must(err)
	equal(t, "group", c.group, 65533)
	for _, q := range []*SendQueue{a, c} {
		s.must(q.Close())
	}
	s.must(br.Close())
}

func TestCloseOfASendQueue(t *testing.T) {
	eachSendMode(t, func(t *testing.T, mode SendMode) {
		s := newSender(t, SendQueueConfig{Mode: mode, Memory: 1000, ZCAlways: true})
		s.feeds(BufRingConfig{Entries: 2, BufSize: 100})
		s.queue(100)
		s.forward(2, 10)
		s.must(s.q.Flush())
		equal(t, "error", text(s.q.Close()), "uring: send queue: still in use: a send is in flight, or its notification is still to come")
		s.finish()
		s.arrives(120)

		s.queue(100)
		s.forward(2, 10)
		s.holds(2)
		s.must(s.q.Close()) // what waits is dropped
		s.holds(0)
		equal(t, "queued", s.q.Queued(), 0)
		s.must(s.q.Close())
		for what, err := range map[string]error{
			"Write": second(s.q.Write([]byte("x"))), "Reserve": second(s.q.Reserve(1)), "Commit": s.q.Commit(0),
			"Flush": s.q.Flush(), "FlushN": s.q.FlushN(1), "Err": s.q.Err(),
			"Complete": second(s.q.Complete(CQE{UserData: uint64(senderToken)})),
		} {
			if err != ErrClosed {
				t.Errorf("%s: %v", what, err)
			}
		}
		s.none()
		equal(t, "send queues", len(s.ring.queues), 0)
		equal(t, "groups", len(s.ring.groups), 1)
		equal(t, "bytes at the peer", unread(t, s.peer), 0)
	})
}

// Ring.Close does without the queue's consent.
func TestRingCloseClosesSendQueues(t *testing.T) {
	eachSendMode(t, func(t *testing.T, mode SendMode) {
		s := newSender(t, SendQueueConfig{Mode: mode, Memory: 1000, ZCAlways: true})
		s.feeds(BufRingConfig{Entries: 2, BufSize: 100})
		late := s.segments(10)[0]
		s.got = 10
		s.forward(1, 10)
		s.flush()
		c := s.next() // one that the queue does not get to see in time
		s.queue(100)
		s.must(s.q.Append(late))
		s.arrives(10)
		s.must(s.ring.Close())
		s.holds(0)
		s.must(s.q.Close())
		for what, err := range map[string]error{
			"Complete": second(s.q.Complete(c)), "Write": second(s.q.Write([]byte("x"))), "Flush": s.q.Flush(),
		} {
			if err != ErrClosed {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}

// Completions of a queue are told by kind and slot; the generation is that of
// the request.
func TestOwns(t *testing.T) {
	s := bareStage(t, Config{})
	fd, _ := streamPair(t)
	q, err := s.ring.NewSendQueue(FD(fd), SendQueueConfig{Token: MakeToken(3, 0, 5), Memory: 10})
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

// With no entry free Flush submits.
func TestFlushMakesRoomForItself(t *testing.T) {
	fd, peer := streamPair(t)
	s := senderOn(t, Config{Entries: 2}, SendQueueConfig{Mode: SendPlain, Memory: 10}, fd, peer)
	for range 2 {
		s.sqe(otherData, func(q SQE) error { q.PrepNop(); return nil })
	}
	s.queue(10)
	s.must(s.q.Flush())
	equal(t, "entries queued", s.ring.Queued(), 1)
	for range 2 {
		equal(t, "user data", s.next().UserData, otherData)
	}
	s.complete(s.next(), 10)
	s.arrives(10)
}

// The kernel says that it copied, as it does on loopback: after some time the
// queue does so itself, which is cheaper.
func TestCopiesChangeTheMode(t *testing.T) {
	testutil.Need(t, HaveReportUsage)
	for _, always := range []bool{false, true} {
		for _, mode := range []SendMode{SendZC, SendZCGather} {
			t.Run(fmt.Sprintf("%v/%v", mode, always), func(t *testing.T) {
				testutil.Need(t, mode.have)
				s := newSender(t, SendQueueConfig{Mode: mode, Memory: 1000, ZCAlways: always})
				for i := range 10 {
					want := mode
					if i >= 8 && !always {
						want = SendVectored
					}
					equal(t, "mode", s.q.Mode(), want)
					s.queue(100)
					s.finish()
				}
				s.arrives(1000)
				n := map[bool]uint64{false: 8, true: 10}[always]
				equal(t, "stats", s.q.Stats(), SendQueueStats{Requests: 10, Bytes: 1000, Pieces: 10, ZeroCopy: n, Notifications: n, Copied: n})
			})
		}
	}
}

// Few bytes are copied, as that is cheaper.
func TestZCMin(t *testing.T) {
	for _, mode := range []SendMode{SendZC, SendZCGather} {
		t.Run(mode.String(), func(t *testing.T) {
			testutil.Need(t, mode.have)
			s := newSender(t, SendQueueConfig{Mode: mode, Memory: 1000, ZCMin: 100, ZCAlways: true})
			for i, n := range []int{99, 100, 1, 200} {
				s.queue(n)
				s.finish()
				equal(t, "zero-copy sends", s.q.Stats().ZeroCopy, []uint64{0, 1, 1, 2}[i])
				s.arrives(n)
			}
			s.released()
			equal(t, "mode", s.q.Mode(), mode)
		})
	}
}

// Only so many sends may be without notification; the others wait.
func TestNotificationsThatDoNotCome(t *testing.T) {
	testutil.Need(t, HaveSendZC)
	s := newSender(t, SendQueueConfig{Mode: SendZC, Memory: 1 << 20, ZCAlways: true})
	s.roomy()
	s.queue(beyond)
	s.flush()
	s.complete(s.result(beyond), beyond)
	for range maxUnnotified - 1 {
		s.queue(1)
		s.flush()
		s.complete(s.result(1), 1)
	}
	equal(t, "without notification", s.q.Unnotified(), maxUnnotified)
	s.queue(100)
	s.must(s.q.Flush())
	equal(t, "in flight", s.q.InFlight(), false)
	equal(t, "entries queued", s.ring.Queued(), 0)

	join := s.reading()
	for s.q.Unnotified() > 0 {
		s.complete(s.notified(), 0)
	}
	s.finish()
	join()
	s.released()
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
		s.queue(10)
		s.sqe(otherData, func(q SQE) error { q.PrepNop(); return q.SetFlags(link) })
		wantError(t, s.q.Flush(), "Flush after a request with Link or HardLink")
		equal(t, "entries queued", s.ring.Queued(), 1)
		s.sqe(otherData, func(q SQE) error { q.PrepNop(); return nil })
		s.must(s.q.Flush())
		equal(t, "entries queued", s.ring.Queued(), 3)
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

// UserData of 0 is that of requests which were given none: no queue owns them,
// and queues without a token are told apart.
func TestQueueWithoutATokenOwnsOnlyItsOwn(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		var queues []*SendQueue
		var peers []int
		open := func() {
			a, b := g.unixPair()
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
