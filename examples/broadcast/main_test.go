package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/uring-go/uring/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m) }

// start serves until the test ends.
func start(t *testing.T) (addr string) {
	t.Helper()
	l := testutil.Listen(t)
	startOn(t, l)
	return l.Addr().String()
}

func startOn(t *testing.T, l *net.TCPListener) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
}

// join connects n clients and sees that the server knows all of them.
func join(t *testing.T, addr string, n int) []net.Conn {
	t.Helper()
	var all []net.Conn
	for range n {
		c, err := net.Dial("tcp4", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	// The server accepts in order: when the last one is heard, all are there.
	if _, err := all[n-1].Write([]byte{'!'}); err != nil {
		t.Fatal(err)
	}
	for _, c := range all[:n-1] {
		if err := expect(c, []byte{'!'}); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func randomBytes(seed int64, n int) []byte {
	p := make([]byte, n)
	rand.New(rand.NewSource(seed)).Read(p)
	return p
}

// expect reads what must be data.
func expect(c net.Conn, data []byte) error {
	got := make([]byte, len(data))
	if _, err := io.ReadFull(c, got); err != nil {
		return err
	}
	if !bytes.Equal(got, data) {
		return fmt.Errorf("%v got other bytes than were sent", c.LocalAddr())
	}
	return nil
}

// spread sends data from one client to the readers, part by part, so that they
// are never far behind.
func spread(t *testing.T, from net.Conn, data []byte, readers []net.Conn) {
	t.Helper()
	const part = maxBehind / 4
	for rest := data; len(rest) > 0; {
		n := min(part, len(rest))
		done := make(chan error)
		for _, c := range readers {
			go func() { done <- expect(c, rest[:n]) }()
		}
		if _, err := from.Write(rest[:n]); err != nil {
			t.Error(err)
		}
		for range readers {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		rest = rest[n:]
	}
}

// More bytes than the server has buffers for reach all clients but the sender.
func TestAllOthersGetEverything(t *testing.T) {
	all := join(t, start(t), 6)
	spread(t, all[0], randomBytes(1, 3*entries*bufSize), all[1:])
	spread(t, all[5], randomBytes(2, 1000), all[:5])
	_ = all[0].SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if n, _ := all[0].Read(make([]byte, 1)); n != 0 {
		t.Error("a sender got its own bytes")
	}
}

// Several senders at once: each one's bytes come whole and in order.
func TestSeveralSenders(t *testing.T) {
	all := join(t, start(t), 4)
	const each = 20_000
	for i, c := range all[1:] {
		go func() {
			for range each {
				_, _ = c.Write([]byte{byte(i)})
			}
		}()
	}
	got := make([]byte, 3*each)
	for _, c := range all[1:] {
		go func() { _, _ = io.Copy(io.Discard, c) }()
	}
	if _, err := io.ReadFull(all[0], got); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if n := bytes.Count(got, []byte{byte(i)}); n != each {
			t.Errorf("%d bytes of sender %d, want %d", n, i, each)
		}
	}
}

// Who does not read is disconnected, and has missed nothing until then; the
// others do not notice.
func TestClientTooFarBehindIsDisconnected(t *testing.T) {
	all := join(t, start(t), 4)
	lazy, readers := all[1], all[2:]
	data := randomBytes(3, 3*entries*bufSize)
	spread(t, all[0], data, readers)
	got, err := io.ReadAll(lazy)
	if err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Error(err)
	}
	if len(got) >= len(data) {
		t.Error("the client that did not read got everything")
	}
	if !bytes.HasPrefix(data, got) {
		t.Error("the client that did not read missed something in the middle")
	}
}

func TestClientsThatLeave(t *testing.T) {
	all := join(t, start(t), 6)
	for i, c := range all[3:] {
		if _, err := c.Write([]byte("bye")); err != nil {
			t.Fatal(err)
		}
		if err := expect(all[0], []byte("bye")); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			_ = c.(*net.TCPConn).SetLinger(0) // a reset
		}
		c.Close()
	}
	for _, c := range all[1:3] {
		if err := expect(c, []byte("byebyebye")); err != nil {
			t.Fatal(err)
		}
	}
	spread(t, all[0], randomBytes(4, 100_000), all[1:3])
}

// A multishot receive would miss the reset.
func TestClientThatResetsBehindMuchDataIsClosed(t *testing.T) {
	l := testutil.Listen(t)
	testutil.ResetBehindData(t, l)
	before := testutil.Sockets()
	startOn(t, l)
	c, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = c.(*net.TCPConn).CloseWrite()
	_, _ = io.Copy(io.Discard, c) // when the server ends this one it has the first
	c.Close()
	testutil.WaitSockets(t, before+1) // and the listener's copy
}
