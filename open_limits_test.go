//go:build linux

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

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/kernel"
	"github.com/uring-go/uring/internal/testutil"
)

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

// A filter refuses one of the system calls, with one of the errors that they have
// in use. All that needs the call says what is in the way, and whether the
// program must do without rings.
func TestSeccompRefusesRings(t *testing.T) {
	const setup, enter, register = 425, 426, 427
	for call, nr := range map[string]uint32{"io_uring_setup": setup, "io_uring_enter": enter, "io_uring_register": register} {
		for _, errno := range []syscall.Errno{syscall.EPERM, syscall.EACCES, syscall.ENOSYS, syscall.EOPNOTSUPP, syscall.EINVAL} {
			t.Run(call+"/"+strconv.Itoa(int(errno)), func(t *testing.T) {
				runtime.LockOSThread() // for ever: nothing else may run on this thread
				if !testutil.Confined(t, func() error { return refusing(errno, nr) }) {
					return
				}
				denied := func(what string, err error) {
					t.Helper()
					refused(t, what, err, errno, "seccomp")
					refused(t, what, err, errno, "docker/seccomp.json")
					forbidden := errno == syscall.EPERM || errno == syscall.EACCES
					equal(t, what+" is EPERM", errors.Is(err, syscall.EPERM), forbidden)
					equal(t, what+" is not supported", errors.Is(err, ErrNotSupported), !forbidden)
				}
				for _, f := range Features() {
					denied(f.Name, f.Err)
					if !strings.Contains(f.Err.Error(), "could not find out") {
						t.Errorf("%s: %v", f.Name, f.Err)
					}
				}
				for _, b := range KernelBugs() {
					equal(t, b.Name, b.Seen, false)
					denied(b.Name, b.Err)
				}
				if nr == setup {
					denied("New", second(New(Config{})))
					denied("Setup", third(Setup(Config{})))
					return
				}
				g := newRig(t, Config{Entries: 4})
				if nr == enter {
					g.queue(1, SQE.PrepNop)
					denied("Submit", second(g.Submit()))
					denied("SubmitAndWait", second(g.SubmitAndWait(1)))
					denied("Await", second(g.Await(context.Background(), 1)))
					return
				}
				g.do(SQE.PrepNop)
				denied("NewBufRing", second(g.NewBufRing(BufRingConfig{Entries: 4, BufSize: 8})))
				denied("RegisterFiles", g.RegisterFiles(4))
				denied("RegisterArena", second(g.RegisterArena(g.arena(4096))))
				if cgo.HeaderMajor != 2 || cgo.HeaderMinor >= 15 { // or the library is in the way
					denied("QueryKernel", second(QueryKernel()))
				}
			})
		}
	}
}

func third[A, B any](_ A, _ B, err error) error { return err }

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
	files, maps, resident := len(openFDs(t)), mappings(t), residentKiB(t)
	churn(rings)
	equal(t, "descriptors", len(openFDs(t)), files)
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
