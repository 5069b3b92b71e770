//go:build linux

package uring

import (
	"io"
	"math/rand"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/uring-go/uring/internal/testutil"
)

// How multishot receives end, and what is left then. There is one rule for all
// ends: a completion without More is the last, and if the connection goes on,
// the program prepares another receive.

func TestScenario33_ArmedOnAnEmptyGroup(t *testing.T) {
	s := newStage(t, BufRingConfig{Entries: 1, BufSize: 16})
	s.send(1)
	held := s.hold(s.recv(0, 0, 0), place{0, 0, 1})

	s.arm(0)
	c := s.next()
	s.is(c, -int(syscall.ENOBUFS), -1, "") // although there is nothing to receive
	s.failed(c, syscall.ENOBUFS)

	s.arm(PollFirst)
	s.none()
	s.release(held...)
	s.submit()
	s.send(10)
	c = s.next()
	s.is(c, 10, 0, "MB")
	s.take(c, place{0, 0, 10})
	s.cancel(uint64(s.in))
	s.settled()
}

func TestScenario34_CompletionQueueOverflows(t *testing.T) {
	in, out := testutil.UDPPair(t)
	s := stageOn(t, Config{Entries: 4, CQEntries: 4}, BufRingConfig{Entries: 16, BufSize: 100}, in, out)
	const datagrams = 10
	for i := range datagrams {
		s.datagram(20 + i)
	}
	s.arm(0)
	for i := range datagrams {
		c := s.next()
		switch {
		case i < 4:
			s.is(c, 20+i, i, "MB")
		case i == 4:
			s.is(c, 20+i, i, "B") // the queue was full
		}
		s.take(c, place{i, 0, 20 + i})
		if !c.More() {
			s.arm(0)
		}
	}
	s.cancel(uint64(in))
	s.settled()
}

func TestScenario35_EmptyDatagramIsNoEnd(t *testing.T) {
	in, out := testutil.UDPPair(t)
	s := stageOn(t, Config{}, BufRingConfig{Entries: 4, BufSize: 100}, in, out)
	s.arm(0)
	s.datagram(5)
	c := s.next()
	s.is(c, 5, 0, "MB")
	s.take(c, place{0, 0, 5})

	s.datagram(0)
	c = s.next()
	s.ends(c)
	if c.More() {
		t.Fatal("the receive goes on")
	}
	s.arm(0)
	s.datagram(6)
	c = s.next()
	s.is(c, 6, 1, "MB")
	s.take(c, place{1, 0, 6})
	s.cancel(uint64(in))
	s.settled()
}

func TestScenario36_ConnectionEnds(t *testing.T) {
	t.Run("reset by the peer", func(t *testing.T) {
		s := newTCPStage(t, BufRingConfig{Entries: 2, BufSize: 16})
		s.arm(0)
		if err := syscall.SetsockoptLinger(s.out, syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1}); err != nil {
			t.Fatal(err)
		}
		s.closeSocket(s.out)
		c := s.next()
		s.is(c, -int(syscall.ECONNRESET), -1, "")
		s.failed(c, syscall.ECONNRESET)
		s.settled()
	})
	t.Run("closed by the peer", func(t *testing.T) {
		s := newStage(t, BufRingConfig{Entries: 2, BufSize: 16})
		s.arm(0)
		s.closeSocket(s.out)
		s.ends(s.next())
		s.settled()
	})
	// The request keeps the socket open: cancel first.
	t.Run("closed by the program itself", func(t *testing.T) {
		s := newStage(t, BufRingConfig{Entries: 2, BufSize: 16})
		s.arm(0)
		s.closeSocket(s.in)
		s.send(5)
		c := s.next()
		s.is(c, 5, 0, "MB")
		s.take(c, place{0, 0, 5})
		left := s.cancel(uint64(s.in))
		s.is(left[len(left)-1], -int(syscall.ECANCELED), -1, "")
		if _, err := syscall.Write(s.out, []byte("x")); err != syscall.EPIPE {
			t.Errorf("the connection is still open: %v", err)
		}
	})
	t.Run("cancelled, waited for and closed", cancelledAndClosed)
	t.Run("closed with the ring", closedWithTheRing)
}

func cancelledAndClosed(t *testing.T) {
	s := newStage(t, BufRingConfig{Entries: 2, BufSize: 16})
	s.arm(0)
	s.queue(1, func(q SQE) { q.PrepCancelFD(FD(s.in), CancelAll) })
	for over, cancelled := false, false; !over || !cancelled; {
		switch c := s.next(); c.UserData {
		case 1:
			equal(t, "cancelled", c.Res, 1)
			cancelled = true
		default:
			s.is(c, -int(syscall.ECANCELED), -1, "")
			s.failed(c, syscall.ECANCELED)
			over = true
		}
	}
	s.closeSocket(s.in)
	if _, err := syscall.Write(s.out, []byte("x")); err != syscall.EPIPE {
		t.Errorf("the connection is still open: %v", err)
	}
	s.settled()
}

func closedWithTheRing(t *testing.T) {
	s := newStage(t, BufRingConfig{Entries: 2, BufSize: 16})
	s.arm(0)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s.send(5) // stays in the socket
	p := make([]byte, 16)
	n, err := syscall.Read(s.in, p)
	if err != nil {
		t.Fatal(err)
	}
	s.inStream(p[:n])
	equal(t, "bytes received", s.got, 5)
}

// closeSocket closes a descriptor whose number the test's end closes again: it
// becomes one of something else.
func (s *stage) closeSocket(fd int) {
	s.Helper()
	other, err := syscall.Open("/dev/null", syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		s.Fatal(err)
	}
	defer syscall.Close(other)
	if err := syscall.Dup3(other, fd, syscall.O_CLOEXEC); err != nil {
		s.Fatal(err)
	}
}

func TestScenario37_CancelledAgainAndAgainNoByteIsLost(t *testing.T) {
	rounds := fewer(3000)
	for name, incremental := range map[string]bool{"classic": false, "incremental": true} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, BufRingConfig{Entries: 8, BufSize: 512, Incremental: incremental})
			sent, stop := startWriter(t, s.out)
			rnd := rand.New(rand.NewSource(37))
			for round := range rounds {
				s.arm(0)
				over := false
				if round%8 == 0 {
					over = s.received(s.next()) // the writer is never far behind
				}
				for range rnd.Intn(3) {
					for c := range s.Completions() {
						over = s.received(c) || over
					}
					s.submit()
				}
				for _, c := range s.cancelled(over) {
					over = s.received(c) || over
				}
				if !over {
					t.Fatal("no last completion")
				}
			}
			stop(func() { s.drainStream() })
			s.sent = int(sent.Load())
			s.settled()
			s.available(8)
		})
	}
}

// Memory must outlive everything that may touch it: requests in the kernel and
// slices in the program.

func TestScenario38_ClosedUnderRequests(t *testing.T) {
	t.Run("that wait for data", func(t *testing.T) {
		testutil.Need(t, HaveBufRingStatus)
		s := newStage(t, BufRingConfig{Entries: 2, BufSize: 16})
		s.arm(0)
		s.closeBuffers()
		equal(t, "memory kept", s.memoryKept(), false)
		s.send(10)
		c := s.next()
		s.is(c, -int(syscall.ENOBUFS), -1, "")
		s.failed(c, ErrClosed)
	})
	t.Run("that hold a buffer in a worker", func(t *testing.T) {
		s := newStage(t, BufRingConfig{Entries: 2, BufSize: 16})
		s.async(s.in)
		s.waitHead(1)
		s.closeBuffers()
		equal(t, "memory kept", s.memoryKept(), true)
		s.send(10)
		c := s.next()
		s.is(c, 10, 0, "B")
		held := s.hold(c, place{0, 0, 10})
		s.outliveRing(held)
	})
	t.Run("that have filled half a buffer", func(t *testing.T) {
		s := newStage(t, BufRingConfig{Entries: 2, BufSize: 16})
		s.queue(0, func(q SQE) { s.must(q.PrepRecvProvided(FD(s.in), s.br, 0, syscall.MSG_WAITALL, 0)) })
		s.send(6)
		s.none()
		s.closeBuffers()
		equal(t, "memory kept", s.memoryKept(), true)
		s.send(10)
		c := s.next()
		s.is(c, 16, 0, "B")
		s.take(c, place{0, 0, 16})
	})
	t.Run("whose completions are not handled yet", func(t *testing.T) {
		testutil.Need(t, HaveBufRingStatus)
		s := newStage(t, BufRingConfig{Entries: 2, BufSize: 16})
		s.arm(0)
		s.send(10)
		s.submit()
		s.waitHead(1)
		s.closeBuffers()
		equal(t, "memory kept", s.memoryKept(), true)
		c := s.next()
		s.is(c, 10, 0, "MB")
		s.consume(c)
	})
}

// received handles a completion of a receive that may be cancelled or find no
// buffers, and says whether it was the last.
func (s *stage) received(c CQE) (last bool) {
	s.Helper()
	switch errno := syscall.Errno(-c.Res); {
	case c.Res >= 0:
		s.consume(c)
	case errno == syscall.ECANCELED || errno == syscall.ENOBUFS:
		s.is(c, int(c.Res), -1, "")
		s.failed(c, errno)
	default:
		s.Fatalf("completion %+v", observe(c))
	}
	return !c.More()
}

// cancelled cancels the receive unless it is over, and returns what it still
// completes with.
func (s *stage) cancelled(over bool) []CQE {
	s.Helper()
	if over {
		return nil
	}
	return s.cancel(uint64(s.in))
}

// startWriter writes the stream to fd in pieces of random length. stop ends it;
// drain makes room meanwhile.
func startWriter(t *testing.T, fd int) (sent *atomic.Int64, stop func(drain func())) {
	sent = &atomic.Int64{}
	var ending atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		rnd := rand.New(rand.NewSource(1))
		for !ending.Load() {
			n, err := syscall.Write(fd, stream(int(sent.Load()), rnd.Intn(1000)+1))
			if err != nil {
				t.Error(err)
				return
			}
			sent.Add(int64(n))
		}
	}()
	var once sync.Once
	stop = func(drain func()) {
		once.Do(func() {
			ending.Store(true)
			for running := true; running; {
				select {
				case <-done:
					running = false
				default:
				}
				drain()
			}
		})
	}
	return sent, stop
}

// drainStream receives what the socket holds without the ring.
func (s *stage) drainStream() {
	s.Helper()
	p := make([]byte, 64<<10)
	for {
		n, _, err := syscall.Recvfrom(s.in, p, syscall.MSG_DONTWAIT)
		if err != nil {
			return
		}
		s.inStream(p[:n])
	}
}

func TestScenario39_ForkWhileArmed(t *testing.T) {
	if os.Getenv("URING_TEST_FORK") != "" {
		_, _ = io.Copy(io.Discard, os.Stdin) // until the parent closes it
		return
	}
	s := newStage(t, BufRingConfig{Entries: 4, BufSize: 16})
	s.arm(0)
	bid := 0
	fill := func() {
		t.Helper()
		for range 3 {
			s.send(16)
			c := s.next()
			s.is(c, 16, bid, "MB")
			s.take(c, place{bid, 0, 16})
			bid = (bid + 1) % 4
		}
		s.settled()
		s.submit() // refill
	}
	fill()
	child := func() *exec.Cmd {
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), "URING_TEST_FORK=1")
		return cmd
	}
	if err := child().Run(); err != nil {
		t.Fatal(err)
	}
	fill() // from what was given back since

	// The same while the child lives.
	living := child()
	stdin, err := living.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := living.Start(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		fill()
	}
	if err := stdin.Close(); err != nil {
		t.Error(err)
	}
	if err := living.Wait(); err != nil {
		t.Error(err)
	}
	fill()
	s.cancel(uint64(s.in))
}

func TestScenario40_PositionsWrapAround(t *testing.T) {
	needBundles(t, false)
	entries := 2
	if testing.Short() {
		entries = 128
	}
	// On TCP the kernel finds all that was sent together, on every kernel.
	s := newTCPStage(t, BufRingConfig{Entries: entries, BufSize: 2})
	rounds := 65536/entries + 2
	for range rounds - 1 {
		s.send(2 * entries)
		s.consume(s.recv(0, syscall.MSG_DONTWAIT, Bundle))
	}
	s.send(2 * entries)
	var all []place
	for bid := range entries {
		all = append(all, place{bid, 0, 2})
	}
	held := s.hold(s.recv(0, syscall.MSG_DONTWAIT, Bundle), all...)
	equal(t, "buffers", int(s.br.Stats().Buffers), rounds*entries)
	s.head(2 * entries)
	equal(t, "tail", int(uint16(s.br.tail)), 2*entries)
	s.available(0)
	s.release(held...)
	s.available(entries)
	s.settled()
}
