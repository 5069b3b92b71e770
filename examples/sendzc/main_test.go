package main

import (
	"fmt"
	"io"
	"net"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/uring-go/uring"
	"github.com/uring-go/uring/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m) }

// letters counts what comes, which must be the alphabet, again and again.
type letters struct {
	n    int64
	next int
}

func (l *letters) Write(p []byte) (int, error) {
	for i, b := range p {
		if b != alphabet[l.next] {
			return i, fmt.Errorf("byte %d is %q, want %q", l.n, b, alphabet[l.next])
		}
		l.next = (l.next + 1) % len(alphabet)
		l.n++
	}
	return len(p), nil
}

// readLetters accepts one connection and reads it to its end.
func readLetters(t *testing.T) (addr string, received func() int64) {
	t.Helper()
	l := testutil.Listen(t)
	var got letters
	ended := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			defer c.Close()
			_, err = io.Copy(&got, c)
		}
		ended <- err
	}()
	return l.Addr().String(), func() int64 {
		t.Helper()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		return got.n
	}
}

func TestStreamIsTheAlphabet(t *testing.T) {
	testutil.Need(t, uring.HaveSendZC)
	addr, received := readLetters(t)
	n, err := options{network: "tcp", to: addr, size: 5000, batch: 1, conns: 1, limit: 50 * time.Millisecond}.run()
	if err != nil {
		t.Fatal(err)
	}
	if got := received(); got != n.bytes || n.bytes != 5000*n.sends || got == 0 {
		t.Errorf("%d bytes came, of %d in %d sends", got, n.bytes, n.sends)
	}
}

// A receiver that reads too late gets what was counted, and no more: the rest is
// given up.
func TestReceiverThatReadsTooLate(t *testing.T) {
	testutil.Need(t, uring.HaveSendZC)
	l := testutil.Listen(t)
	received := make(chan int64, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			close(received)
			return
		}
		defer c.Close()
		time.Sleep(2 * grace)
		got, _ := io.Copy(io.Discard, c)
		received <- got
	}()
	// More than the sockets hold at most.
	n, err := options{network: "tcp", to: l.Addr().String(), size: 64 << 20, batch: 1, conns: 1, limit: time.Millisecond}.run()
	if err != nil {
		t.Fatal(err)
	}
	if got := <-received; got != n.bytes || got == 0 || n.sends != 1 {
		t.Errorf("%d bytes came, %+v were counted", got, n)
	}
}

func TestReceiverThatLeaves(t *testing.T) {
	testutil.Need(t, uring.HaveSendZC)
	l := testutil.Listen(t)
	go func() {
		if c, err := l.Accept(); err == nil {
			c.Close()
		}
	}()
	begin := time.Now()
	if _, err := (options{network: "tcp", to: l.Addr().String(), size: 60_000, batch: 4, conns: 1, limit: time.Hour}.run()); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took > time.Minute {
		t.Errorf("that took %v", took)
	}
}

// freePort returns a port for datagrams that nobody has.
func freePort(t *testing.T) string {
	t.Helper()
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, port, err := net.SplitHostPort(c.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// said parses what both programs print at their end.
func said(t *testing.T, out string) (packets, megabytes int64) {
	t.Helper()
	m := regexp.MustCompile(`packets=(\d+) \(MB=(\d+)\)`).FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("no result in %q", out)
	}
	packets, _ = strconv.ParseInt(m[1], 10, 64)
	megabytes, _ = strconv.ParseInt(m[2], 10, 64)
	return packets, megabytes
}

// The C program's receiver gets from this one what it gets from its own sender:
// datagrams that begin with the same letters and have the same length. It ends
// with an error at the first that differs.
func TestReceiverInC(t *testing.T) {
	testutil.Need(t, uring.HaveSendZC)
	program := testutil.CExample(t, "send-zerocopy")
	port := freePort(t)
	receiver := exec.Command(program, "-4", "-R", "-p", port, "-s", "1400", "-t", "0", "udp")
	var out strings.Builder
	receiver.Stdout, receiver.Stderr = &out, &out
	if err := receiver.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- receiver.Wait() }()
	defer receiver.Process.Kill()
	o := options{network: "udp", to: "127.0.0.1:" + port, size: 1400, batch: 8, conns: 1, limit: 20 * time.Millisecond}
	for taken := int64(0); ; {
		select {
		case err := <-ended:
			if err != nil || taken == 0 {
				t.Errorf("%d datagrams were sent; the receiver ended with %v, %s", taken, err, out.String())
			}
			return
		default:
		}
		n, err := o.run()
		if err != nil {
			t.Fatal(err)
		}
		taken += n.sends
	}
}

// The C program's stream is that of this one.
func TestSenderInC(t *testing.T) {
	testutil.Need(t, uring.HaveSendZC)
	program := testutil.CExample(t, "send-zerocopy")
	addr, received := readLetters(t)
	_, port, _ := net.SplitHostPort(addr)
	out, err := exec.Command(program, "-4", "-D", "127.0.0.1", "-p", port, "-s", "5000", "-n", "1", "-t", "0", "-v", "tcp").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	packets, megabytes := said(t, string(out))
	got := received()
	if got != 5000*packets || got>>20 != megabytes {
		t.Errorf("%d bytes came; it says %s", got, out)
	}
}
