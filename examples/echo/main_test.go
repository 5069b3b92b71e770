package main

import (
	"bytes"
	"context"
	"io"
	"math/rand"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/uring-go/uring"
	"github.com/uring-go/uring/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m) }

// start serves; stop ends the server and waits until it has ended.
func start(t *testing.T) (addr string, stop func()) {
	t.Helper()
	l := testutil.Listen(t)
	return l.Addr().String(), startOn(t, l)
}

func startOn(t *testing.T, l *net.TCPListener) (stop func()) {
	t.Helper()
	testutil.Need(t, uring.HaveAcceptMultishot)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- serve(ctx, l) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
		l.Close()
	})
	t.Cleanup(stop)
	return stop
}

func dial(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp4", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c.(*net.TCPConn)
}

func randomBytes(seed int64, n int) []byte {
	p := make([]byte, n)
	rand.New(rand.NewSource(seed)).Read(p)
	return p
}

// exchange sends data, in pieces of random lengths, and expects it back.
func exchange(t *testing.T, c *net.TCPConn, data []byte) {
	t.Helper()
	go func() {
		rnd := rand.New(rand.NewSource(int64(len(data))))
		for rest := data; len(rest) > 0; {
			n := min(len(rest), rnd.Intn(100_000)+1)
			if _, err := c.Write(rest[:n]); err != nil {
				t.Errorf("write: %v", err)
				return
			}
			rest = rest[n:]
		}
		c.CloseWrite()
	}()
	got, err := io.ReadAll(c)
	if err != nil {
		t.Errorf("read: %v", err)
	}
	if !bytes.Equal(got, data) {
		t.Errorf("got %d bytes back, which are not the %d that were sent", len(got), len(data))
	}
}

func TestEveryByteComesBack(t *testing.T) {
	addr, _ := start(t)
	var all sync.WaitGroup
	for i := range 20 {
		c := dial(t, addr)
		all.Add(1)
		go func() {
			defer all.Done()
			exchange(t, c, randomBytes(int64(i), 1<<20+i))
		}()
	}
	all.Wait()
}

// A client that sends more than there are buffers, and reads only then, is
// held back; others go on.
func TestClientThatDoesNotReadIsHeldBack(t *testing.T) {
	addr, _ := start(t)
	lazy := dial(t, addr)
	const total = 24 << 20 // the buffers are 4 MiB
	sent := make(chan error, 1)
	go func() {
		_, err := lazy.Write(randomBytes(1, total))
		lazy.CloseWrite()
		sent <- err
	}()
	time.Sleep(100 * time.Millisecond)
	exchange(t, dial(t, addr), randomBytes(2, 1<<20))
	select {
	case <-sent:
		t.Error("the server took everything from a client that does not read")
		sent <- nil
	default:
	}
	got, err := io.ReadAll(lazy)
	if err != nil {
		t.Error(err)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	if !bytes.Equal(got, randomBytes(1, total)) {
		t.Errorf("got %d bytes back, which are not the %d that were sent", len(got), total)
	}
}

// Clients that never read, and that have megabytes for the server at once, do
// not get all its buffers.
func TestClientsThatNeverReadLeaveBuffersToOthers(t *testing.T) {
	l := testutil.Listen(t)
	testutil.ReceiveMuch(t, l)
	var never []*net.TCPConn
	for range 4 {
		c := dial(t, l.Addr().String())
		if err := c.SetReadBuffer(4096); err != nil {
			t.Fatal(err)
		}
		never = append(never, c)
		go func() { _, _ = c.Write(make([]byte, 16<<20)) }()
	}
	time.Sleep(100 * time.Millisecond)
	startOn(t, l)
	exchange(t, dial(t, l.Addr().String()), randomBytes(2, 1<<20))
	for _, c := range never {
		c.Close()
	}
}

func TestClientsThatLeaveInTheMiddle(t *testing.T) {
	addr, _ := start(t)
	for i := range 20 {
		c := dial(t, addr)
		if _, err := c.Write(randomBytes(int64(i), 10_000*i)); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			_ = c.SetLinger(0) // a reset
		}
		c.Close()
	}
	exchange(t, dial(t, addr), randomBytes(3, 100_000))
}

// The receive can miss the reset; sending back does not.
func TestClientThatResetsBehindMuchDataIsClosed(t *testing.T) {
	l := testutil.Listen(t)
	testutil.ResetBehindData(t, l)
	before := testutil.Sockets()
	startOn(t, l)
	c := dial(t, l.Addr().String())
	exchange(t, c, randomBytes(4, 1000)) // the first has been accepted by then
	c.Close()
	testutil.WaitSockets(t, before+1) // and the listener's copy
}

// A server that is stopped sends what it has received, and then ends.
func TestStoppedServerOwesNothing(t *testing.T) {
	addr, stop := start(t)
	c := dial(t, addr)
	if _, err := c.Write([]byte("before")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 6)
	if _, err := io.ReadFull(c, got); err != nil {
		t.Fatal(err)
	}
	stop()
	if rest, err := io.ReadAll(c); err != nil || len(rest) > 0 {
		t.Errorf("after the end: %q, %v", rest, err)
	}
	if _, err := net.DialTimeout("tcp4", addr, time.Second); err == nil {
		t.Error("the stopped server takes connections")
	}
}
