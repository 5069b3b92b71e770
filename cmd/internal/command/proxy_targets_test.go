//go:build linux

package command

import (
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// named is a target that says its name.
func named(t *testing.T, name string, asked *atomic.Int64) string {
	t.Helper()
	return startTarget(t, func(c *net.TCPConn) {
		asked.Add(1)
		_, _ = c.Write([]byte(name))
	})
}

// answerOf is what a connection through the proxy brings.
func answerOf(t *testing.T, address string) string {
	t.Helper()
	c := dial(t, address)
	defer c.Close()
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	got, err := io.ReadAll(c)
	if err != nil {
		t.Error(err)
	}
	return string(got)
}

func TestProxyTakesTargetsInTurn(t *testing.T) {
	var asked [3]atomic.Int64
	var to targetList
	for i := range asked {
		to = append(to, named(t, "x", &asked[i]))
	}
	p := startProxy(t, "", func(c *proxyConfig) { c.to = to })
	for range 12 {
		answerOf(t, p.addr)
	}
	for i := range asked {
		if n := asked[i].Load(); n != 4 {
			t.Errorf("target %d was asked %d times, want 4", i, n)
		}
	}
	p.stop(t)
}

// A target that refuses is left out until it answers, and no client notices.
func TestProxyGoesToTheNextTarget(t *testing.T) {
	for _, fixed := range []bool{false, true} {
		var asked, late atomic.Int64
		gone := closedPort(t)
		p := startProxy(t, "", func(c *proxyConfig) {
			c.to, c.fixedFiles, c.maxConns = targetList{gone, named(t, "here", &asked), blackhole(t)}, fixed, 16
			c.connectTime = 100 * time.Millisecond
		})
		for range 9 {
			if got := answerOf(t, p.addr); got != "here" {
				t.Errorf("got %q", got)
			}
		}
		l, err := net.Listen("tcp4", gone)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for c, err := l.Accept(); err == nil; c, err = l.Accept() {
				late.Add(1)
				_, _ = c.Write([]byte("late"))
				c.Close()
			}
		}()
		eventually(t, "the target that came late is asked", func() bool { return answerOf(t, p.addr) == "late" })
		l.Close()
		if s := p.stop(t); s.failed() != 0 || s.retries < 2 || s.retries > 4 {
			t.Errorf("%d failed, %d times another target was asked: %q", s.failed(), s.retries, p.logged())
		}
		for _, want := range []string{`msg="target is down" target=` + gone, `msg="target is up again" target=` + gone} {
			if !strings.Contains(p.out.String(), want) {
				t.Errorf("the log lacks %s: %s", want, p.out.String())
			}
		}
	}
}

// The addresses of a name are tried one after the other, and a name that gets others
// is followed.
func TestTargetsWithSeveralAddresses(t *testing.T) {
	var asked atomic.Int64
	here := named(t, "here", &asked)
	p := startProxy(t, "localhost:"+here[strings.LastIndexByte(here, ':')+1:], nil) // that may be ::1 first
	for range 3 {
		if got := answerOf(t, p.addr); got != "here" {
			t.Errorf("got %q", got)
		}
	}
	p.stop(t)
	to := &target{name: "localhost:1"}
	to.addrs.Store(&[]targetAddr{{}})
	if err := to.resolve(t.Context()); err != nil || !(*to.addrs.Load())[0].ap.IsValid() || !to.named() {
		t.Errorf("resolved again: %v, %v", *to.addrs.Load(), err)
	}
	before := to.addrs.Load()
	to.name = "no-such-name.invalid:1"
	if err := to.resolve(t.Context()); err == nil || to.addrs.Load() != before {
		t.Errorf("without an answer: %v", err)
	}
}

func TestRouteTriesEachAddressOnce(t *testing.T) {
	s := &targetSet{}
	for i := range 3 {
		to := &target{name: string(rune('a' + i))}
		addrs := make([]targetAddr, i+1)
		to.addrs.Store(&addrs)
		s.list = append(s.list, to)
	}
	s.list[1].down.Store(true)
	r := s.begin()
	order := ""
	for _, ok := s.advance(&r); ok; _, ok = s.advance(&r) {
		order += r.target.name
		s.failed(&r)
	}
	if order != "cccabb" { // those that are down come last
		t.Errorf("tried %s", order)
	}
	for _, to := range s.list {
		if !to.down.Load() {
			t.Errorf("%s is not down", to.name)
		}
	}
}
