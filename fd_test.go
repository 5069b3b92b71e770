//go:build linux

package uring

import (
	"strings"
	"testing"
)

func TestDescriptors(t *testing.T) {
	for _, c := range []struct {
		fd     FD
		direct bool
		text   string
	}{
		{FD(0), false, "fd 0"},
		{FD(-1), false, "fd -1"},
		{FD(1<<20 + 3), false, "fd 1048579"},
		{DirectSlot(0).FD(), true, "direct 0"},
		{DirectSlot(32767).FD(), true, "direct 32767"},
		{DirectSlot(1<<30 - 1).FD(), true, "direct 1073741823"},
	} {
		equal(t, "text", c.fd.String(), c.text)
		equal(t, "is direct", c.fd.IsDirect(), c.direct)
		if c.direct {
			d := c.fd.Direct()
			equal(t, "text", d.String(), c.text)
			equal(t, "back again", DirectSlot(d.Slot()).FD(), c.fd)
		}
	}
	equal(t, "DirectAlloc in place of a descriptor", DirectAlloc.FD().IsDirect(), false)
	for _, n := range []int{-1, 1 << 30} {
		func() {
			defer func() {
				if text, _ := recover().(string); !strings.Contains(text, "no direct descriptor has slot") {
					t.Errorf("DirectSlot(%d): %q", n, text)
				}
			}()
			DirectSlot(n)
		}()
	}
}
