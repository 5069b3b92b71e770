package main

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/uring-go/uring"
	"github.com/uring-go/uring/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m) }

// start serves until the test ends and returns where.
func start(t *testing.T) net.Addr {
	t.Helper()
	testutil.Need(t, uring.HaveRecvMultishot)
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- serve(ctx, conn.(*net.UDPConn)) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
		conn.Close()
	})
	return conn.LocalAddr()
}

func dial(t *testing.T, addr net.Addr) net.Conn {
	t.Helper()
	c, err := net.Dial("udp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

// echoes sends a datagram and expects it back.
func echoes(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := c.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 2*maxPayload)
	n, err := c.Read(got)
	if err != nil {
		t.Fatalf("no answer to %d bytes: %v", len(text), err)
	}
	if string(got[:n]) != text {
		t.Fatalf("answer to %q is %q", text, got[:n])
	}
}

// More datagrams than there are buffers, of every kind of length.
func TestEveryDatagramComesBackToItsSender(t *testing.T) {
	addr := start(t)
	a, b := dial(t, addr), dial(t, addr)
	for i := range 2 * buffers {
		echoes(t, a, fmt.Sprint("a ", i))
		echoes(t, b, fmt.Sprint("b ", i))
	}
	echoes(t, a, "")
	echoes(t, a, strings.Repeat("x", maxPayload))
}

func TestTooLongDatagramIsRefused(t *testing.T) {
	c := dial(t, start(t))
	if _, err := c.Write(make([]byte, maxPayload+1)); err != nil {
		t.Fatal(err)
	}
	echoes(t, c, "the next one") // and no part of the one before
}

// startInC runs liburing's example, which does the same, until the test ends.
func startInC(t *testing.T) net.Addr {
	t.Helper()
	program := testutil.CExample(t, "io_uring-udp")
	free, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := free.LocalAddr()
	free.Close()
	cmd := exec.Command(program, "-p", fmt.Sprint(addr.(*net.UDPAddr).Port))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	c := dial(t, addr)
	for end := time.Now().Add(10 * time.Second); ; { // what comes before it is bound gets no answer
		c.Write([]byte("there?"))
		c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if n, err := c.Read(make([]byte, 10)); err == nil && n == 6 {
			return addr
		}
		if time.Now().After(end) {
			t.Fatal("the program in C does not answer")
		}
	}
}

// The same datagrams get the same answers from liburing's example, and those
// that neither has room for get none.
func TestAnswersAsLiburingsExampleDoes(t *testing.T) {
	inGo, inC := dial(t, start(t)), dial(t, startInC(t))
	for _, c := range []net.Conn{inGo, inC} {
		for i := range 1200 { // more than either has buffers
			echoes(t, c, fmt.Sprint("datagram ", i))
		}
		for _, n := range []int{0, 1, 1500, maxPayload} {
			echoes(t, c, strings.Repeat("x", n))
		}
		if _, err := c.Write(make([]byte, 5000)); err != nil {
			t.Fatal(err)
		}
		echoes(t, c, "the next one")
	}
}
