//go:build linux

package command

import (
	"io"
	"net"
	"testing"
	"time"
)

// A server that answers, and closes without having read all of the request, resets
// its connection right behind the answer. The client must get the answer all the same.
func TestProxyBringsAnAnswerThatComesBeforeAReset(t *testing.T) {
	const times, size = 40, 30_000
	answer := testBytes(1, size)
	for _, m := range proxyModes {
		t.Run(m.name, func(t *testing.T) {
			p := startProxy(t, startTarget(t, func(c *net.TCPConn) {
				_, _ = io.ReadFull(c, make([]byte, 1000))
				_, _ = c.Write(answer)
			}), m.change)
			whole, want := 0, times
			for range times {
				c, err := net.Dial("tcp4", p.addr)
				if err != nil {
					t.Fatal(err)
				}
				_, _ = c.Write(make([]byte, 100_000))
				_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
				got, err := io.ReadAll(c)
				if len(got) == size {
					whole++
				} else {
					t.Logf("%d bytes, %v", len(got), err)
				}
				c.Close()
			}
			if p.oneWay {
				want = 0
			}
			if whole < want {
				t.Errorf("%d of %d answers were whole", whole, times)
			}
			p.stop(t)
		})
	}
}
