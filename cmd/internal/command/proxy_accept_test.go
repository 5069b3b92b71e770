//go:build linux

package command

import (
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// holdOpen is a target that counts the connections that it has at once, and answers
// each with a byte.
type holdOpen struct {
	now, most atomic.Int64
	release   chan struct{}
}

func (h *holdOpen) serve(c *net.TCPConn) {
	n := h.now.Add(1)
	defer h.now.Add(-1)
	for most := h.most.Load(); n > most && !h.most.CompareAndSwap(most, n); most = h.most.Load() {
	}
	_, _ = c.Write([]byte("!"))
	<-h.release
}

// Of a burst of clients those for whom there is room are served, exactly, and the
// others wait until somebody leaves. None is reset.
func TestProxyServesABurstWithinItsLimit(t *testing.T) {
	const limit, clients = 20, 100
	for _, fixed := range []bool{false, true} {
		h := &holdOpen{release: make(chan struct{})}
		p := startProxy(t, startTarget(t, h.serve), func(c *proxyConfig) { c.maxConns, c.fixedFiles = limit, fixed })
		var wg sync.WaitGroup
		var served atomic.Int64
		for range clients {
			wg.Add(1)
			go func() {
				defer wg.Done()
				c, err := net.Dial("tcp4", p.addr)
				if err != nil {
					t.Error(err)
					return
				}
				defer c.Close()
				if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
					t.Error(err)
				}
				served.Add(1)
				_, _ = io.Copy(io.Discard, c)
			}()
		}
		eventually(t, "as many are served as there is room for", func() bool { return served.Load() == limit })
		time.Sleep(50 * time.Millisecond) // for more to come, which must not
		if most := h.most.Load(); most != limit {
			t.Errorf("the target has %d connections, want %d", most, limit)
		}
		close(h.release)
		wg.Wait()
		if s := p.stop(t); s.connections != clients || s.failed() != 0 || served.Load() != clients {
			t.Errorf("%d connections, %d failed, %d served: %q", s.connections, s.failed(), served.Load(), p.logged())
		}
	}
}

// Connections that wait in the listener when it is about to be closed are served.
func TestProxyServesWhoWaitsWhenItDrains(t *testing.T) {
	for _, fixed := range []bool{false, true} {
		for range 10 {
			p := startProxy(t, startTarget(t, echo), func(c *proxyConfig) { c.fixedFiles, c.maxConns = fixed, 1000 })
			conns := make([]net.Conn, 100)
			for i := range conns {
				conns[i] = dial(t, p.addr)
			}
			p.cancel()
			for i, c := range conns {
				_ = c.(*net.TCPConn).CloseWrite()
				if _, err := io.Copy(io.Discard, c); err != nil {
					t.Errorf("connection %d: %v", i, err)
				}
			}
			p.stop(t)
		}
	}
}

func TestProxyChecksDescriptorsAtTheStart(t *testing.T) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		conns int
		lower bool
		want  int // 0: refused
	}{{100, false, 100}, {maxConns, false, 0}, {maxConns, true, (int(limit.Cur) - 24) / 2}} {
		if limit.Cur > 2*maxConns && c.want != c.conns {
			continue
		}
		p := proxyDefaults()
		p.maxConns, p.lowerConns = c.conns, c.lower
		err := p.fitDescriptors()
		if (err == nil) != (c.want > 0) || err == nil && p.maxConns != c.want {
			t.Errorf("%d connections: %d, %v, want %d", c.conns, p.maxConns, err, c.want)
		}
		if err != nil && !strings.Contains(err.Error(), "RLIMIT_NOFILE is") {
			t.Errorf("it says %v", err)
		}
	}
}

// A proxy that cannot start does not listen first: who connects then would be reset.
func TestProxyListensWhenItCanServe(t *testing.T) {
	at := closedPort(t)
	c := proxyDefaults()
	c.listen, c.to, c.logTo = at, targetList{closedPort(t)}, slog.DiscardHandler
	c.bufs, c.bufSize = 32768, 1<<40 // more than there is
	if _, err := runProxy(t.Context(), c); err == nil || strings.Contains(err.Error(), "listen") {
		t.Fatalf("it got to %v", err)
	}
	busy, err := net.Listen("tcp4", at)
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	if _, err := runProxy(t.Context(), c); err == nil || strings.Contains(err.Error(), "in use") {
		t.Errorf("with a port that is taken it got to %v", err)
	}
}
