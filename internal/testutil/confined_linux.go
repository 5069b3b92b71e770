package testutil

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// Confined runs the calling test once more, in a process of its own, in which
// confine first takes rights away. There it returns true. In the calling
// process it returns false, after the other one has passed.
func Confined(t *testing.T, confine func() error) bool {
	t.Helper()
	if IsConfined(t) {
		if err := confine(); err != nil {
			t.Fatalf("confine the process: %v", err)
		}
		return true
	}
	pattern := "^" + strings.ReplaceAll(t.Name(), "/", "$/^") + "$"
	cmd := exec.Command("/proc/self/exe", "-test.run="+pattern, "-test.v", "-test.timeout=2m", "-test.short="+strconv.FormatBool(testing.Short()))
	cmd.Env = append(os.Environ(), confinedTest+"="+t.Name())
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()+" ") {
		t.Fatalf("in a process of its own: %v\n%s", err, out)
	}
	return false
}

const confinedTest = "URING_TEST_CONFINED"

// IsConfined reports whether this is the process in which Confined returns true.
func IsConfined(t *testing.T) bool { return os.Getenv(confinedTest) == t.Name() }

// AsNobody gives up all rights of the superuser, if the tests have them. The
// process becomes a user that no other process has, because the kernel counts
// locked memory for each user.
func AsNobody() error {
	if os.Geteuid() != 0 {
		return nil
	}
	nobody := 1<<15 + os.Getpid()%30_000 // in the range that containers have
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
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_SET_DUMPABLE, 1, 0); errno != 0 {
		return errno
	}
	return nil
}

// LockAtMost limits the memory that the process may lock. It may raise the
// limit again, up to 8 MiB, the usual one.
func LockAtMost(bytes uint64) error {
	const rlimitMemlock = 8
	return syscall.Setrlimit(rlimitMemlock, &syscall.Rlimit{Cur: bytes, Max: 8 << 20})
}
