package command

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// A greeting is a header of the PROXY protocol: where a connection comes from,
// and where it went to, before other proxies took it on. See
// https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt.
type greeting struct {
	from, to netip.AddrPort // zero values if the sender does not say
}

const (
	maxGreeting   = 2048 // with what version 2 may add to addresses
	maxGreetingV1 = 107
	greetingV1    = "PROXY "
	greetingV2    = "\r\n\r\n\x00\r\nQUIT\n"
	greetingV2Len = len(greetingV2) + 4 // before the addresses
)

// errShortGreeting is that of a header whose end is still to come.
var errShortGreeting = errors.New("the header of the PROXY protocol is not complete")

// parseGreeting reads the header at the start of p, of either version, and returns
// its length. The error is errShortGreeting while p may become one.
func parseGreeting(p []byte) (g greeting, n int, err error) {
	switch {
	case startsWith(p, greetingV1):
		return parseGreetingV1(p)
	case startsWith(p, greetingV2):
		return parseGreetingV2(p)
	}
	return g, 0, errors.New("no header of the PROXY protocol")
}

// startsWith reports whether p starts with s, as far as p goes.
func startsWith(p []byte, s string) bool {
	return string(p[:min(len(p), len(s))]) == s[:min(len(p), len(s))]
}

func parseGreetingV1(p []byte) (g greeting, n int, err error) {
	line, _, ok := bytes.Cut(p[:min(len(p), maxGreetingV1)], []byte("\r\n"))
	switch {
	case !ok && len(p) < maxGreetingV1:
		return g, 0, errShortGreeting
	case !ok:
		return g, 0, fmt.Errorf("a header of the PROXY protocol, version 1, of more than %d bytes", maxGreetingV1)
	}
	n = len(line) + len("\r\n")
	f := strings.Split(string(line), " ")
	if f[1] == "UNKNOWN" {
		return g, n, nil
	}
	if len(f) == 6 && (f[1] == "TCP4" || f[1] == "TCP6") {
		var okFrom, okTo bool
		g.from, okFrom = parseEnd(f[2], f[4], f[1] == "TCP4")
		g.to, okTo = parseEnd(f[3], f[5], f[1] == "TCP4")
		if okFrom && okTo {
			return g, n, nil
		}
	}
	return greeting{}, 0, fmt.Errorf("bad header of the PROXY protocol: %q", line)
}

// parseEnd reads an address and a port, as version 1 writes them.
func parseEnd(address, port string, is4 bool) (netip.AddrPort, bool) {
	ip, err := netip.ParseAddr(address)
	if err != nil || ip.Is4() != is4 || ip.Zone() != "" {
		return netip.AddrPort{}, false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || strconv.FormatUint(n, 10) != port {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(ip, uint16(n)), true
}

// The bytes of version 2 after its start.
const (
	greetingLocal = 0x20 // the sender's own connection
	greetingProxy = 0x21
	greetingTCP4  = 0x11
	greetingTCP6  = 0x21
)

func parseGreetingV2(p []byte) (g greeting, n int, err error) {
	if len(p) < greetingV2Len {
		return g, 0, errShortGreeting
	}
	command, family := p[len(greetingV2)], p[len(greetingV2)+1]
	n = greetingV2Len + int(binary.BigEndian.Uint16(p[greetingV2Len-2:]))
	switch {
	case command != greetingLocal && command != greetingProxy:
		return g, 0, fmt.Errorf("a header of the PROXY protocol with version and command %#x", command)
	case n > maxGreeting:
		return g, 0, fmt.Errorf("a header of the PROXY protocol with %d bytes, want at most %d", n, maxGreeting)
	case len(p) < n:
		return g, 0, errShortGreeting
	case command == greetingLocal:
		return g, n, nil
	}
	ends := p[greetingV2Len:n]
	size := map[byte]int{greetingTCP4: 4, greetingTCP6: 16}[family]
	if size == 0 {
		return g, n, nil // nothing that a connection over TCP can have
	}
	if len(ends) < 2*size+4 {
		return g, 0, fmt.Errorf("a header of the PROXY protocol with addresses of %d bytes, want %d", len(ends), 2*size+4)
	}
	port := func(i int) uint16 { return binary.BigEndian.Uint16(ends[2*size+2*i:]) }
	from, _ := netip.AddrFromSlice(ends[:size])
	to, _ := netip.AddrFromSlice(ends[size : 2*size])
	return greeting{netip.AddrPortFrom(from, port(0)), netip.AddrPortFrom(to, port(1))}, n, nil
}

// append writes the header in the version, 1 or 2. Where the addresses are not known,
// or of two kinds, it says that.
func (g greeting) append(p []byte, version int) []byte {
	known := g.from.IsValid() && g.to.IsValid() && g.from.Addr().Is4() == g.to.Addr().Is4()
	if version == 1 {
		if !known {
			return append(p, "PROXY UNKNOWN\r\n"...)
		}
		family := "TCP6"
		if g.from.Addr().Is4() {
			family = "TCP4"
		}
		return fmt.Appendf(p, "PROXY %s %v %v %d %d\r\n", family,
			g.from.Addr().WithZone(""), g.to.Addr().WithZone(""), g.from.Port(), g.to.Port())
	}
	p = append(p, greetingV2...)
	if !known {
		return append(p, greetingProxy, 0, 0, 0)
	}
	family, size := byte(greetingTCP6), uint16(36)
	if g.from.Addr().Is4() {
		family, size = greetingTCP4, 12
	}
	p = append(p, greetingProxy, family)
	p = binary.BigEndian.AppendUint16(p, size)
	p = append(p, g.from.Addr().AsSlice()...)
	p = append(p, g.to.Addr().AsSlice()...)
	p = binary.BigEndian.AppendUint16(p, g.from.Port())
	return binary.BigEndian.AppendUint16(p, g.to.Port())
}

// ownGreeting is the header of a connection that stands for nobody else's.
func ownGreeting(version int) []byte {
	switch version {
	case 0:
		return nil
	case 1:
		return greeting{}.append(nil, 1)
	}
	return append([]byte(greetingV2), greetingLocal, 0, 0, 0)
}
