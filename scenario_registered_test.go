//go:build linux

package uring

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/testutil"
)

// Sends from registered memory must lie in the buffer that they name. The
// package refuses what does not; the kernel answers EFAULT.
func TestScenario48_BoundsOfRegisteredBuffers(t *testing.T) {
	s := newZCStage(t, Config{})
	end := s.part(zcMemory-100, 100)
	other, otherReg := s.mapRegistered(4096)

	send := func(n int) { s.result(n); s.notified(); s.sent += max(n, 0) }
	fixed := func(p []byte, set func(SQE)) {
		s.queue(1, func(q SQE) {
			err := q.PrepSendZC(FD(s.fd), p, 0, 0)
			q.IOPrio |= cgo.RecvSendFixedBuf
			q.BufIndex = s.reg.index
			set(q)
			s.must(err)
		})
	}
	const fault = -int(syscall.EFAULT)
	s.queue(1, func(q SQE) { s.must(q.PrepSendZCFixed(FD(s.fd), s.reg, end, 0, 0)) })
	s.result(100)
	s.notified()
	s.got, s.sent = zcMemory-100, zcMemory
	s.arrives(100)

	fixed(end, func(q SQE) { q.Len++ })
	send(fault)
	fixed(end, func(q SQE) { q.BufIndex = 7 })
	send(fault)
	fixed(other.Bytes(), func(SQE) {})
	send(fault)
	s.none()

	refused := func(prep func(SQE) error, want string) {
		t.Helper()
		q, err := s.NextSQE()
		s.must(err)
		equal(t, "error", text(prep(q)), want)
	}
	refused(func(q SQE) error { return q.PrepSendZCFixed(FD(s.fd), otherReg, end, 0, 0) },
		fmt.Sprintf("uring: 100 bytes lie outside registered buffer %d", otherReg.index))
	refused(func(q SQE) error { return q.PrepSendZCFixed(FD(s.fd), s.reg, other.Bytes(), 0, 0) },
		fmt.Sprintf("uring: %d bytes lie outside registered buffer %d", len(other.Bytes()), s.reg.index))
	refused(func(q SQE) error { return q.PrepSendZCFixed(FD(s.fd), RegBuf{}, end, 0, 0) },
		"uring: RegBuf is empty; Ring.RegisterArena makes one")
	refused(func(q SQE) error { return q.PrepSendMsgZCFixed(FD(s.fd), s.reg, NewMsg(end, nil), 0, 0) },
		"uring: an empty part of a registered buffer; leave it out")
	refused(func(q SQE) error { return q.PrepSendMsgZCFixed(FD(s.fd), s.reg, NewMsg(end, other.Bytes()), 0, 0) },
		fmt.Sprintf("uring: %d bytes lie outside registered buffer %d", len(other.Bytes()), s.reg.index))
	s.none()
}

func TestScenario48_PartsOfRegisteredBuffers(t *testing.T) {
	testutil.Need(t, HaveSendMsgZCFixed)
	s := newZCStage(t, Config{})
	other, _ := s.mapRegistered(4096)
	parts := func(n, size int) [][]byte {
		list := make([][]byte, n)
		for i := range list {
			list[i] = s.part(s.got+i*size, size)
		}
		return list
	}
	for _, c := range []struct {
		name  string
		parts [][]byte
		want  int
	}{
		{"in range", parts(3, 100), 300},
		{"in another buffer", [][]byte{s.part(0, 100), other.Bytes()}, -int(syscall.EFAULT)},
		{"empty", [][]byte{s.part(0, 100), s.part(0, 0)}, -int(syscall.EFAULT)},
		{"1025", parts(1025, 1), -int(syscall.EMSGSIZE)},
		{"none", nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := NewMsg(c.parts...)
			s.queue(1, func(q SQE) {
				err := q.PrepSendMsgZC(FD(s.fd), m, 0, 0)
				q.IOPrio |= cgo.RecvSendFixedBuf
				q.BufIndex = s.reg.index
				s.must(err)
			})
			s.result(c.want)
			s.notified()
			s.arrives(max(c.want, 0))
		})
	}
}

// Unregistering succeeds while a send is on its way, and the send still takes
// its bytes from the memory, which the queue does not let go of.
func TestScenario49_UnregisterWithASendOnItsWay(t *testing.T) {
	testutil.Need(t, HaveSendZC)
	s := newSender(t, SendQueueConfig{Mode: SendZC, Memory: beyond, ZCAlways: true})
	s.roomy()
	s.put(beyond)
	s.flush()
	s.complete(s.result(beyond), beyond)
	s.must(s.UnregisterArena(s.q.own.reg))
	again, err := s.RegisterArena(s.q.own.arena) // the place is free at once
	s.must(err)
	equal(t, "place", again.Index(), s.q.own.reg.Index())

	s.none()
	equal(t, "space", s.q.Space(), 0)
	join := s.reading()
	s.finish()
	join()
	s.released()
	s.must(s.q.Close())
}

// A registered buffer is its pages: after madvise the kernel sends what the
// pages held, not what the memory holds.
func TestScenario50_RegisteredBufferIsItsPages(t *testing.T) {
	s := newZCStage(t, Config{})
	s.must(syscall.Madvise(s.mem.Bytes(), syscall.MADV_DONTNEED))
	copy(s.mem.Bytes(), make([]byte, 4096))
	s.queue(1, func(q SQE) { s.must(q.PrepSendZCFixed(FD(s.fd), s.reg, s.part(0, 4096), 0, 0)) })
	s.result(4096)
	s.notified()
	s.sent = 4096
	s.arrives(4096) // the stream, which the memory holds no more
}

// The queue's memory is no memory of the collector's, which gives pages back
// to the system in that way.
func TestScenario50_CollectorLeavesTheMemoryAlone(t *testing.T) {
	testutil.Need(t, HaveSendZC)
	s := newSender(t, SendQueueConfig{Mode: SendZC, Memory: 1 << 20, ZCAlways: true})
	s.roomy()
	s.put(1 << 20)
	debug.FreeOSMemory()
	join := s.reading()
	s.finish()
	join()
	s.released()
}

// lockedLimit is how much memory the process of scenario 51 may lock, in bytes.
const lockedLimit = 64 << 10

// Without locked memory to spare the kernel refuses zero-copy sends and
// registrations, and the queue copies. The limit counts per user, and not for
// privileged ones, so this runs in a process of its own.
func TestScenario51_LockedMemoryIsUsedUp(t *testing.T) {
	testutil.Need(t, HaveSendZC)
	if os.Getenv("URING_TEST_MEMLOCK") == "" {
		child := exec.Command(os.Args[0], "-test.v", "-test.run=^"+t.Name()+"$")
		child.Env = append(os.Environ(), "URING_TEST_MEMLOCK=1")
		out, err := child.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	dropPrivileges(t, lockedLimit)

	t.Run("a send fails", func(t *testing.T) {
		s := &zcStage{sender: &sender{stage: patientStage(t)}}
		s.fd, s.peer = testutil.TCPPair(t)
		p := stream(0, 2*lockedLimit)
		s.queue(1, func(q SQE) { s.must(q.PrepSendZC(FD(s.fd), p, 0, 0)) })
		s.result(-int(syscall.ENOMEM))
		s.notified()
	})
	for _, mode := range []SendMode{SendZC, SendZCGather} {
		t.Run("a queue copies/"+mode.String(), func(t *testing.T) {
			s := &sender{stage: patientStage(t)}
			s.fd, s.peer = testutil.TCPPair(t)
			var err error
			s.q, err = s.NewSendQueue(FD(s.fd), SendQueueConfig{Mode: mode, Memory: 2 * lockedLimit, ZCAlways: true})
			s.must(err) // although its memory could not be registered
			s.put(2 * lockedLimit)
			s.flush()
			s.complete(s.result(-int(syscall.ENOMEM)), 0)
			equal(t, "mode", s.q.Mode(), SendVectored)
			equal(t, "bytes queued", s.q.Queued(), 2*lockedLimit)
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
		mem, err := NewArena(ArenaConfig{Size: 2 * lockedLimit})
		s.must(err)
		defer mem.Close()
		_, err = s.RegisterArena(mem)
		refused(t, "RegisterArena", err, syscall.ENOMEM, "RLIMIT_MEMLOCK may be too small: raise it with ulimit -l or LimitMEMLOCK=, or give the process CAP_IPC_LOCK; it is "+strconv.Itoa(lockedLimit)+" bytes")
	})
	// The kernel gives locked memory back late when a ring is closed. Close
	// unregisters first; what is left to wait for is the ring's own memory.
	t.Run("rounds of register and close", registerAndCloseAgainAndAgain)
}

func registerAndCloseAgainAndAgain(t *testing.T) {
	mem, err := NewArena(ArenaConfig{Size: lockedLimit / 2})
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
	s := &stage{rig: rigOn(t, nil)}
	patiently(t, func() (err error) {
		s.Ring, err = New(Config{Entries: 8})
		return err
	})
	t.Cleanup(func() { s.must(s.Close()) })
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
