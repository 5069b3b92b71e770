//go:build linux

package command

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// heard is a target that hands on what each connection brings.
func heard(t *testing.T) (address string, said chan string) {
	said = make(chan string, 16)
	return startTarget(t, func(c *net.TCPConn) {
		got, _ := io.ReadAll(c)
		said <- string(got)
	}), said
}

func TestProxyPassesAddressesOn(t *testing.T) {
	for version := 1; version <= 2; version++ {
		for _, fixed := range []bool{false, true} {
			to, said := heard(t)
			last := startProxy(t, to, func(c *proxyConfig) {
				c.acceptGreet, c.sendGreet, c.fixedFiles, c.maxConns = true, 3-version, fixed, 16
			})
			first := startProxy(t, last.addr, func(c *proxyConfig) { c.sendGreet, c.fixedFiles, c.maxConns = version, fixed, 16 })
			c := dial(t, first.addr)
			if err := sendEnd(c, "text"); err != nil {
				t.Fatal(err)
			}
			got := <-said
			g, n, err := parseGreeting([]byte(got))
			if err != nil || g.from.String() != c.LocalAddr().String() || g.to.String() != first.addr || got[n:] != "text" {
				t.Errorf("version %d: the target got %q, %v, %v", version, got, g, err)
			}
			first.stop(t)
			last.stop(t)
		}
	}
}

// sendEnd sends the text and closes this side.
func sendEnd(c net.Conn, text string) error {
	if _, err := c.Write([]byte(text)); err != nil {
		return err
	}
	return c.(*net.TCPConn).CloseWrite()
}

// A header may come byte by byte, and with bytes behind it.
func TestProxyTakesGreetingsInPieces(t *testing.T) {
	to, said := heard(t)
	p := startProxy(t, to, func(c *proxyConfig) { c.acceptGreet, c.logConns = true, true })
	for version := 1; version <= 2; version++ {
		c := dial(t, p.addr)
		header := v4.append(nil, version)
		for _, b := range header {
			if _, err := c.Write([]byte{b}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Microsecond) // or they come together
		}
		if err := sendEnd(c, "one by one"); err != nil {
			t.Fatal(err)
		}
		if got := <-said; got != "one by one" {
			t.Errorf("the target got %q", got)
		}
		c = dial(t, p.addr)
		if err := sendEnd(c, string(header)+"at once"); err != nil {
			t.Fatal(err)
		}
		if got := <-said; got != "at once" {
			t.Errorf("the target got %q", got)
		}
	}
	p.stop(t)
	if n := strings.Count(p.out.String(), "client="+v4.from.String()); n != 4 {
		t.Errorf("the log names the client %d times: %s", n, p.out.String())
	}
}

func TestProxyRefusesBadGreetings(t *testing.T) {
	to, _ := heard(t)
	p := startProxy(t, to, func(c *proxyConfig) { c.acceptGreet, c.connectTime = true, 300*time.Millisecond })
	for _, text := range []string{"GET / HTTP/1.1\r\n\r\n", "PROXY TCP4 1.2.3.4\r\n", "PROXY ", greetingV2 + "\x21\x11\xff\xff", strings.Repeat("\r\n", 2000)} {
		c := dial(t, p.addr)
		_, _ = c.Write([]byte(text))
		if err := ends(t, c); err == nil || strings.Contains(err.Error(), "timeout") {
			t.Errorf("after %.20q: %v, want a reset", text, err)
		}
	}
	dial(t, p.addr).Close()
	if s := p.stop(t); s.ends[endGreeting] != 6 || s.failed() != 6 {
		t.Errorf("%v: %q", s.ends, p.logged())
	}
}
