package uring

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/uring-go/uring/internal/kernel"
	"github.com/uring-go/uring/internal/testutil"
)

// refused fails the test unless err is errno and its text says what to do.
func refused(t *testing.T, what string, err error, errno syscall.Errno, advice string) {
	t.Helper()
	if !errors.Is(err, errno) || !strings.Contains(err.Error(), advice) {
		t.Errorf("%s: error is %v; want %v and advice with %q", what, err, errno, advice)
	}
}

func TestLockedMemoryUsedUp(t *testing.T) {
	if !testutil.Confined(t, func() error { return errors.Join(testutil.LockAtMost(256<<10), testutil.AsNobody()) }) {
		return
	}
	g := newRig(t, Config{Entries: 16})
	br := BufRingConfig{Entries: 64, BufSize: 8 << 10, Registered: true}

	_, err := g.RegisterArena(g.arena(512 << 10))
	refused(t, "RegisterArena", err, syscall.ENOMEM, "RLIMIT_MEMLOCK")
	_, err = g.NewBufRing(br)
	refused(t, "NewBufRing with registered buffers", err, syscall.ENOMEM, "RLIMIT_MEMLOCK")
	if hasLinux(t, kernel.V(6, 14)) && !hasLinux(t, kernel.V(7, 2)) { // where queues count as locked
		_, err := New(Config{Entries: 32768})
		refused(t, "New", err, syscall.ENOMEM, "RLIMIT_MEMLOCK")
	} else {
		newRig(t, Config{Entries: 32768})
	}

	// The advice is right, and what failed has taken nothing.
	g.must(testutil.LockAtMost(8 << 20))
	if _, err := g.RegisterArena(g.arena(512 << 10)); err != nil {
		t.Error(err)
	}
	b, err := g.NewBufRing(br)
	g.must(err)
	g.must(b.Close())
}

func TestNoDescriptorLeft(t *testing.T) {
	if !testutil.Confined(t, func() error { return nil }) {
		return
	}
	g := newRig(t, Config{Entries: 16})
	atMost := func(n, hard uint64) {
		g.must(syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: n, Max: hard}))
	}

	atMost(3, 1024)
	_, err := New(Config{Entries: 16})
	refused(t, "New", err, syscall.EMFILE, "RLIMIT_NOFILE")
	g.queue(1, func(s SQE) { s.PrepTimeout(50*time.Millisecond, 0, 0) })
	_, err = g.Await(context.Background(), 1)
	refused(t, "Await", err, syscall.EMFILE, "RLIMIT_NOFILE")

	// Nothing is lost of what was queued meanwhile.
	atMost(1024, 1024)
	equal(t, "completion", g.await(1)[0].UserData, 1)

	atMost(64, 64) // liburing raises the limit itself up to the second
	refused(t, "RegisterFiles", g.RegisterFiles(65), syscall.EMFILE, "RLIMIT_NOFILE")
	g.must(g.RegisterFiles(64))
}

func TestSeccompRefusesRings(t *testing.T) {
	const ioUringSetup = 425
	for _, errno := range []syscall.Errno{syscall.EPERM, syscall.ENOSYS} {
		t.Run(strconv.Itoa(int(errno)), func(t *testing.T) {
			runtime.LockOSThread() // for ever: nothing else may run on this thread
			if !testutil.Confined(t, func() error { return refusing(errno, ioUringSetup) }) {
				return
			}
			_, err := New(Config{})
			equal(t, "not supported", errors.Is(err, ErrNotSupported), errno == syscall.ENOSYS)
			refused(t, "New", err, errno, map[syscall.Errno]string{
				syscall.EPERM:  "a seccomp profile forbids io_uring",
				syscall.ENOSYS: "io_uring is not supported",
			}[errno])
		})
	}
}

func TestUserWithoutRightsMayUseRings(t *testing.T) {
	if !testutil.Confined(t, testutil.AsNobody) {
		return
	}
	inEachMode(t, func(t *testing.T, g *rig) {
		g.do(SQE.PrepNop)
	})
}

// The kernel counts the memory of a ring as locked for a while after it was
// closed: New and Setup wait for it.
func TestOpeningAndClosingTenThousandRings(t *testing.T) {
	if !testutil.Confined(t, func() error { return errors.Join(testutil.LockAtMost(1<<20), testutil.AsNobody()) }) {
		return
	}
	open := func(inOneStep bool) (*Ring, error) {
		c := Config{Entries: 64}
		if inOneStep {
			return New(c)
		}
		fd, p, err := Setup(c)
		if err != nil {
			return nil, err
		}
		return OpenFD(fd, p)
	}
	churn := func(n int) {
		for i := range n {
			r, err := open(i%2 == 0)
			if err != nil {
				t.Fatalf("ring %d: %v", i, err)
			}
			if err := r.Close(); err != nil {
				t.Fatalf("ring %d: %v", i, err)
			}
		}
	}
	rings := 10_000
	if testing.Short() {
		rings = 100
	}
	churn(rings / 10)
	files, maps, resident := openDescriptors(t), mappings(t), residentKiB(t)
	churn(rings)
	equal(t, "descriptors", openDescriptors(t), files)
	if n := mappings(t); n > maps+20 { // the Go heap and threads have some
		t.Errorf("%d mappings before, %d after", maps, n)
	}
	if n := residentKiB(t); n > resident+8<<10 {
		t.Errorf("%d KiB resident before, %d after", resident, n)
	}
}

func residentKiB(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	var n int
	if _, err := fmt.Sscan(rest, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestSmallestQueues(t *testing.T) {
	g := newRig(t, Config{Entries: 1, CQEntries: 1})
	sq, cq := g.Entries()
	equal(t, "entries", [2]int{sq, cq}, [2]int{1, 1})
	for i := range uint64(1000) {
		g.queue(i, SQE.PrepNop)
		g.submit()
		if i%4 != 3 {
			continue // more than the queue holds: the kernel keeps them
		}
		for k, c := range g.await(4) {
			equal(t, "user data", c.UserData, i-3+uint64(k))
		}
	}
}

func TestLargestQueues(t *testing.T) {
	g := newRig(t, Config{Entries: math.MaxInt32, Flags: SetupClamp})
	sq, cq := g.Entries()
	equal(t, "entries", [2]int{sq, cq}, [2]int{32768, 65536})
	for round := range 2 {
		for i := range sq {
			g.queue(uint64(round*sq+i), SQE.PrepNop)
		}
		if _, err := g.NextSQE(); !errors.Is(err, ErrSQFull) {
			t.Errorf("error is %v", err)
		}
		g.submit()
	}
	equal(t, "completions ready", g.Ready(), cq)
	next := uint64(0)
	for c := range g.Completions() {
		if c.UserData != next || c.Err() != nil {
			t.Fatalf("completion %d is %v", next, c)
		}
		next++
	}
	equal(t, "completions", next, uint64(cq))
}
