//go:build linux

package command

import (
	"flag"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

var slowReaders = flag.Int("slow.readers", 50, "how many readers stop in the test of those")

// echoOrStop echoes, unless the first byte says that it is to read no more before the
// test is over.
func echoOrStop(c *net.TCPConn, over <-chan struct{}) {
	_ = c.SetReadBuffer(4096)
	var first [1]byte
	if _, err := io.ReadFull(c, first[:]); err != nil {
		return
	}
	if first[0] == 'S' {
		smallSender(c.RemoteAddr().(*net.TCPAddr).Port)
		_, _ = c.Write(first[:])
		_, _ = io.ReadFull(c, make([]byte, 1<<10))
		<-over
		return
	}
	_, _ = c.Write(first[:])
	_, _ = io.Copy(c, c)
}

// smallSender makes the socket hold little that the proxy, in this process, has bound
// to a port: otherwise it would take megabytes.
func smallSender(port int) {
	oneSmallSender.Lock() // many at once would keep the proxy from its descriptors
	defer oneSmallSender.Unlock()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return
	}
	for _, e := range entries {
		fd, _ := strconv.Atoi(e.Name())
		name, err := syscall.Getsockname(fd)
		if a, ok := name.(*syscall.SockaddrInet4); err == nil && ok && a.Port == port {
			_ = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_SNDBUF, 4096)
		}
	}
}

var oneSmallSender sync.Mutex

// stopReading lets n readers stop, each with small messages that wait in the proxy.
// They go on until close.
func stopReading(t *testing.T, addr string, n int) (sent int, stop func()) {
	t.Helper()
	var mu sync.Mutex
	var conns []net.Conn
	var all sync.WaitGroup
	for range n {
		all.Add(1)
		go func() {
			defer all.Done()
			c, err := net.Dial("tcp4", addr)
			if err != nil {
				t.Error(err)
				return
			}
			_ = c.SetDeadline(time.Now().Add(time.Minute))
			_, _ = c.Write([]byte("S"))
			if _, err := io.ReadFull(c, make([]byte, 1)); err != nil { // now the proxy's socket holds little
				t.Error("no answer: ", err)
				return
			}
			_ = c.(*net.TCPConn).SetNoDelay(true)
			message := slices.Repeat([]byte("S"), 700)
			mine := 0
			for range 200 {
				_ = c.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
				k, err := c.Write(message)
				mine += k
				if err != nil {
					break
				}
				time.Sleep(100 * time.Microsecond) // or they would come joined
			}
			mu.Lock()
			defer mu.Unlock()
			sent += mine
			conns = append(conns, c)
		}()
	}
	all.Wait()
	return sent, func() {
		for _, c := range conns {
			c.Close()
		}
	}
}

// answers measures how long an answer through the proxy takes.
func answers(t *testing.T, addr string, n int) (median time.Duration) {
	t.Helper()
	var times []time.Duration
	var mu sync.Mutex
	var all sync.WaitGroup
	for range 4 {
		all.Add(1)
		go func() {
			defer all.Done()
			c, err := net.Dial("tcp4", addr)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(time.Minute))
			p := slices.Repeat([]byte("e"), 64)
			for range n {
				start := time.Now()
				if _, err := c.Write(p); err != nil {
					t.Error(err)
					return
				}
				if _, err := io.ReadFull(c, p); err != nil {
					t.Error("no answer: ", err)
					return
				}
				mu.Lock()
				times = append(times, time.Since(start))
				mu.Unlock()
			}
		}()
	}
	all.Wait()
	if t.Failed() {
		t.FailNow()
	}
	slices.Sort(times)
	return times[len(times)/2]
}

// Readers that stop, each with many small messages, keep no buffer from others.
// -slow.readers=1000 -v is the measurement: best in a network namespace with a
// net.ipv4.tcp_wmem of "4096 8192 16384" and a tcp_rmem of "4096 16384 32768".
func TestProxyReadersThatStopDoNotStopOthers(t *testing.T) {
	for _, m := range proxyModes {
		if m.name != "vectored" && m.name != "zc" && m.name != "incremental-bundle" {
			continue
		}
		if m.name == "vectored" {
			m.name, m.change = "default", func(*proxyConfig) {}
		}
		t.Run(m.name, func(t *testing.T) {
			over := make(chan struct{})
			addr := startTarget(t, func(c *net.TCPConn) { echoOrStop(c, over) })
			end := sync.OnceFunc(func() { close(over) })
			p := startProxy(t, addr, func(c *proxyConfig) {
				m.change(c)
				c.bufs = 32 // less than readers that stop: their messages may come joined
			})
			t.Cleanup(end) // the proxy waits for connections when it is to end
			alone := answers(t, p.addr, 500)
			sent, stop := stopReading(t, p.addr, *slowReaders)
			median := answers(t, p.addr, 500)
			t.Logf("median %v with %d readers that stopped, for which %d bytes were sent; %v without", median, *slowReaders, sent, alone)
			if median > 100*time.Millisecond {
				t.Errorf("the median answer takes %v, without readers that stopped %v", median, alone)
			}
			stop()
			end()
			if s := p.stop(t); s.copiedOut == 0 {
				t.Error("nothing was copied: no reader stopped")
			} else {
				t.Logf("%d bytes copied out of %d buffers", s.copiedOut, s.buffers)
			}
		})
	}
}
