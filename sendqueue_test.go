//go:build linux

package uring

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand"
	"syscall"
	"testing"
	"time"

	"github.com/uring-go/uring/internal/testutil"
)

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

// A queue of 100 bytes, of which the first 40 were sent and 40 are waiting:
// there are 40 free, and then 20 at the end and 40 at the start when 20 more
// are taken.
func wrapped(t *testing.T) *sender {
	s := newSender(t, SendQueueConfig{Mode: SendPlain, Memory: 100})
	s.put(40)
	s.flush()
	s.put(40)
	s.complete(s.next(), 40)
	s.arrives(40)
	equal(t, "space", s.q.Space(), 60)
	return s
}

func TestWriteWrapsAround(t *testing.T) {
	s := wrapped(t)
	s.put(50)
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
	s.put(0)
	s.finish()
	s.arrives(100)
	s.released()
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
			s.put(used)
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
	s.put(7) // ends the reservation
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
	s.put(60)
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
				s.put(10)
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
		"uring: another queue, stream or acceptor of the ring has kind 3 and slot 5 in SendQueueConfig.Token; completions could not be told apart": {Token: senderToken},
	} {
		q, err := s.NewSendQueue(FD(s.fd), c)
		if q != nil || text(err) != want {
			t.Errorf("%+v: %v, want %s", c, err, want)
		}
	}
	for _, typ := range []int{syscall.SOCK_DGRAM, syscall.SOCK_SEQPACKET} {
		fd, _ := testutil.UnixPair(t, typ)
		_, err := s.NewSendQueue(FD(fd), SendQueueConfig{})
		equal(t, "error", text(err), "uring: a send queue joins and splits what is written, and is for stream sockets only")
	}
	equal(t, "send queues", len(s.Ring.queues), 1)
}

func TestCloseOfASendQueue(t *testing.T) {
	eachSendMode(t, func(t *testing.T, mode SendMode) {
		s := newSender(t, SendQueueConfig{Mode: mode, Memory: 1000, ZCAlways: true})
		s.feeds(BufRingConfig{Entries: 2, BufSize: 100})
		s.put(100)
		s.forward(2, 10)
		s.must(s.q.Flush())
		equal(t, "error", text(s.q.Close()), "uring: send queue: still in use: a send is in flight, or its notification is still to come")
		s.finish()
		s.arrives(120)

		s.put(100)
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
		equal(t, "send queues", len(s.Ring.queues), 0)
		equal(t, "groups", len(s.Ring.groups), 1)
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
		s.put(100)
		s.must(s.q.Append(late))
		s.arrives(10)
		s.must(s.Close())
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
