package command

import (
	"bytes"
	"errors"
	"net/netip"
	"strings"
	"testing"
)

var (
	v4 = greeting{netip.MustParseAddrPort("192.0.2.1:1024"), netip.MustParseAddrPort("198.51.100.7:443")}
	v6 = greeting{netip.MustParseAddrPort("[2001:db8::1]:65535"), netip.MustParseAddrPort("[2001:db8::2]:80")}
)

func TestGreetingsReadBackAndEndWhereTheyEnd(t *testing.T) {
	for _, g := range []greeting{v4, v6, {}} {
		for version := 1; version <= 2; version++ {
			header := g.append(nil, version)
			got, n, err := parseGreeting(append(bytes.Clone(header), "and more\r\n"...))
			if got != g || n != len(header) || err != nil {
				t.Errorf("%q is %v, %d bytes, %v, want %v and %d", header, got, n, err, g, len(header))
			}
			for i := range header {
				if _, _, err := parseGreeting(header[:i]); !errors.Is(err, errShortGreeting) {
					t.Errorf("%q gives %v", header[:i], err)
				}
			}
		}
	}
	for version := 1; version <= 2; version++ {
		if g, n, err := parseGreeting(ownGreeting(version)); g != (greeting{}) || n == 0 || err != nil {
			t.Errorf("version %d's own greeting is %v, %d, %v", version, g, n, err)
		}
	}
	if got := string(v4.append(nil, 1)); got != "PROXY TCP4 192.0.2.1 198.51.100.7 1024 443\r\n" {
		t.Errorf("version 1 is %q", got)
	}
}

func TestBadGreetingsAreRefused(t *testing.T) {
	long := append([]byte(greetingV2), greetingProxy, greetingTCP4, 0xff, 0xff)
	for _, p := range []string{
		"GET / HTTP/1.1\r\n", "PROXY\r\n", "PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n", "PROXY TCP4 ::1 ::2 1 2\r\n",
		"PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n", "PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n", "PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n",
		"PROXY TCP4 1.2.3.4  5.6.7.8 1 2\r\n", "PROXY TCP6 fe80::1%lo ::1 1 2\r\n", "PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n",
		"PROXY TCP4 " + strings.Repeat("1", 200), string(long), greetingV2 + "\x31\x11\x00\x0c", greetingV2 + "\x21\x11\x00\x02ab",
	} {
		if g, n, err := parseGreeting([]byte(p)); err == nil || errors.Is(err, errShortGreeting) || n != 0 || g != (greeting{}) {
			t.Errorf("%q is %v, %d bytes, %v", p, g, n, err)
		}
	}
}

// FuzzGreeting reads any bytes. What is taken ends within them, and a header written
// from it says the same.
func FuzzGreeting(f *testing.F) {
	for _, g := range []greeting{v4, v6, {}} {
		f.Add(g.append(nil, 1))
		f.Add(g.append(nil, 2))
	}
	f.Add([]byte(greetingV2 + "\x21\x11\x00\x0dabcdefghijklm"))
	f.Fuzz(func(t *testing.T, p []byte) {
		g, n, err := parseGreeting(p)
		if err != nil {
			if errors.Is(err, errShortGreeting) && len(p) >= maxGreeting {
				t.Fatalf("%d bytes are not enough", len(p))
			}
			return
		}
		if n <= 0 || n > len(p) || n > maxGreeting {
			t.Fatalf("%d of %d bytes", n, len(p))
		}
		for version := 1; version <= 2; version++ {
			if back, _, err := parseGreeting(g.append(nil, version)); back != g || err != nil {
				t.Fatalf("%v is written as %v, %v", g, back, err)
			}
		}
	})
}
