package testutil

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// A Right is something that a few tests need and that a system, a container or
// a user may lack. docs/containers.md lists them.
type Right struct {
	Name  string
	Grant string // how to get it
}

// The rights that tests may lack.
var (
	LockedMemory = Right{"locked memory", "raise RLIMIT_MEMLOCK, or give CAP_IPC_LOCK"}
	OtherUsers   = Right{"other users", "be root, with CAP_SETUID and CAP_SETGID"}
	LoopDevices  = Right{"loop devices", "be root, with CAP_SYS_ADMIN and the host's /dev"}
	Tracing      = Right{"tracing", "allow ptrace, or give CAP_SYS_PTRACE"}
	IPv6         = Right{"IPv6", "set net.ipv6.conf.all.disable_ipv6 to 0"}
	GoCommand    = Right{"the go command", "install Go"}
	CExamples    = Right{"the C examples", "install gcc, and run make liburing"}
)

// Lacks skips the test, in words that docker/run-tests counts.
func Lacks(tb testing.TB, r Right, why any) {
	tb.Helper()
	tb.Skipf("lacks %s: %v (%s)", r.Name, why, r.Grant)
}

// NeedLockedMemory skips the test where it may not lock that many bytes.
func NeedLockedMemory(tb testing.TB, bytes uint64) {
	tb.Helper()
	const rlimitMemlock = 8
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(rlimitMemlock, &limit); err != nil {
		tb.Fatal(err)
	}
	const ipcLock = 14
	if uint64(limit.Cur) < bytes && !hasCapability(tb, ipcLock) {
		Lacks(tb, LockedMemory, "RLIMIT_MEMLOCK is "+fmt.Sprint(limit.Cur))
	}
}

// NeedOtherUsers skips the test where the process may not become another user.
func NeedOtherUsers(tb testing.TB) {
	tb.Helper()
	const setgid, setuid = 6, 7
	if os.Geteuid() != 0 || !hasCapability(tb, setuid) || !hasCapability(tb, setgid) {
		Lacks(tb, OtherUsers, "user "+strconv.Itoa(os.Geteuid()))
	}
}

// NeedIPv6 skips the test where the loopback interface has no IPv6 address.
func NeedIPv6(tb testing.TB) {
	tb.Helper()
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		Lacks(tb, IPv6, err)
	}
	l.Close()
}

// NeedGo skips the test where the go command is not installed.
func NeedGo(tb testing.TB) {
	tb.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		Lacks(tb, GoCommand, err)
	}
}

// hasCapability reports whether the process has the capability with that number.
func hasCapability(tb testing.TB, number int) bool {
	tb.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		tb.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "\nCapEff:\t")
	line, _, _ := strings.Cut(rest, "\n")
	set, err := strconv.ParseUint(line, 16, 64)
	if err != nil {
		tb.Fatal(err)
	}
	return set&(1<<number) != 0
}
