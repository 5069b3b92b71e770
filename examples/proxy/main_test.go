package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/uring-go/uring/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m) }

// start runs a proxy in front of target until the test ends.
func start(t *testing.T, target net.Listener) (addr string) {
	t.Helper()
	l := testutil.Listen(t)
	startOn(t, l, target)
	return l.Addr().String()
}

func startOn(t *testing.T, l *net.TCPListener, target net.Listener) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- serve(ctx, l, target.Addr().(*net.TCPAddr).AddrPort()) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
}

// through makes a connection through the proxy and returns both its ends.
func through(t *testing.T, addr string, target *net.TCPListener) (client, server *net.TCPConn) {
	t.Helper()
	c, err := net.Dial("tcp4", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	deadline := time.Now().Add(30 * time.Second)
	if err := target.SetDeadline(deadline); err != nil {
		t.Fatal(err)
	}
	s, err := target.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	for _, c := range []net.Conn{c, s} {
		if err := c.SetDeadline(deadline); err != nil {
			t.Fatal(err)
		}
	}
	return c.(*net.TCPConn), s
}

func randomBytes(seed int64, n int) []byte {
	p := make([]byte, n)
	rand.New(rand.NewSource(seed)).Read(p)
	return p
}

// passes sends data one way, ends that way, and expects it at the other end.
func passes(t *testing.T, from, to *net.TCPConn, data []byte) {
	t.Helper()
	sent := make(chan error, 1)
	go func() {
		_, err := from.Write(data)
		sent <- errors.Join(err, from.CloseWrite())
	}()
	got, err := io.ReadAll(to)
	if err := errors.Join(err, <-sent); err != nil {
		t.Error(err)
	}
	if !bytes.Equal(got, data) {
		t.Errorf("got %d bytes, which are not the %d that were sent", len(got), len(data))
	}
}

func TestBothDirections(t *testing.T) {
	target := testutil.Listen(t)
	addr := start(t, target)
	var all sync.WaitGroup
	for i := range 10 {
		client, server := through(t, addr, target)
		all.Add(2)
		go func() { defer all.Done(); passes(t, client, server, randomBytes(int64(i), 1<<20+i)) }()
		go func() { defer all.Done(); passes(t, server, client, randomBytes(int64(-i), 1<<20-i)) }()
	}
	all.Wait()
}

// One direction ends long before the other.
func TestHalfClose(t *testing.T) {
	target := testutil.Listen(t)
	client, server := through(t, start(t, target), target)
	passes(t, client, server, []byte("a question"))
	passes(t, server, client, []byte("an answer"))
}

// A receiver that does not read holds its sender back, and nobody else.
func TestSlowReceiver(t *testing.T) {
	target := testutil.Listen(t)
	addr := start(t, target)
	client, server := through(t, addr, target)
	const total = 24 << 20
	sent := make(chan error, 1)
	go func() {
		_, err := client.Write(randomBytes(1, total))
		sent <- errors.Join(err, client.CloseWrite())
	}()
	time.Sleep(100 * time.Millisecond)
	other, otherServer := through(t, addr, target)
	passes(t, other, otherServer, randomBytes(2, 1<<20))
	if len(sent) > 0 {
		t.Error("the proxy took everything for a receiver that does not read")
	}
	got, err := io.ReadAll(server)
	if err := errors.Join(err, <-sent); err != nil {
		t.Error(err)
	}
	if !bytes.Equal(got, randomBytes(1, total)) {
		t.Errorf("got %d bytes, which are not the %d that were sent", len(got), total)
	}
}

// Receivers that never read, and for which there are megabytes at once, do not
// get all buffers.
func TestReceiversThatNeverReadLeaveBuffersToOthers(t *testing.T) {
	target, l := testutil.Listen(t), testutil.Listen(t)
	testutil.ReceiveMuch(t, l)
	addr := l.Addr().String()
	for range 4 {
		c, err := net.Dial("tcp4", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		go func() { _, _ = c.Write(make([]byte, 16<<20)) }()
	}
	time.Sleep(100 * time.Millisecond)
	startOn(t, l, target)
	if err := target.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		server, err := target.AcceptTCP()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { server.Close() })
		if err := server.SetReadBuffer(4096); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(100 * time.Millisecond)
	other, otherServer := through(t, addr, target)
	passes(t, other, otherServer, randomBytes(2, 1<<20))
}

// A reset on one side is one on the other, not an end.
func TestResetIsPassedOn(t *testing.T) {
	target := testutil.Listen(t)
	client, server := through(t, start(t, target), target)
	if _, err := client.Write([]byte("half of ")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(server, make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	_ = client.SetLinger(0)
	client.Close()
	if _, err := server.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read after a reset: %v", err)
	}
}

// The same behind much data, where a multishot receive would miss it.
func TestResetBehindMuchDataIsPassedOn(t *testing.T) {
	l, target := testutil.Listen(t), testutil.Listen(t)
	testutil.ResetBehindData(t, l)
	before := testutil.Sockets()
	startOn(t, l, target)
	server, err := target.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, server); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read up to a reset: %v", err)
	}
	server.Close()
	testutil.WaitSockets(t, before)
}

func TestTargetThatIsNotThere(t *testing.T) {
	target := testutil.Listen(t)
	addr := start(t, target)
	target.Close()
	c, err := net.Dial("tcp4", addr) // which may see the reset already
	if err == nil {
		defer c.Close()
		_, err = c.Read(make([]byte, 1))
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a connection that leads nowhere: %v", err)
	}
}
