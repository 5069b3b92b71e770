package command

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"math/rand"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/uring-go/uring"
	"github.com/uring-go/uring/internal/testutil"
)

// A testProxy is a proxy that runs in the test's process.
type testProxy struct {
	addr   string
	cancel context.CancelFunc
	done   chan struct{}
	stats  proxyStats
	err    error

	oneWay bool
	bufs   int
	out    syncBuffer // what it logged
}

// A syncBuffer is a buffer for several goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// zcMemory is what a proxy that sends with zero copy locks: its buffers, and some for the rings.
const zcMemory = 32 << 20

// startProxy runs a proxy to the target until the test calls stop.
func startProxy(t *testing.T, target string, change func(*proxyConfig)) *testProxy {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := &testProxy{cancel: cancel, done: make(chan struct{})}
	c := proxyDefaults()
	c.listen, c.to = "127.0.0.1:0", targetList{target}
	ready := make(chan string, 1)
	c.listening = func(at string) { ready <- at }
	c.logTo = slog.NewTextHandler(&p.out, nil)
	if change != nil {
		change(&c)
		p.oneWay, p.bufs = c.oneWay, c.bufs
	}
	if c.zcAlways {
		testutil.NeedLockedMemory(t, zcMemory)
	}
	go func() {
		defer close(p.done)
		p.stats, p.err = runProxy(ctx, c)
	}()
	select {
	case p.addr = <-ready:
	case <-p.done:
		testutil.Need(t, func() error { return p.err })
		t.Fatal("the proxy ended")
	}
	t.Cleanup(func() { cancel(); <-p.done })
	return p
}

// stop ends the proxy and returns what it did.
func (p *testProxy) stop(t *testing.T) proxyStats {
	t.Helper()
	p.cancel()
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		t.Fatal("proxy does not stop")
	}
	if p.err != nil {
		t.Errorf("proxy: %v", p.err)
	}
	if p.stats.leftovers != 0 {
		t.Errorf("%d buffers did not come back", p.stats.leftovers)
	}
	return p.stats
}

// logged returns the lines that tell of connections.
func (p *testProxy) logged() (lines []string) {
	for line := range strings.Lines(p.out.String()) {
		if !strings.Contains(line, "msg=draining") && !strings.Contains(line, `msg="draining`) {
			lines = append(lines, line)
		}
	}
	return lines
}

// startTarget accepts connections and hands each to serve.
func startTarget(t *testing.T, serve func(*net.TCPConn)) string {
	t.Helper()
	l := testutil.Listen(t)
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Add(1)
			go func() {
				defer wg.Done()
				defer c.Close()
				serve(c.(*net.TCPConn))
			}()
		}
	}()
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return l.Addr().String()
}

// echo sends back what comes, and closes its side when the peer does.
func echo(c *net.TCPConn) {
	// Without splicing, whose pipes live until the collector finds them.
	_, _ = io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{c})
	_ = c.CloseWrite()
}

// hashes collects the SHA-256 of what each connection brought.
type hashes struct {
	mu   sync.Mutex
	seen map[[32]byte]int
}

func (h *hashes) sink(c *net.TCPConn) {
	d := sha256.New()
	_, _ = io.Copy(d, c)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.seen == nil {
		h.seen = map[[32]byte]int{}
	}
	h.seen[[32]byte(d.Sum(nil))]++
}

// count returns how many connections brought just p.
func (h *hashes) count(p []byte) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.seen[sha256.Sum256(p)]
}

// sendAll sends p over a connection of its own and waits until the other side
// has taken all of it.
func sendAll(addr string, p []byte, piece int) error {
	c, err := net.Dial("tcp4", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	for rest := p; len(rest) > 0; rest = rest[min(piece, len(rest)):] {
		if _, err := c.Write(rest[:min(piece, len(rest))]); err != nil {
			return err
		}
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		return err
	}
	n, err := io.Copy(io.Discard, c)
	if err == nil && n != 0 {
		err = fmt.Errorf("%d bytes came back", n)
	}
	return err
}

func testBytes(seed int64, n int) []byte {
	p := make([]byte, n)
	rand.New(rand.NewSource(seed)).Read(p)
	return p
}

// proxyModes are ways to run the proxy that differ in what the kernel does.
var proxyModes = []struct {
	name   string
	change func(*proxyConfig)
}{
	{"plain", func(c *proxyConfig) { c.send, c.recvBundle = uring.SendPlain, false }},
	{"single", func(c *proxyConfig) { c.send, c.recvBundle, c.recvSingle = uring.SendPlain, false, true }},
	{"vectored", func(c *proxyConfig) { c.send = uring.SendVectored }},
	{"queue", func(c *proxyConfig) { c.send, c.recvBundle = uring.SendProvided, false }},
	{"bundle", func(c *proxyConfig) { c.send, c.needBundle = uring.SendBundle, true }},
	{"single-bundle", func(c *proxyConfig) { c.send, c.needBundle, c.recvSingle = uring.SendBundle, true, true }},
	{"incremental", func(c *proxyConfig) { c.send, c.recvBundle, c.incremental = uring.SendBundle, false, true }},
	{"incremental-bundle", func(c *proxyConfig) { c.send, c.needBundle, c.incremental = uring.SendBundle, true, true }},
	{"tiny-buffers", func(c *proxyConfig) { c.send, c.bufSize, c.bufs = uring.SendBundle, 32, 1024 }},
	{"zc", func(c *proxyConfig) { c.send, c.recvBundle, c.zcAlways = uring.SendZC, false, true }},
	{"zc-gather", func(c *proxyConfig) { c.send, c.zcAlways = uring.SendZCGather, true }},
	{"zc-gather-incremental", func(c *proxyConfig) {
		c.send, c.incremental, c.zcAlways = uring.SendZCGather, true, true
	}},
	{"fixed-files", func(c *proxyConfig) { c.send, c.fixedFiles, c.maxConns = uring.SendBundle, true, 64 }},
	{"fixed-files-incremental", func(c *proxyConfig) {
		c.send, c.fixedFiles, c.maxConns, c.incremental = uring.SendBundle, true, 64, true
	}},
	{"sqpoll", func(c *proxyConfig) { c.send, c.sqpoll, c.deferTaskrun = uring.SendBundle, true, false }},
	{"coop", func(c *proxyConfig) { c.send, c.deferTaskrun = uring.SendBundle, false }},
	{"wait-batch", func(c *proxyConfig) { c.send, c.waitBatch, c.wait = uring.SendBundle, 8, 200*time.Microsecond }},
	{"nagle", func(c *proxyConfig) { c.send, c.nagle = uring.SendBundle, true }},
	{"one-way", func(c *proxyConfig) { c.send, c.oneWay = uring.SendBundle, true }},
}

func TestProxyForwardsEveryByteInEveryMode(t *testing.T) {
	for _, m := range proxyModes {
		t.Run(m.name, func(t *testing.T) {
			var h hashes
			p := startProxy(t, startTarget(t, h.sink), m.change)
			const conns = 8
			var wg sync.WaitGroup
			var want [conns][]byte
			for i := range conns {
				want[i] = testBytes(int64(i), 300_000+i*7919)
				wg.Add(1)
				go func() {
					defer wg.Done()
					if err := sendAll(p.addr, want[i], 100+i*5000); err != nil {
						t.Error(err)
					}
				}()
			}
			wg.Wait()
			s := p.stop(t)
			for i := range want {
				if h.count(want[i]) != 1 {
					t.Errorf("connection %d did not arrive as it was sent", i)
				}
			}
			if s.received != s.sent {
				t.Errorf("received %d bytes, sent %d", s.received, s.sent)
			}
			if l := p.logged(); len(l) > 0 {
				t.Errorf("logged %q", l)
			}
		})
	}
}

func TestProxyForwardsBothWaysAndPassesHalfCloseOn(t *testing.T) {
	p := startProxy(t, startTarget(t, echo), func(c *proxyConfig) { c.incremental = true })
	c, err := net.Dial("tcp4", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	want := testBytes(1, 1<<20)
	go func() {
		_, _ = c.Write(want)
		_ = c.(*net.TCPConn).CloseWrite()
	}()
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %d bytes back and %v, want %d", len(got), err, len(want))
	}
	p.stop(t)
}

// By default, what the target answers comes back; with -one-way it is dropped.
func TestProxyForwardsAnswersUnlessItIsOneWay(t *testing.T) {
	for _, c := range []struct{ flags, want string }{{"", "answer"}, {"-bidi", "answer"}, {"-one-way", ""}} {
		t.Run(c.flags, func(t *testing.T) {
			args, status, over := proxyArgs(append([]string{"-listen", "127.0.0.1:0", "-to", "127.0.0.1:1"}, strings.Fields(c.flags)...))
			if over {
				t.Fatalf("the flags are refused with %d", status)
			}
			to := startTarget(t, func(c *net.TCPConn) { _, _ = c.Write([]byte("answer")) })
			p := startProxy(t, to, func(c *proxyConfig) { c.oneWay = args.oneWay })
			conn, err := net.Dial("tcp4", p.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.(*net.TCPConn).CloseWrite()
			if got, err := io.ReadAll(conn); string(got) != c.want || err != nil {
				t.Errorf("got %q and %v, want %q", got, err, c.want)
			}
			p.stop(t)
		})
	}
}

// A request in two writes must not wait for the acknowledgement of the first.
func TestProxyDoesNotGatherSmallMessages(t *testing.T) {
	p := startProxy(t, startTarget(t, func(c *net.TCPConn) {
		for buf := make([]byte, 2); ; {
			if _, err := io.ReadFull(c, buf); err != nil {
				return
			}
			_, _ = c.Write([]byte("."))
		}
	}), nil)
	c, err := net.Dial("tcp4", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	best := time.Hour
	for range 10 {
		start := time.Now()
		for range 2 {
			if _, err := c.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond) // else the proxy may receive both at once
		}
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		best = min(best, time.Since(start))
	}
	if best > 30*time.Millisecond { // acknowledgements are delayed by 40
		t.Errorf("at best an answer took %v", best)
	}
	c.Close()
	p.stop(t)
}

// Bundles are the default. Who asks for them gets an error where there are none.
func TestProxyReceivesBundlesUnlessToldNot(t *testing.T) {
	for flags, want := range map[string][2]bool{"": {true, false}, "-recv-bundle": {true, true}, "-recv-bundle=false": {false, false}} {
		c, _, over := proxyArgs(append([]string{"-listen", "127.0.0.1:0", "-to", "127.0.0.1:1"}, strings.Fields(flags)...))
		if got := [2]bool{c.recvBundle, c.needBundle}; over || got != want {
			t.Errorf("%q: bundles %v, needed %v, want %v", flags, got[0], got[1], want)
		}
	}
}
