//go:build linux

package uring

import (
	"net/netip"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/uring-go/uring/internal/testutil"
)

// A test that blocks in a system call would say nothing until the whole run is
// killed. These wait for what must come, for as long as tests do, and then name
// the place.

// writeAll writes p to a socket, or to what has room for it. An empty p is an
// empty datagram.
func writeAll(tb testing.TB, fd int, p []byte) {
	tb.Helper()
	for n, first := 0, true; first || n < len(p); first = false {
		n += patientCall(tb, "write", func() (int, error) {
			k, err := syscall.SendmsgN(fd, p[n:], nil, nil, syscall.MSG_DONTWAIT)
			if err == syscall.ENOTSOCK {
				return syscall.Write(fd, p[n:])
			}
			return k, err
		})
	}
}

// readSome reads what there is from a socket, or from what has something; 0 is
// the end.
func readSome(tb testing.TB, fd int, p []byte) int {
	tb.Helper()
	return patientCall(tb, "read", func() (int, error) {
		n, _, err := syscall.Recvfrom(fd, p, syscall.MSG_DONTWAIT)
		if err == syscall.ENOTSOCK {
			return syscall.Read(fd, p)
		}
		return n, err
	})
}

// readFull reads n bytes.
func readFull(tb testing.TB, fd, n int) []byte {
	tb.Helper()
	p := make([]byte, n)
	for got := 0; got < n; {
		k := readSome(tb, fd, p[got:])
		if k == 0 {
			tb.Fatalf("the stream ends after %d of %d bytes", got, n)
		}
		got += k
	}
	return p
}

func patientCall(tb testing.TB, what string, call func() (int, error)) int {
	tb.Helper()
	for deadline := time.Now().Add(patience); ; {
		n, err := call()
		switch {
		case err == nil:
			return n
		case err == syscall.EINTR:
		case err != syscall.EAGAIN:
			tb.Fatalf("%s: %v", what, err)
		case time.Now().After(deadline):
			tb.Fatalf("%s: nothing came, or no room, in %v", what, patience)
		default:
			time.Sleep(100 * time.Microsecond)
		}
	}
}

func dupFD(t testing.TB, fd int) int {
	t.Helper()
	d, err := syscall.Dup(fd)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func shutdown(t *testing.T, fd int) {
	t.Helper()
	if err := syscall.Shutdown(fd, syscall.SHUT_WR); err != nil {
		t.Error(err)
	}
}

// reset sends a reset on a TCP connection: connecting to nowhere does.
func reset(fd int) error {
	var nowhere syscall.RawSockaddr // AF_UNSPEC
	_, _, errno := syscall.Syscall(syscall.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&nowhere)), unsafe.Sizeof(nowhere))
	if errno != 0 {
		return errno
	}
	return nil
}

// listen returns a listening socket bound to addr, which is closed when the
// test ends.
func listen(t *testing.T, domain int, addr syscall.Sockaddr) int {
	t.Helper()
	fd := boundSocket(t, domain, syscall.SOCK_STREAM, addr)
	if err := syscall.Listen(fd, 16); err != nil {
		t.Fatal(err)
	}
	return fd
}

func boundSocket(t *testing.T, domain, typ int, addr syscall.Sockaddr) int {
	t.Helper()
	fd := newSocket(t, domain, typ)
	if err := syscall.Bind(fd, addr); err != nil {
		t.Fatal(err)
	}
	return fd
}

func newSocket(t *testing.T, domain, typ int) int {
	t.Helper()
	fd, err := syscall.Socket(domain, typ|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	return fd
}

var loopback4 = &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}

// localAddr returns the address that a socket is bound to.
func localAddr(t *testing.T, fd int) netip.AddrPort {
	t.Helper()
	sa, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	switch sa := sa.(type) {
	case *syscall.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *syscall.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port))
	}
	t.Fatalf("address %#v", sa)
	return netip.AddrPort{}
}

// dial connects a new socket to a listening one, in the background of a ring's
// accept.
func dial(t *testing.T, listener int) int {
	t.Helper()
	sa, err := syscall.Getsockname(listener)
	if err != nil {
		t.Fatal(err)
	}
	fd := newSocket(t, syscall.AF_INET, syscall.SOCK_STREAM)
	if err := syscall.Connect(fd, sa); err != nil {
		t.Fatal(err)
	}
	return fd
}

// owned closes a descriptor that a request made when the test ends.
func (g *rig) owned(fd int) int {
	g.Helper()
	g.Cleanup(func() {
		if err := syscall.Close(fd); err != nil {
			g.Error(err)
		}
	})
	return fd
}

// unread returns how many bytes there are to read from fd; unacked and unsent
// how many its TCP connection has not seen acknowledged, and has not sent.
func unread(tb testing.TB, fd int) int { tb.Helper(); return ioctlInt(tb, fd, 0x541b) } // FIONREAD

// arrived waits until n bytes can be read: a busy machine takes a moment to carry
// them over.
func arrived(tb testing.TB, fd, n int) {
	tb.Helper()
	for deadline := time.Now().Add(patience); unread(tb, fd) < n; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatalf("%d bytes of %d have come", unread(tb, fd), n)
		}
	}
}

func unacked(tb testing.TB, fd int) int { tb.Helper(); return ioctlInt(tb, fd, 0x5411) } // SIOCOUTQ

func unsent(tb testing.TB, fd int) int { tb.Helper(); return ioctlInt(tb, fd, 0x894b) } // SIOCOUTQNSD

func ioctlInt(tb testing.TB, fd int, request uintptr) int {
	tb.Helper()
	n := int32(0)
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), request, uintptr(unsafe.Pointer(&n))); errno != 0 {
		tb.Fatal(errno)
	}
	return int(n)
}

func listenOn(t *testing.T, at *syscall.SockaddrInet4) int {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Bind(fd, at); err != nil {
		t.Fatalf("%v: %v", at, err)
	}
	if err := syscall.Listen(fd, 8); err != nil {
		t.Fatalf("%v: %v", at, err)
	}
	return fd
}

func portOf(t *testing.T, fd int) int {
	t.Helper()
	a, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return a.(*syscall.SockaddrInet4).Port
}

// streamPair returns a connected pair of UNIX stream sockets.
func streamPair(tb testing.TB) (in, out int) {
	tb.Helper()
	return testutil.UnixPair(tb, syscall.SOCK_STREAM)
}

// loopback is a port on the loopback interface.
func (g *rig) loopback(port uint16) Sockaddr {
	g.Helper()
	a, err := InetAddr(netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port))
	g.must(err)
	return a
}

// name returns the socket's own port, as the system call tells it.
func (g *rig) port(fd FD) uint16 {
	g.Helper()
	sa, err := syscall.Getsockname(int(fd))
	g.must(err)
	return uint16(sa.(*syscall.SockaddrInet4).Port)
}

// socket opens a socket, until the test ends.
func (g *rig) socket(typ int) FD {
	g.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, typ|syscall.SOCK_CLOEXEC, 0)
	g.must(err)
	g.Cleanup(func() { syscall.Close(fd) })
	return FD(fd)
}
