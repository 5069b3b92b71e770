//go:build linux

package uring

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/testutil"
)

// workers returns the workers of the process, and where each may run. They are
// named after their thread, but in a PID namespace that is not its number there.
func workers(t *testing.T) map[string]string {
	t.Helper()
	tasks, err := filepath.Glob("/proc/self/task/*/status")
	if err != nil {
		t.Fatal(err)
	}
	cpus := map[string]string{}
	for _, file := range tasks {
		b, err := os.ReadFile(file)
		if err != nil || !strings.HasPrefix(string(b), "Name:\tiou-wrk-") {
			continue // no worker, or one that has ended
		}
		_, rest, _ := strings.Cut(string(b), "Cpus_allowed_list:\t")
		list, _, _ := strings.Cut(rest, "\n")
		cpus[file] = list
	}
	return cpus
}

// occupy submits requests that take a worker each until the ring is closed:
// they open a FIFO that nobody writes to.
func occupy(t *testing.T, r *Ring, n int) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Error(err)
		return
	}
	name := append([]byte(path), 0)
	for range n {
		s, err := r.NextSQE()
		if err != nil {
			t.Error(err)
			return
		}
		s.prep(cgo.OpOpenat, -100, address(name), 0, 0)
		if err := s.SetFlags(Async); err != nil {
			t.Error(err)
		}
	}
	if _, err := r.Submit(); err != nil { // and the path is copied
		t.Error(err)
	}
	runtime.KeepAlive(name)
}

// amongOwnWorkers is onOwner in a process of its own, where no other test's
// workers are.
func amongOwnWorkers(t *testing.T, f func(*Ring)) {
	t.Helper()
	if testutil.Confined(t, func() error { return nil }) {
		onOwner(t, Config{Entries: 64}, f)
	}
}

func TestWorkersRunOnChosenCPUs(t *testing.T) {
	amongOwnWorkers(t, func(r *Ring) {
		if err := r.RegisterIOWQAff(0); err != nil {
			t.Error(err)
			return
		}
		before := workers(t)
		occupy(t, r, len(before)+1)
		started := map[string]string{}
		for deadline := time.Now().Add(5 * time.Second); len(started) == 0 && time.Now().Before(deadline); {
			for file, list := range workers(t) {
				if _, old := before[file]; !old {
					started[file] = list
				}
			}
		}
		if len(started) == 0 {
			t.Error("no worker started")
		}
		for file, list := range started {
			equal(t, file, list, "0")
		}
		equal(t, "error of UnregisterIOWQAff", r.UnregisterIOWQAff(), nil)
		wantError(t, r.RegisterIOWQAff(), "UnregisterIOWQAff allows all")
		for _, cpu := range []int{-1, maxCPU, maxCPU + 1, 1 << 20} {
			wantError(t, r.RegisterIOWQAff(0, cpu), fmt.Sprint("no CPU ", cpu))
		}
	})
}

func TestWorkersAreLimited(t *testing.T) {
	amongOwnWorkers(t, func(r *Ring) {
		b0, u0, err := r.RegisterIOWQMaxWorkers(2, 3)
		equal(t, "error", err, nil)
		if b0 < 1 || u0 < 1 {
			t.Errorf("limits at first are %d and %d", b0, u0)
		}
		b, u, err := r.RegisterIOWQMaxWorkers(0, 0)
		equal(t, "error of asking", err, nil)
		equal(t, "bounded", b, 2)
		equal(t, "unbounded", u, 3)

		before := len(workers(t))
		occupy(t, r, 16)
		for deadline := time.Now().Add(patience); len(workers(t)) == 0 && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(50 * time.Millisecond) // for more to start than may
		// Those before may be unbounded ones, which do not count.
		if n := len(workers(t)); n < 1 || n > before+2 {
			t.Errorf("%d workers, after %d", n, before)
		}
		// The limits belong to the thread, which may come to other tests.
		_, _, err = r.RegisterIOWQMaxWorkers(b0, u0)
		equal(t, "error of lifting the limits", err, nil)
		_, _, err = r.RegisterIOWQMaxWorkers(-1, 0)
		wantError(t, err, "-1 and 0 workers")
	})
}
