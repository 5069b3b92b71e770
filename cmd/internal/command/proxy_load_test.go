//go:build linux

package command

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/uring-go/uring"
)

// incrementalBundles is the mode in which all connections share few large
// buffers.
func incrementalBundles(c *proxyConfig) {
	c.incremental, c.needBundle, c.send = true, true, uring.SendBundle
}

func TestProxyCarriesThousandConnectionsOverSharedIncrementalBuffers(t *testing.T) {
	conns := 1000
	if testing.Short() {
		conns = 100
	}
	var h hashes
	p := startProxy(t, startTarget(t, h.sink), func(c *proxyConfig) {
		incrementalBundles(c)
		c.bufs, c.bufSize = 64, 64<<10
	})
	var wg sync.WaitGroup
	open := make(chan struct{}) // closed when all are connected
	var connected sync.WaitGroup
	connected.Add(conns)
	for i := range conns {
		wg.Add(1)
		go func() {
			defer wg.Done()
			c, err := net.Dial("tcp4", p.addr)
			connected.Done()
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			<-open
			if _, err := c.Write(testBytes(int64(i), 20_000+i)); err != nil {
				t.Error(err)
			}
			_ = c.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, c)
		}()
	}
	connected.Wait()
	close(open)
	wg.Wait()
	s := p.stop(t)
	for i := range conns {
		if n := h.count(testBytes(int64(i), 20_000+i)); n != 1 {
			t.Errorf("the bytes of connection %d arrived %d times", i, n)
		}
	}
	if s.connections != uint64(conns) || s.failed() != 0 {
		t.Errorf("%d connections, %d failed", s.connections, s.failed())
	}
}

// moreThanSocketsHold is more than goes into the proxy's sockets and its buffers
// when the sink does not read: TCP may make the one that receives as large as
// tcp_rmem allows, the one that sends as tcp_wmem does. The sockets at the ends
// are small.
func moreThanSocketsHold(t *testing.T) int {
	t.Helper()
	sum := 2 << 20
	for _, name := range []string{"tcp_rmem", "tcp_wmem"} {
		limits, err := os.ReadFile("/proc/sys/net/ipv4/" + name)
		if err != nil {
			t.Fatal(err)
		}
		var least, usual, most int
		if _, err := fmt.Sscan(string(limits), &least, &usual, &most); err != nil {
			t.Fatal(err)
		}
		sum += most
	}
	return sum
}

// A sink that does not read must hold its sender back, while the proxy keeps
// no more than its buffers; when it reads again, nothing is lost.
func TestProxyHoldsFastSenderBackForSlowSink(t *testing.T) {
	const rest = 1 << 20 // to be sent when the sink reads
	room := moreThanSocketsHold(t)
	data := testBytes(3, room+rest)
	for _, m := range proxyModes {
		t.Run(m.name, func(t *testing.T) {
			var h hashes
			read := make(chan struct{})
			p := startProxy(t, startTarget(t, func(c *net.TCPConn) {
				_ = c.SetReadBuffer(64 << 10)
				<-read
				h.sink(c)
			}), func(c *proxyConfig) {
				m.change(c)
				c.bufs, c.bufSize, c.queue = 64, 4<<10, 64<<10
			})
			sent := make(chan error, 1)
			progress := make(chan int, 1)
			go func() {
				written := 0
				c, err := net.Dial("tcp4", p.addr)
				if err != nil {
					progress <- written
					sent <- err
					return
				}
				defer c.Close()
				_ = c.(*net.TCPConn).SetWriteBuffer(64 << 10)
				for n := 1; n > 0; written += n { // until it is stuck, however slow the machine is
					_ = c.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
					n, _ = c.Write(data[written:min(written+64<<10, room)])
				}
				progress <- written
				_ = c.SetWriteDeadline(time.Time{})
				_, err = c.Write(data[written : written+rest])
				_ = c.(*net.TCPConn).CloseWrite()
				_, _ = io.Copy(io.Discard, c)
				sent <- err
			}()
			written := <-progress
			if written == room {
				t.Errorf("all %d bytes were taken though nobody read them", written)
			}
			close(read)
			if err := <-sent; err != nil {
				t.Error(err)
			}
			s := p.stop(t)
			if h.count(data[:written+rest]) != 1 {
				t.Error("the bytes did not arrive as they were sent")
			}
			if s.held == 0 && s.starved == 0 {
				t.Error("the sender was never held back")
			}
		})
	}
}

// A receive can be limited to 2 GiB only.
func TestProxyWithAQueueThatIsLargerThanMemory(t *testing.T) {
	var h hashes
	p := startProxy(t, startTarget(t, h.sink), func(c *proxyConfig) { c.queue = math.MaxInt64 })
	data := testBytes(1, 1<<20)
	if err := sendAll(p.addr, data, len(data)); err != nil {
		t.Fatal(err)
	}
	p.stop(t)
	if h.count(data) != 1 {
		t.Error("the bytes did not arrive as they were sent")
	}
}

// One connection whose receiver does not read must not stop the others that
// share its buffers, whether or not the kernel knows limits of receives.
func TestProxySlowReceiverDoesNotStopOthers(t *testing.T) {
	var h hashes
	stuck := make(chan struct{})
	first := true
	var mu sync.Mutex
	p := startProxy(t, startTarget(t, func(c *net.TCPConn) {
		mu.Lock()
		mine := first
		first = false
		mu.Unlock()
		if mine {
			_ = c.SetReadBuffer(64 << 10)
			<-stuck
		}
		h.sink(c)
	}), func(c *proxyConfig) {
		incrementalBundles(c)
		c.bufs, c.bufSize, c.queue = 16, 64<<10, 128<<10
	})
	slow, err := net.Dial("tcp4", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	_ = slow.(*net.TCPConn).SetWriteBuffer(64 << 10)
	done := make(chan error, 1)
	slowBytes := testBytes(1, moreThanSocketsHold(t))
	go func() {
		_, err := slow.Write(slowBytes)
		_ = slow.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, slow)
		done <- err
	}()
	time.Sleep(100 * time.Millisecond)
	for i := range 20 {
		data := testBytes(int64(100+i), 256<<10)
		if err := sendAll(p.addr, data, 64<<10); err != nil {
			t.Fatal(err)
		}
		if h.count(data) != 1 {
			t.Fatalf("transfer %d did not arrive as it was sent", i)
		}
	}
	close(stuck)
	if err := <-done; err != nil {
		t.Error(err)
	}
	p.stop(t)
	if h.count(slowBytes) != 1 {
		t.Error("the bytes of the slow connection did not arrive as they were sent")
	}
}

func TestProxyLogsRefusedTargetAndGoesOn(t *testing.T) {
	nobody := closedPort(t)
	for _, fixed := range []bool{false, true} {
		t.Run(fmt.Sprintf("fixed=%v", fixed), func(t *testing.T) {
			p := startProxy(t, nobody, func(c *proxyConfig) { c.fixedFiles, c.maxConns = fixed, 16 })
			for range 40 {
				c, err := net.Dial("tcp4", p.addr)
				if err != nil {
					continue // the reset came before Dial had looked
				}
				_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
				if _, err := c.Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), "timeout") {
					t.Errorf("read from a connection that has no target: %v", err)
				}
				c.Close()
			}
			if s := p.stop(t); s.failed() != 40 {
				t.Errorf("%d failed, want 40", s.failed())
			}
			for _, line := range p.logged() {
				if !strings.Contains(line, "connect to "+nobody+": connection refused") {
					t.Errorf("logged %q", line)
				}
			}
		})
	}
}

func TestProxyPassesResetsOn(t *testing.T) {
	for _, m := range proxyModes {
		t.Run(m.name, func(t *testing.T) {
			ended := make(chan error, 1)
			p := startProxy(t, startTarget(t, func(c *net.TCPConn) {
				// Some kernels drop what they have no room for. TCP then takes no
				// notice of the reset behind that.
				_ = c.SetReadBuffer(1 << 20)
				_, err := io.Copy(io.Discard, c)
				ended <- err
			}), m.change)
			c, err := net.Dial("tcp4", p.addr)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Write(testBytes(1, 200_000)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(20 * time.Millisecond)
			_ = c.(*net.TCPConn).SetLinger(0)
			c.Close()
			select {
			case err := <-ended:
				if err == nil || !strings.Contains(err.Error(), syscall.ECONNRESET.Error()) {
					t.Errorf("the target saw %v, want a reset", err)
				}
			case <-time.After(5 * time.Second):
				t.Error("the target never heard of the reset")
			}
			if s := p.stop(t); s.failed() != 0 || s.left() != 1 {
				t.Errorf("%d failed, %d left, want 0 and 1", s.failed(), s.left())
			}
			if l := p.logged(); len(l) != 0 {
				t.Errorf("logged %q", l)
			}
		})
	}
}

// The target goes while the client still sends.
func TestProxyTargetResetsMidStream(t *testing.T) {
	for _, m := range proxyModes {
		t.Run(m.name, func(t *testing.T) {
			p := startProxy(t, startTarget(t, func(c *net.TCPConn) {
				_, _ = io.CopyN(io.Discard, c, 100_000)
				_ = c.SetLinger(0)
			}), m.change)
			c, err := net.Dial("tcp4", p.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_ = c.SetWriteDeadline(time.Now().Add(time.Minute))
			for err == nil {
				_, err = c.Write(testBytes(1, 100_000))
			}
			if strings.Contains(err.Error(), "timeout") {
				t.Error("the client never heard of the reset")
			}
			if s := p.stop(t); s.failed() != 1 {
				t.Errorf("%d failed, want 1: %q", s.failed(), p.logged())
			}
		})
	}
}

// The reset is there, behind much data, when the proxy goes on receiving: a
// multishot receive alone can miss it.
func TestProxyPassesOnAResetThatCameWhileItHeldTheSenderBack(t *testing.T) {
	data := testBytes(1, 3<<20)
	for _, m := range proxyModes {
		t.Run(m.name, func(t *testing.T) {
			reset := make(chan struct{}, 5)
			p := startProxy(t, startTarget(t, func(c *net.TCPConn) {
				_ = c.SetWriteBuffer(4 << 20)
				_ = c.SetWriteDeadline(time.Now().Add(150 * time.Millisecond)) // or as much as there is room for
				_, _ = c.Write(data)
				_ = c.SetLinger(0)
				time.Sleep(20 * time.Millisecond)
				c.Close()
				reset <- struct{}{}
			}), func(c *proxyConfig) {
				m.change(c)
				c.bufs, c.bufSize, c.queue = 256, 1<<10, 64<<10
			})
			for range 5 {
				c, err := net.Dial("tcp4", p.addr)
				if errors.Is(err, syscall.ECONNRESET) { // passed on before Dial looked
					<-reset
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				_ = c.(*net.TCPConn).SetReadBuffer(64 << 10)
				<-reset
				_ = c.SetReadDeadline(time.Now().Add(30 * time.Second))
				n, err := io.Copy(io.Discard, c)
				if !errors.Is(err, syscall.ECONNRESET) {
					t.Fatalf("after %d bytes: %v, want a reset", n, err)
				}
			}
			p.stop(t)
		})
	}
}

func TestProxyDrainsOnInterruptAndAbortsAfterGrace(t *testing.T) {
	var h hashes
	p := startProxy(t, startTarget(t, h.sink), func(c *proxyConfig) { c.grace = 1500 * time.Millisecond })
	finishes, err := net.Dial("tcp4", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer finishes.Close()
	hangs, err := net.Dial("tcp4", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer hangs.Close()
	for _, c := range []net.Conn{finishes, hangs} {
		if _, err := c.Write([]byte("first ")); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(50 * time.Millisecond)
	p.cancel()
	time.Sleep(500 * time.Millisecond)
	if c, err := net.Dial("tcp4", p.addr); err == nil {
		_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		_, _ = c.Write([]byte("late"))
		c.Close()
	}
	if _, err := finishes.Write([]byte("second")); err != nil {
		t.Error(err)
	}
	_ = finishes.(*net.TCPConn).CloseWrite()
	if _, err := io.Copy(io.Discard, finishes); err != nil {
		t.Error(err)
	}
	s := p.stop(t)
	if h.count([]byte("first second")) != 1 {
		t.Error("the connection that was open did not finish")
	}
	if s.connections != 2 || s.failed() != 1 {
		t.Errorf("%d connections, %d failed: %q", s.connections, s.failed(), p.logged())
	}
}

// Some kernels post completions for requests that are over.
func TestProxyTakesStrayCompletions(t *testing.T) {
	err := uring.Serve(uring.Config{}, func(r *uring.Ring) (err error) {
		p := &proxy{proxyConfig: proxyDefaults(), ring: r}
		if p.br, err = r.NewBufRing(uring.BufRingConfig{Entries: 1, BufSize: 64}); err != nil {
			return err
		}
		there := &pair{state: forwarding, pending: 1}
		there.flows[0].pair = there
		p.pairs = []*pair{there, nil} // the one waits for another request, the other is gone
		for slot := range uint32(4) {
			p.handle(uring.CQE{UserData: uint64(uring.MakeToken(proxyRecv, 0, slot)), Res: -int32(syscall.ECONNRESET)})
		}
		if there.pending != 1 || there.state != forwarding {
			t.Errorf("%d requests are pending in state %d, want 1 in %d", there.pending, there.state, forwarding)
		}
		return p.fatal
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Connections wait in the listener meanwhile, and the proxy does not ask for
// them all the time.
func TestProxyAcceptsLaterWhenDescriptorsRunOut(t *testing.T) {
	err := uring.Serve(uring.Config{}, func(r *uring.Ring) error {
		p := &proxy{proxyConfig: proxyDefaults(), ring: r, log: newProxyLog(slog.DiscardHandler)}
		defer p.log.close()
		for _, err := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS} {
			p.later, p.armed, p.accepting[3].armed = false, 1, true
			queued := r.Queued()
			p.accepted(3, uring.CQE{Res: -int32(err)})
			if !p.later || p.armed != 0 || r.Queued() != queued+1 {
				t.Errorf("%v: later %v, %d accepts, %d requests, want a timeout alone", err, p.later, p.armed, r.Queued()-queued)
			}
		}
		return p.fatal
	})
	if err != nil {
		t.Error(err)
	}
}

// blackhole returns the address of a listener whose queue is full: connecting
// to it takes for ever.
func blackhole(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	sa, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", sa.(*syscall.SockaddrInet4).Port)
	c, err := net.Dial("tcp4", addr) // there is room for one
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return addr
}

// A connection that is aborted while it has no target yet is over with the last
// of its requests, in whichever order they complete.
func TestProxyAbortsAfterGraceWhileTargetDoesNotAnswer(t *testing.T) {
	to := blackhole(t)
	for _, fixed := range []bool{false, true} {
		t.Run(fmt.Sprintf("fixed=%v", fixed), func(t *testing.T) {
			p := startProxy(t, to, func(c *proxyConfig) { c.fixedFiles, c.maxConns, c.grace = fixed, 16, 200*time.Millisecond })
			c, err := net.Dial("tcp4", p.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			time.Sleep(50 * time.Millisecond)
			if s := p.stop(t); s.connections != 1 || s.failed() != 1 {
				t.Errorf("%d connections, %d failed, want 1 and 1", s.connections, s.failed())
			}
			if l := p.logged(); len(l) != 1 || !strings.Contains(l[0], "grace time is over") {
				t.Errorf("logged %q", l)
			}
		})
	}
}
