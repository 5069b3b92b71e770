//go:build linux

package command

import (
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/uring-go/uring"
)

// ends waits for the end of a connection that brings nothing, and returns its error.
func ends(t *testing.T, c net.Conn) error {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	n, err := io.Copy(io.Discard, c)
	if n != 0 || errors.Is(err, net.ErrClosed) {
		t.Errorf("%d bytes, %v", n, err)
	}
	return err
}

func TestProxyGivesUpATargetThatDoesNotAnswer(t *testing.T) {
	to := blackhole(t)
	for _, fixed := range []bool{false, true} {
		p := startProxy(t, to, func(c *proxyConfig) { c.connectTime, c.fixedFiles, c.maxConns = 100*time.Millisecond, fixed, 16 })
		if err := ends(t, dial(t, p.addr)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the client got %v, want a reset", err)
		}
		p.stop(t)
		if l := p.logged(); len(l) != 1 || !strings.Contains(l[0], "connect to "+to+": no answer in 100ms") {
			t.Errorf("logged %q", l)
		}
	}
}

// A client that is gone does not keep its place until the target answers, or does not.
func TestProxyForgetsClientsThatLeaveBeforeTheTargetAnswers(t *testing.T) {
	for name, leave := range map[string]func(*net.TCPConn){
		"reset": func(c *net.TCPConn) { _ = c.SetLinger(0); c.Close() },
		"close": func(c *net.TCPConn) { c.Close() },
	} {
		for _, fixed := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				p := startProxy(t, blackhole(t), func(c *proxyConfig) { c.connectTime, c.fixedFiles, c.maxConns = 0, fixed, 16 })
				for range 3 {
					leave(dial(t, p.addr).(*net.TCPConn))
				}
				if s := p.stop(t); s.failed() != 0 || s.left() != 3 {
					t.Errorf("%d failed, %d left, want 0 and 3: %q", s.failed(), s.left(), p.logged())
				}
			})
		}
	}
}

// One that has sent something, and closed its side, waits for an answer.
func TestProxyWaitsForTheTargetOfAClientThatClosedItsSide(t *testing.T) {
	p := startProxy(t, blackhole(t), func(c *proxyConfig) { c.connectTime = 1500 * time.Millisecond })
	c := dial(t, p.addr)
	_, _ = c.Write([]byte("request"))
	_ = c.(*net.TCPConn).CloseWrite()
	_ = ends(t, c)
	if s := p.stop(t); s.failed() != 1 || s.left() != 0 {
		t.Errorf("%d failed, %d left, want 1 and 0: %q", s.failed(), s.left(), p.logged())
	}
}

func TestProxyEndsIdleConnections(t *testing.T) {
	p := startProxy(t, startTarget(t, echo), func(c *proxyConfig) { c.idleTime = 300 * time.Millisecond })
	busy, idle := dial(t, p.addr), dial(t, p.addr)
	ended := make(chan error, 1)
	go func() { ended <- ends(t, idle) }()
	for over := false; !over; {
		select {
		case err := <-ended:
			over = true
			if !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("the idle one got %v, want a reset", err)
			}
		case <-time.After(20 * time.Millisecond):
		}
		if _, err := busy.Write([]byte("x")); err != nil {
			t.Fatalf("the busy one: %v", err)
		}
		if _, err := busy.Read(make([]byte, 1)); err != nil {
			t.Fatalf("the busy one: %v", err)
		}
	}
	busy.Close()
	if s := p.stop(t); s.ends[endIdle] != 1 || s.failed() != 1 {
		t.Errorf("%d were idle, %d failed: %q", s.ends[endIdle], s.failed(), p.logged())
	}
}

// Both sockets of a connection have the options.
func TestProxySetsOptionsOfSockets(t *testing.T) {
	on := proxyDefaults()
	off := proxyDefaults()
	off.nagle, off.keepalive = true, 0
	if got := off.tcpOptions(); len(got) != 0 {
		t.Errorf("without any: %v", got)
	}
	l, err := listenAt(t.Context(), "127.0.0.1:0", false)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	p := &proxy{proxyConfig: on, listener: l, options: on.tcpOptions()}
	p.ln = uring.FD(l.file.Fd())
	if err := p.inherit(); err != nil {
		t.Fatal(err)
	}
	dial(t, l.String())
	fd, _, err := syscall.Accept(int(p.ln))
	for errors.Is(err, syscall.EAGAIN) {
		fd, _, err = syscall.Accept(int(p.ln))
	}
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	for _, o := range []struct{ level, name, want int }{
		{syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1}, {syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1}, {syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE, 60},
	} {
		if got, err := syscall.GetsockoptInt(fd, o.level, o.name); got != o.want || err != nil {
			t.Errorf("option %d of level %d is %d, %v, want %d", o.name, o.level, got, err, o.want)
		}
	}
}
