//go:build linux

package file

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/uring-go/uring"
	"github.com/uring-go/uring/internal/testutil"
)

// Where io_uring is forbidden, as in most containers, everything works and Stats
// says why it goes the other way.
func TestWithoutIOUring(t *testing.T) {
	needRing(t)
	if !testutil.Confined(t, forbidIOUring) {
		return
	}
	if _, err := uring.New(uring.Config{}); !errors.Is(err, syscall.EPERM) {
		t.Fatalf("a ring: %v", err)
	}
	e, err := New(Config{})
	must(t, err)
	runModel(t, e, t.TempDir(), 200)
	name, _ := written(t, 1)
	f := opened(t, e, name, os.O_RDONLY)
	_, err = f.ReadAt(make([]byte, 1), 0)
	must(t, err)
	asked := f.nowait.Load() != cannot // file systems such as tmpfs do not tell
	s := e.Stats()
	if s.Ring || !errors.Is(s.Why, syscall.EPERM) || !strings.Contains(s.String(), "seccomp") || s.Plain == 0 || asked != (s.Inline > 0) {
		t.Errorf("asked whether reads wait: %v; %+v", asked, s)
	}
	must(t, e.Close())
}

// needRing skips a test of what is without io_uring where it is not there
// anyway.
func needRing(t *testing.T) {
	t.Helper()
	if testutil.IsConfined(t) {
		return
	}
	r, err := uring.New(uring.Config{})
	if err != nil {
		t.Skip(err)
	}
	must(t, r.Close())
}

// A filter that is installed later makes the ring useless: requests go on
// without it.
func TestIOUringForbiddenLater(t *testing.T) {
	needRing(t)
	if !testutil.Confined(t, func() error { return nil }) {
		return
	}
	e, err := New(Config{ringOnly: true})
	must(t, err)
	name, want := written(t, 100_000)
	f, err := e.Open(name)
	must(t, err)
	p := make([]byte, len(want))
	for i := range 3 {
		n, err := f.ReadAt(p, 0)
		if n != len(want) || string(p) != string(want) || err != nil {
			t.Errorf("read %d: %d, %v", i, n, err)
		}
		if err := f.ReadBatch([]Part{{Buf: p[:10]}, {Buf: p[10:20], Off: 10}}); err != nil {
			t.Errorf("batch %d: %v", i, err)
		}
		b, err := f.ReadBuf(t.Context(), 100, 0)
		must(t, err)
		b.Release()
		must(t, f.Advise(Random, 0, 0))
		if i == 0 {
			must(t, forbidIOUring())
		}
	}
	if s := e.Stats(); s.Ring || !errors.Is(s.Why, syscall.EPERM) {
		t.Errorf("%+v", s)
	}
	must(t, f.Close())
	must(t, e.Close())
}

// forbidIOUring makes the three system calls fail with EPERM, for all threads.
func forbidIOUring() error {
	const (
		load, jumpIfEqual, ret = 0x20, 0x15, 0x06
		fail, allow            = 0x00050000, 0x7fff0000

		setNoNewPrivs, filter, allThreads = 38, 1, 1
		setup, register                   = 425, 427 // io_uring_enter is between
	)
	var program []syscall.SockFilter
	program = append(program, syscall.SockFilter{Code: load})
	for nr := uint32(setup); nr <= register; nr++ {
		program = append(program, syscall.SockFilter{Code: jumpIfEqual, K: nr, Jt: uint8(register - nr + 1)})
	}
	program = append(program, syscall.SockFilter{Code: ret, K: allow}, syscall.SockFilter{Code: ret, K: fail | uint32(syscall.EPERM)})
	prog := syscall.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	seccomp := map[string]uintptr{"amd64": 317, "arm64": 277}[runtime.GOARCH]
	// The flag of one thread is enough: the call gives it to the others.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_PRCTL, setNoNewPrivs, 1, 0, 0, 0, 0); errno != 0 {
		return errno
	}
	if r, _, errno := syscall.RawSyscall(seccomp, filter, allThreads, uintptr(unsafe.Pointer(&prog))); errno != 0 || r != 0 {
		return errors.Join(errors.New("seccomp"), errno)
	}
	return nil
}

// The functions of the package use an engine that starts by itself.
func TestDefaultEngine(t *testing.T) {
	if !testutil.Confined(t, func() error { return nil }) {
		return
	}
	if n := runtime.NumGoroutine(); n > 4 {
		t.Errorf("%d goroutines before the first use", n)
	}
	dir := t.TempDir()
	name := filepath.Join(dir, "a", "b")
	must(t, MkdirAll(filepath.Dir(name), 0o755))
	must(t, Mkdir(filepath.Join(dir, "c"), 0o755))
	must(t, WriteFile(name, []byte("hello"), 0o600))
	must(t, Rename(name, name+"2"))
	data, err := ReadFile(name + "2")
	if string(data) != "hello" {
		t.Errorf("%q, %v", data, err)
	}
	i, err := Stat(name + "2")
	must(t, err)
	j, err := Lstat(name + "2")
	must(t, err)
	k, err := os.Stat(name + "2")
	must(t, err)
	if !SameFile(i, j) || !SameFile(i, k) || i.Size() != 5 || i.Name() != "b2" {
		t.Errorf("%v, %v", i, j)
	}
	f, err := Create(name)
	must(t, err)
	must(t, f.Close())
	f, err = Open(name)
	must(t, err)
	must(t, f.Close())
	f, err = OpenFile(name, os.O_RDWR, 0)
	must(t, err)
	must(t, f.Close())
	r, err := os.Open(name)
	must(t, err)
	f, err = Wrap(r)
	must(t, err)
	if f.Name() != name || f.Fd() != r.Fd() {
		t.Error("Wrap")
	}
	must(t, f.Close())
	list, err := ReadDir(dir)
	if len(list) != 2 {
		t.Errorf("%v, %v", list, err)
	}
	if _, err := FS(dir).Open("a/b2"); err != nil {
		t.Error(err)
	}
	must(t, Remove(name))
	must(t, Default().Close())
}

func TestConfigThatMakesNoSense(t *testing.T) {
	for _, c := range []Config{{Depth: -1}, {Workers: -1}, {Threads: -1}, {Rings: -1}, {Memory: -1}} {
		if e, err := New(c); err == nil {
			t.Errorf("%+v is accepted", c)
			e.Close()
		}
	}
}

// There are two rings unless that leaves each too little of the depth.
func TestRingsOfAnEngine(t *testing.T) {
	needRing(t)
	usual := min(runtime.GOMAXPROCS(0), 2)
	for _, c := range []struct {
		config Config
		rings  int
	}{
		{Config{}, usual},
		{Config{Depth: 64}, usual},
		{Config{Depth: 63}, 1},
		{Config{Rings: 3}, 3},
	} {
		if e := start(t, c.config); len(e.cores) != c.rings {
			t.Errorf("%+v opens %d rings, want %d", c.config, len(e.cores), c.rings)
		}
	}
}

// Pipes and the like are for os, which has the poller wait for them.
func TestStreams(t *testing.T) {
	e := start(t, Config{})
	name := filepath.Join(t.TempDir(), "fifo")
	must(t, syscall.Mkfifo(name, 0o600))
	f := opened(t, e, name, os.O_RDWR)
	got := make(chan string)
	go func() {
		p := make([]byte, 10)
		n, err := f.Read(p)
		if err != nil {
			t.Error(err)
		}
		got <- string(p[:n])
	}()
	if _, err := f.Write([]byte("hello")); err != nil {
		t.Error(err)
	}
	if s := <-got; s != "hello" {
		t.Errorf("%q", s)
	}
	null := opened(t, e, "/dev/null", os.O_RDWR)
	if n, err := null.WriteString("x"); n != 1 || err != nil {
		t.Error(n, err)
	}
	if data, err := e.ReadFile("/proc/self/stat"); err != nil || len(data) < 20 {
		t.Errorf("/proc/self/stat: %q, %v", data, err)
	}
}
