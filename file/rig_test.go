package file

import (
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/uring-go/uring"
	"github.com/uring-go/uring/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m) }

// engines are the ways to work that every test is about.
var engines = []struct {
	name   string
	config Config
}{
	{"default", Config{}},
	{"small", Config{Depth: 2, Workers: 2, Threads: 2, Memory: 1 << 20}},
	{"rings", Config{Rings: 3}},
	{"ring only", Config{ringOnly: true}},
	{"small ring only", Config{ringOnly: true, Depth: 1, Workers: 1, Threads: 1}},
	{"no ring", Config{NoRing: true}},
}

// eachEngine runs a test with each.
func eachEngine(t *testing.T, test func(t *testing.T, e *Engine)) {
	for _, c := range engines {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel() // they mostly wait for the disk
			test(t, start(t, c.config))
		})
	}
}

func start(tb testing.TB, c Config) *Engine {
	tb.Helper()
	e, err := New(c)
	if err != nil {
		tb.Fatal(err)
	}
	if s := e.Stats(); s.Ring == c.NoRing {
		_, rerr := uring.New(uring.Config{}) // it says why not
		if rerr == nil || c.NoRing {
			tb.Fatalf("ring: %v (%v)", s.Ring, s.Why)
		}
		if c.ringOnly {
			tb.Skip(rerr)
		}
		// Without a ring everything else works all the same.
	}
	tb.Cleanup(func() {
		if err := e.Close(); err != nil {
			tb.Errorf("Close: %v", err)
		}
		s := e.Stats()
		if s.Running != 0 || s.Queued != 0 || s.Threads != 0 || s.Waiting != 0 || s.Lent != 0 {
			tb.Errorf("left: %+v", s)
		}
	})
	return e
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// random returns n bytes.
func random(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(rand.Uint32())
	}
	return p
}

// written makes a file with random bytes.
func written(tb testing.TB, n int) (name string, data []byte) {
	tb.Helper()
	name, data = filepath.Join(tb.TempDir(), "f"), random(n)
	must(tb, os.WriteFile(name, data, 0o600))
	return name, data
}

func opened(tb testing.TB, e *Engine, name string, flag int) *File {
	tb.Helper()
	f, err := e.OpenFile(name, flag, 0o600)
	must(tb, err)
	tb.Cleanup(func() {
		if err := f.Close(); err != nil && !errors.Is(err, fs.ErrClosed) {
			tb.Error(err)
		}
	})
	return f
}

// same reports whether an error is the one that package os has.
func same(got, want error) bool {
	if (got == nil) != (want == nil) {
		return false
	}
	if got == nil || got == io.EOF || want == io.EOF {
		return got == want
	}
	var g, w syscall.Errno
	if errors.As(got, &g) != errors.As(want, &w) || g != w {
		return false
	}
	if g == 0 {
		return true // errors that never reached the kernel
	}
	var gp, wp *fs.PathError
	if errors.As(got, &gp) != errors.As(want, &wp) {
		return false
	}
	return gp == nil || gp.Op == wp.Op
}

func wait(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	for end := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatalf("never: %s", what)
		}
	}
}
