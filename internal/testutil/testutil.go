// Package testutil is what the tests of this module share.
package testutil

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/uring-go/uring/internal/feature"
	"github.com/uring-go/uring/internal/kernel"
	"github.com/uring-go/uring/internal/live"
)

// Need skips the test if the running kernel lacks what check asks for, or if
// that is switched off. It fails the test if check gives no answer, or if the
// kernel is new enough to have the feature: then the probe is wrong.
func Need(tb testing.TB, check func() error) {
	tb.Helper()
	err := check()
	if err == nil {
		return
	}
	var missing *feature.MissingError
	if !errors.As(err, &missing) {
		tb.Fatalf("probe gave no answer: %v", err)
	}
	if !errors.Is(err, feature.ErrSwitchedOff) {
		if running, verr := kernel.Running(); verr == nil && missing.Expected(running) {
			tb.Fatalf("running Linux %v, yet: %v", running, err)
		}
	}
	tb.Skip(err)
}

// Main runs the tests and fails if they leave anything open.
func Main(m *testing.M) {
	live.Trace()
	before := openFiles()
	code := m.Run()
	if left := live.Report(); left != "" {
		fmt.Fprintln(os.Stderr, left)
		code = 1
	}
	if after := filesLeft(len(before)); code == 0 && len(after) > len(before) {
		fmt.Fprintf(os.Stderr, "descriptors open before the tests: %v\nand after: %v\n", before, after)
		code = 1
	}
	os.Exit(code)
}

// filesLeft returns openFiles as soon as no more than want are open, or nothing
// changes any more: the standard library leaves some to the collector, such as
// the pipes that io.Copy splices through.
func filesLeft(want int) []string {
	open := openFiles()
	for i := 0; i < 20 && len(open) > want; i++ {
		runtime.GC()
		time.Sleep(10 * time.Millisecond)
		open = openFiles()
	}
	return open
}

// openFiles lists the process's descriptors, leaving out those that the Go
// runtime opens for its poller on first use.
func openFiles() []string {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return nil
	}
	var open []string
	for _, e := range entries {
		target, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err == nil && target != "anon_inode:[eventpoll]" && target != "anon_inode:[eventfd]" {
			open = append(open, e.Name()+" "+target)
		}
	}
	return open
}

// UnixPair returns a connected pair of UNIX sockets of the given type, such as
// syscall.SOCK_STREAM. They are closed when the test ends.
func UnixPair(tb testing.TB, typ int) (a, b int) {
	tb.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, typ, 0)
	if err != nil {
		tb.Fatal(err)
	}
	syscall.CloseOnExec(fds[0])
	syscall.CloseOnExec(fds[1])
	tb.Cleanup(func() { syscall.Close(fds[0]); syscall.Close(fds[1]) })
	return fds[0], fds[1]
}

// Listen returns a listener on loopback. It is closed when the test ends.
func Listen(tb testing.TB) *net.TCPListener {
	tb.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { l.Close() })
	return l.(*net.TCPListener)
}

// TCPPair returns both ends of a TCP connection on loopback, with Nagle's
// algorithm off. They are closed when the test ends.
func TCPPair(tb testing.TB) (client, server int) {
	tb.Helper()
	l := Listen(tb)
	defer l.Close()
	c, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	defer c.Close()
	s, err := l.Accept()
	if err != nil {
		tb.Fatal(err)
	}
	defer s.Close()
	return dup(tb, c.(*net.TCPConn)), dup(tb, s.(*net.TCPConn))
}

// ReceiveMuch lets the connections to l hold megabytes that nobody has received
// yet, as far as the process may.
func ReceiveMuch(tb testing.TB, l *net.TCPListener) {
	tb.Helper()
	control, err := l.SyscallConn()
	if err != nil {
		tb.Fatal(err)
	}
	const rcvbufForce = 33 // SO_RCVBUFFORCE, for root
	err = control.Control(func(fd uintptr) {
		for _, option := range []int{syscall.SO_RCVBUF, rcvbufForce} {
			_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, option, 16<<20)
		}
	})
	if err != nil {
		tb.Fatal(err)
	}
}

// ResetBehindData connects to l, on which nobody accepts yet. It sends as much
// as there is room for, up to megabytes, and resets the connection: whoever
// accepts it finds the data and the reset.
func ResetBehindData(tb testing.TB, l *net.TCPListener) {
	tb.Helper()
	ReceiveMuch(tb, l)
	c, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	_ = c.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
	_, _ = c.Write(make([]byte, 32<<20))
	if err := errors.Join(c.(*net.TCPConn).SetLinger(0), c.Close()); err != nil {
		tb.Fatal(err)
	}
}

// WaitSockets waits until the process has no more than n sockets.
func WaitSockets(tb testing.TB, n int) {
	tb.Helper()
	for range 500 {
		if Sockets() <= n {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	tb.Errorf("%d sockets are open, want %d", Sockets(), n)
}

// Sockets counts the process's sockets.
func Sockets() (n int) {
	for _, file := range openFiles() {
		if strings.Contains(file, " socket:") {
			n++
		}
	}
	return n
}

// UDPPair returns two UDP sockets on loopback, connected to each other. They
// are closed when the test ends.
func UDPPair(tb testing.TB) (a, b int) {
	tb.Helper()
	fds := [2]int{}
	var addrs [2]syscall.Sockaddr
	for i := range fds {
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
		if err != nil {
			tb.Fatal(err)
		}
		syscall.CloseOnExec(fd)
		tb.Cleanup(func() { syscall.Close(fd) })
		if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
			tb.Fatal(err)
		}
		fds[i] = fd
		if addrs[i], err = syscall.Getsockname(fd); err != nil {
			tb.Fatal(err)
		}
	}
	for i, fd := range fds {
		if err := syscall.Connect(fd, addrs[1-i]); err != nil {
			tb.Fatal(err)
		}
	}
	return fds[0], fds[1]
}

// dup returns a blocking duplicate of the connection's descriptor.
func dup(tb testing.TB, c *net.TCPConn) int {
	tb.Helper()
	f, err := c.File()
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	fd, err := syscall.Dup(int(f.Fd()))
	if err != nil {
		tb.Fatal(err)
	}
	syscall.CloseOnExec(fd)
	if err := syscall.SetNonblock(fd, false); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { syscall.Close(fd) })
	return fd
}
