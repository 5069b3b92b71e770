//go:build linux

package uring

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/arena"
	"github.com/uring-go/uring/internal/testutil"
)

// Without locked memory to spare the kernel refuses zero-copy sends and
// registrations, and the queue copies. The limit counts per user, and not for
// privileged ones, so this runs in a process of its own.
func TestScenario51_LockedMemoryIsUsedUp(t *testing.T) {
	testutil.Need(t, HaveSendZC)
	const limit = 64 << 10
	if os.Getenv("URING_TEST_MEMLOCK") == "" {
		child := exec.Command(os.Args[0], "-test.v", "-test.run=^"+t.Name()+"$")
		child.Env = append(os.Environ(), "URING_TEST_MEMLOCK=1")
		out, err := child.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	dropPrivileges(t, limit)

	t.Run("a send fails", func(t *testing.T) {
		s := &zcStage{sender: &sender{stage: patientStage(t)}}
		s.fd, s.peer = testutil.TCPPair(t)
		p := stream(0, 2*limit)
		s.sqe(1, func(q SQE) error { return q.PrepSendZC(FD(s.fd), p, 0, 0) })
		s.result(-int(syscall.ENOMEM))
		s.notified()
	})
	for _, mode := range []SendMode{SendZC, SendZCGather} {
		t.Run("a queue copies/"+mode.String(), func(t *testing.T) {
			s := &sender{stage: patientStage(t)}
			s.fd, s.peer = testutil.TCPPair(t)
			var err error
			s.q, err = s.ring.NewSendQueue(FD(s.fd), SendQueueConfig{Mode: mode, Memory: 2 * limit, ZCAlways: true})
			s.must(err) // although its memory could not be registered
			s.queue(2 * limit)
			s.flush()
			s.complete(s.result(-int(syscall.ENOMEM)), 0)
			equal(t, "mode", s.q.Mode(), SendVectored)
			equal(t, "bytes queued", s.q.Queued(), 2*limit)
			join := s.reading()
			s.finish()
			join()
			s.released()
			equal(t, "requests", s.q.Stats().Requests, 2)
			s.must(s.q.Close())
		})
	}
	t.Run("a registration says what to do", func(t *testing.T) {
		s := patientStage(t)
		mem, err := NewArena(ArenaConfig{Size: 2 * limit})
		s.must(err)
		defer mem.Close()
		_, err = s.ring.RegisterArena(mem)
		refused(t, "RegisterArena", err, syscall.ENOMEM, "RLIMIT_MEMLOCK may be too small: raise it with ulimit -l or LimitMEMLOCK=, or give the process CAP_IPC_LOCK; it is "+strconv.Itoa(limit)+" bytes")
	})
	// The kernel gives locked memory back late when a ring is closed. Close
	// unregisters first; what is left to wait for is the ring's own memory.
	t.Run("rounds of register and close", func(t *testing.T) {
		mem, err := NewArena(ArenaConfig{Size: limit / 2})
		if err != nil {
			t.Fatal(err)
		}
		defer mem.Close()
		for range 50 {
			patiently(t, func() error {
				r, err := New(Config{Entries: 8})
				if err != nil {
					return err
				}
				_, err = r.RegisterArena(mem)
				return errors.Join(err, r.Close())
			})
		}
	})
}

// dropPrivileges makes this process that of a user with that limit of locked
// memory, whom no other process has.
func dropPrivileges(t *testing.T, limit uint64) {
	t.Helper()
	const rlimitMemlock = 8
	if err := syscall.Setrlimit(rlimitMemlock, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() != 0 {
		return
	}
	if err := syscall.Setuid(1<<20 + os.Getpid()); err != nil {
		t.Fatal(err)
	}
}

// patientStage opens a stage as soon as there is memory for a ring.
func patientStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{TB: t}
	patiently(t, func() (err error) {
		s.ring, err = New(Config{Entries: 8})
		return err
	})
	t.Cleanup(func() { s.must(s.ring.Close()) })
	return s
}

// patiently calls f again, later and later, while it fails for want of memory.
func patiently(t *testing.T, f func() error) {
	t.Helper()
	for wait := time.Millisecond; ; wait *= 2 {
		err := f()
		if err == nil {
			return
		}
		if !errors.Is(err, syscall.ENOMEM) || wait > 2*time.Second {
			t.Fatal(err)
		}
		time.Sleep(wait)
	}
}

// closesWith sets how long Close waits.
func closesWith(t *testing.T, d time.Duration) {
	old := drainTime
	drainTime = d
	t.Cleanup(func() { drainTime = old })
}

// A peer that does not read holds the memory of a zero-copy send for longer
// than Close waits. The memory then stays as it is until it has read, as the
// kernel sends from it.
func TestScenario52_CloseWithASendOnItsWay(t *testing.T) {
	testutil.Need(t, HaveSendZC)
	closesWith(t, 50*time.Millisecond)
	s := newSender(t, SendQueueConfig{Mode: SendZC, Memory: beyond, ZCAlways: true})
	s.roomy()
	s.feeds(BufRingConfig{Entries: 2, BufSize: 4096})
	s.queue(beyond)
	s.flush()
	s.complete(s.result(beyond), beyond)
	s.forward(2, 4096)
	s.flush()
	s.complete(s.result(4096), 4096)
	mem, bufs := s.q.own.mem, s.br.arena.Bytes()

	busy := "uring: close: the kernel has not let go of requests (in flight: 2, of them zero-copy sends of queues: 2) after 50ms; wait by another Close: still in use"
	for range 2 {
		start := time.Now()
		err := s.ring.Close()
		equal(t, "error", text(err), busy)
		equal(t, "is busy", errors.Is(err, ErrBusy), true)
		if d := time.Since(start); d < drainTime || d > 10*drainTime {
			t.Errorf("Close took %v", d)
		}
		equal(t, "descriptor", s.ring.FD(), -1)
	}
	equal(t, "the queue", s.q.Close(), nil)
	equal(t, "the buffer ring", s.br.Close(), nil)

	// Mappings that are gone would be handed out again.
	for range 8 {
		m, err := arena.Map(beyond, false)
		s.must(err)
		defer m.Unmap()
		for i := range m.Bytes() {
			m.Bytes()[i] = 0xEE
		}
	}
	equal(t, "memory", string(mem) == string(stream(0, beyond)), true)
	equal(t, "buffers", string(bufs[:8192]) == string(stream(beyond, 8192)), true)

	// The second of the received slices was never sent.
	s.sent -= 4096
	s.reading()()
	closesLater(t, s.ring)
	equal(t, "memory of the queue", s.q.own.arena.Bytes(), nil)
	equal(t, "memory of the buffer ring", s.br.arena.Bytes(), nil)
}

// closesLater closes a ring whose kernel has let go, or soon will.
func closesLater(t *testing.T, r *Ring) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if err = r.Close(); err == nil {
			return
		}
		equal(t, "is busy", errors.Is(err, ErrBusy), true)
	}
	t.Fatal(err)
}

// So it is with a send that is in no queue. Its memory is the caller's: an arena
// that is registered cannot be closed before.
func TestScenario52_CloseWithASendThatIsInNoQueue(t *testing.T) {
	testutil.Need(t, HaveSendZC)
	closesWith(t, 100*time.Millisecond)
	for _, fixed := range []bool{false, true} {
		g := &rig{TB: t}
		var err error
		g.Ring, err = New(Config{Entries: 4})
		g.must(err)
		a := newTestArena(t, beyond)
		reg, err := g.RegisterArena(a)
		g.must(err)
		fd, peer := testutil.TCPPair(t)
		g.must(syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_SNDBUF, beyond))
		p := a.Bytes()
		copy(p, stream(0, len(p)))
		c := one(t, g.Ring, func(s SQE) {
			if fixed {
				g.must(s.PrepSendZCFixed(FD(fd), reg, p, 0, 0))
			} else {
				g.must(s.PrepSendZC(FD(fd), p, 0, 0))
			}
		})
		equal(t, "result", c, CQE{UserData: c.UserData, Res: c.Res, Flags: cgo.CQEFMore})
		err = g.Close()
		equal(t, "error of Close", text(err), "uring: close: the kernel has not let go of requests (in flight: 1) after 100ms; wait by another Close: still in use")
		equal(t, "is busy", errors.Is(err, ErrBusy), true)
		equal(t, "arena is busy", errors.Is(a.Close(), ErrBusy), true)

		got := readFull(t, peer, int(c.Res))
		equal(t, "bytes", string(got) == string(stream(0, len(got))), true)
		closesLater(t, g.Ring)
		equal(t, "error of the arena's Close", a.Close(), nil)
	}
}

// A peer that reads in time lets Close finish.
func TestScenario52_CloseWaitsForNotifications(t *testing.T) {
	testutil.Need(t, HaveSendZC)
	s := newSender(t, SendQueueConfig{Mode: SendZC, Memory: beyond, ZCAlways: true})
	s.roomy()
	s.queue(beyond)
	s.flush()
	s.complete(s.result(beyond), beyond)
	s.none()

	join := s.reading()
	s.must(s.ring.Close())
	equal(t, "without notification", s.q.Unnotified(), 0)
	join()
}

// While Close waits it starts nothing that was not submitted.
func TestScenario52_CloseSubmitsNothing(t *testing.T) {
	testutil.Need(t, HaveSendZC)
	closesWith(t, 50*time.Millisecond)
	s := newSender(t, SendQueueConfig{Mode: SendZC, Memory: beyond, ZCAlways: true})
	s.roomy()
	s.queue(beyond)
	s.flush()
	s.complete(s.result(beyond), beyond)

	fd, peer := testutil.TCPPair(t)
	q, err := s.ring.NewSendQueue(FD(fd), SendQueueConfig{Mode: SendZC, Memory: 100, Token: 1})
	s.must(err)
	s.must(second(q.Write(make([]byte, 100))))
	s.must(q.Flush())
	in, out := streamPair(t)
	s.sqe(otherData, func(q SQE) error { q.PrepSend(FD(out), held(make([]byte, 100)), 0); return nil })

	equal(t, "error", text(s.ring.Close()), "uring: close: the kernel has not let go of requests (in flight: 1, of them zero-copy sends of queues: 1) after 50ms; wait by another Close: still in use")
	equal(t, "bytes at the queue's peer", unread(t, peer), 0)
	equal(t, "bytes at the other peer", unread(t, in), 0)
	s.reading()()
	closesLater(t, s.ring)
}

// Close cancels a send that is blocked, and waits for its notification too.
func TestScenario52_CloseWithABlockedSend(t *testing.T) {
	eachSendMode(t, func(t *testing.T, mode SendMode) {
		const size = 4 << 20
		s := newSmallSender(t, SendQueueConfig{Mode: mode, Memory: size, ZCAlways: true})
		s.feeds(BufRingConfig{Entries: 2, BufSize: 4096})
		s.queue(size)
		s.forward(2, 1000)
		s.flush()
		s.blocked()
		peer, fd := make(chan []byte, 1), dupFD(t, s.peer)
		// By then Close has cancelled the send, and waits for its notification.
		time.AfterFunc(100*time.Millisecond, func() { peer <- <-collect(fd) })
		s.must(s.ring.Close())
		s.holds(0)
		shutdown(t, s.fd)
		got := <-peer
		if len(got) == 0 || len(got) >= size {
			t.Fatalf("the peer got %d bytes of a blocked send of %d", len(got), size)
		}
		s.inStream(got)
	})
}

// A ring for a single issuer belongs to one thread. What enters the kernel from
// another fails there, and changes nothing.
func TestScenario54_SecondThread(t *testing.T) {
	testutil.Need(t, HaveDeferTaskrun)
	for _, mode := range []SendMode{SendBundle, SendZC} {
		t.Run(mode.String(), func(t *testing.T) {
			testutil.Need(t, mode.have)
			// The test, and what it leaves to be done at its end, is one goroutine.
			runtime.LockOSThread()
			t.Cleanup(runtime.UnlockOSThread)
			testSecondThread(t, mode)
		})
	}
}

func testSecondThread(t *testing.T, mode SendMode) {
	const size = 4 << 20
	fd, peer := streamPair(t)
	if mode.zeroCopy() {
		fd, peer = testutil.TCPPair(t)
	}
	s := senderOn(t, Config{Entries: 4, Flags: SetupSingleIssuer | SetupDeferTaskrun},
		SendQueueConfig{Mode: mode, Memory: size, ZCAlways: true}, fd, peer)
	s.small()
	s.feeds(BufRingConfig{Entries: 2, BufSize: 4096})
	mem, reg := s.register(4096)
	s.queue(size)
	s.flush()
	s.blocked()
	c := s.cancelSend() // one that makes the queue ask the kernel
	sent := int(c.Res)

	refused := func(what string, err error) {
		if !errors.Is(err, ErrWrongThread) {
			t.Errorf("%s: %v, want ErrWrongThread", what, err)
		}
	}
	if mode.provided() {
		elsewhere(func() { refused("Complete", second(s.q.Complete(c))) })
	}
	s.complete(c, sent)
	equal(t, "bytes queued", s.q.Queued(), size-sent)
	for s.ring.SQSpace() > 0 {
		s.sqe(otherData, func(q SQE) error { q.PrepNop(); return nil })
	}
	elsewhere(func() {
		refused("Flush", s.q.Flush()) // it submits, to make room
		refused("NewSendQueue", second(s.ring.NewSendQueue(FD(fd), SendQueueConfig{Mode: mode, Memory: 4096, Token: 1})))
		refused("NewBufRing", second(s.ring.NewBufRing(BufRingConfig{Group: 9, Entries: 1, BufSize: 1})))
		refused("RegisterArena", second(s.ring.RegisterArena(mem)))
		refused("UnregisterArena", s.ring.UnregisterArena(reg))
		if HaveBufRingStatus() == nil {
			refused("Head", second(s.br.Head()))
			refused("Available", second(s.br.Available()))
		}
		refused("BufRing.Close", s.br.Close())
		refused("Submit", second(s.ring.Submit()))
		refused("SubmitAndWait", second(s.ring.SubmitAndWait(1)))
		refused("Ring.Close", s.ring.Close())
	})
	equal(t, "in flight", s.q.InFlight(), false)
	for range s.ring.Queued() {
		s.nextOf(otherData)
	}

	join := s.reading()
	s.finish()
	elsewhere(func() { refused("SendQueue.Close", s.q.Close()) })
	join()
	s.released()
	s.must(s.q.Close())
	s.must(s.br.Close())
}

// elsewhere calls f on another thread than its caller, which is locked to its
// own.
func elsewhere(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}
