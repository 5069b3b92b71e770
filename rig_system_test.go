//go:build linux

package uring

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/uring-go/uring/cgo"
)

// mappings counts the mappings of the process.
func mappings(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, c := range b {
		if c == '\n' {
			n++
		}
	}
	return n
}

// openFDs returns the descriptors that are open, each with what it is of.
func openFDs(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	var fds []string
	for _, e := range entries {
		if target, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil {
			fds = append(fds, e.Name()+" "+target)
		}
	}
	return fds
}

// pageCache returns a file in memory and its size: as much as is written in a
// fifth of a second, as an emulated machine takes long to copy it.
func pageCache(t *testing.T) (f *os.File, size int) {
	t.Helper()
	f, err := os.CreateTemp("/dev/shm", "uring")
	if err != nil {
		t.Skip("no memory to keep a file in: ", err)
	}
	t.Cleanup(func() {
		f.Close()
		os.Remove(f.Name())
	})
	part := bytes.Repeat([]byte{0x11}, 2<<20)
	for start := time.Now(); size < 64<<20 && (size == 0 || time.Since(start) < 200*time.Millisecond); size += len(part) {
		if _, err := f.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	return f, size
}

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

// signalEvery sends the calling thread a signal again and again.
func signalEvery(t *testing.T, d time.Duration, sig syscall.Signal) (stop func()) {
	t.Helper()
	pid, tid := syscall.Getpid(), syscall.Gettid()
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-quit:
				return
			case <-time.After(d):
				if _, _, errno := syscall.RawSyscall(syscall.SYS_TGKILL, uintptr(pid), uintptr(tid), uintptr(sig)); errno != 0 {
					t.Error(errno)
				}
			}
		}
	}()
	return func() { close(quit); <-done }
}

func newEventFD(t testing.TB) int {
	t.Helper()
	fd := cgo.EventFD()
	if fd < 0 {
		t.Fatal(syscall.Errno(-fd))
	}
	t.Cleanup(func() { syscall.Close(fd) })
	return fd
}

// signals returns how often the eventfd was signalled since it was last asked.
func signals(t testing.TB, fd int) uint64 {
	t.Helper()
	var p [8]byte
	if _, err := syscall.Read(fd, p[:]); err == syscall.EAGAIN {
		return 0
	} else if err != nil {
		t.Fatal(err)
	}
	return binary.NativeEndian.Uint64(p[:])
}

// waitSignal waits until the eventfd is signalled.
func waitSignal(t testing.TB, fd int) {
	t.Helper()
	for deadline := time.Now().Add(patience); signals(t, fd) == 0; {
		if time.Now().After(deadline) {
			t.Fatal("no signal")
		}
	}
}

// readClock returns what a clock of the kernel says.
func readClock(tb testing.TB, clock int) time.Duration {
	tb.Helper()
	var ts syscall.Timespec
	if _, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, uintptr(clock), uintptr(unsafe.Pointer(&ts)), 0); errno != 0 {
		tb.Fatal(errno)
	}
	return time.Duration(ts.Nano())
}

// refusing makes system calls fail with errno, as a seccomp profile does, on
// the calling thread.
func refusing(errno syscall.Errno, calls ...uint32) error {
	const (
		setNoNewPrivs, setSeccomp, filter = 38, 22, 2

		load, jumpIfEqual, ret = 0x20, 0x15, 0x06
		fail, allow            = 0x00050000, 0x7fff0000
	)
	program := []syscall.SockFilter{{Code: load}} // the number of the call
	for i, nr := range calls {
		program = append(program, syscall.SockFilter{Code: jumpIfEqual, K: nr, Jt: uint8(len(calls) - i)})
	}
	program = append(program,
		syscall.SockFilter{Code: ret, K: allow},
		syscall.SockFilter{Code: ret, K: fail | uint32(errno)})
	prog := syscall.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	return errors.Join(
		prctl(setNoNewPrivs, 1, 0),
		prctl(setSeccomp, filter, uintptr(unsafe.Pointer(&prog))))
}

func prctl(option, a, b uintptr) error {
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_PRCTL, option, a, b, 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}
