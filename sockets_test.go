package uring

import (
	"syscall"
	"testing"
	"time"
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
