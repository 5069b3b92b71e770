package uring

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

// confined runs the calling test once more, in a process of its own that first
// gives up what confine takes from it. There it returns true; in the process
// that called it false, after the other has passed.
func confined(t *testing.T, confine func() error) bool {
	t.Helper()
	if isConfined(t) {
		if err := confine(); err != nil {
			t.Fatalf("confine the process: %v", err)
		}
		return true
	}
	pattern := "^" + strings.ReplaceAll(t.Name(), "/", "$/^") + "$"
	cmd := exec.Command("/proc/self/exe", "-test.run="+pattern, "-test.v", "-test.timeout=2m")
	cmd.Env = append(os.Environ(), confinedTest+"="+t.Name())
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()+" ") {
		t.Fatalf("in a process of its own: %v\n%s", err, out)
	}
	return false
}

const confinedTest = "URING_TEST_CONFINED"

// isConfined says whether this is the process in which confined returns true.
func isConfined(t *testing.T) bool { return os.Getenv(confinedTest) == t.Name() }

// asNobody gives up all rights of the superuser: nothing to do if the tests
// run without them.
func asNobody() error {
	const nobody = 65534
	if os.Geteuid() != 0 {
		return nil
	}
	if err := syscall.Setgroups(nil); err != nil {
		return err
	}
	if err := syscall.Setresgid(nobody, nobody, nobody); err != nil {
		return err
	}
	if err := syscall.Setresuid(nobody, nobody, nobody); err != nil {
		return err
	}
	// Such a process cannot read about itself in /proc unless it asks for it.
	return prctl(syscall.PR_SET_DUMPABLE, 1, 0)
}

const rlimitMemlock = 8

// lockAtMost limits the memory that the process may lock. It may raise the
// limit again, up to 8 MiB, the usual one.
func lockAtMost(bytes uint64) error {
	return syscall.Setrlimit(rlimitMemlock, &syscall.Rlimit{Cur: bytes, Max: 8 << 20})
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
