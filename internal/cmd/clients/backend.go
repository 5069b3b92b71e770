//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A backend answers requests of a line, "N M", with N bytes in writes of M. It
// runs in this process, behind the fronts that hardships meet.
type backend struct {
	listener net.Listener
	wrote    atomic.Int64 // bytes, of all connections
	open     atomic.Int64 // connections
	most     atomic.Int64 // of them at once
}

func newBackend() (*backend, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	b := &backend{listener: l}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go b.serve(c)
		}
	}()
	return b, nil
}

func (b *backend) addr() string { return b.listener.Addr().String() }

func (b *backend) serve(c net.Conn) {
	defer c.Close()
	defer b.open.Add(-1)
	for n := b.open.Add(1); ; {
		most := b.most.Load()
		if n <= most || b.most.CompareAndSwap(most, n) {
			break
		}
	}
	in := bufio.NewReader(c)
	for {
		var n, each int
		if _, err := fmt.Fscanf(in, "%d %d\n", &n, &each); err != nil || n < 0 || each < 1 {
			return
		}
		for at := 0; at < n; at += each {
			k, err := c.Write(pattern[at%patternStep:][:min(each, n-at)])
			b.wrote.Add(int64(k))
			if err != nil {
				return
			}
		}
	}
}

// pattern is what backends answer with: byte i of an answer is pattern[i%251].
var pattern = func() []byte {
	p := make([]byte, 1<<20+patternStep)
	for i := range p {
		p[i] = byte(i % patternStep)
	}
	return p
}()

const patternStep = 251

// A visitor is a connection to a backend, through a front.
type visitor struct{ net.Conn }

// visit connects. A small window leaves what comes in the proxy's hands.
func visit(addr string, smallWindow bool) (visitor, error) {
	d := net.Dialer{Timeout: 3 * patience} // connections that find no place are tried again ever more seldom
	if smallWindow {
		d.Control = func(_, _ string, c syscall.RawConn) error {
			return c.Control(func(fd uintptr) {
				_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096)
			})
		}
	}
	c, err := d.Dial("tcp4", addr)
	return visitor{c}, err
}

// patience is how long an answer may take.
const patience = 10 * time.Second

func (v visitor) ask(n, each int) error {
	_, err := fmt.Fprintf(v, "%d %d\n", n, each)
	return err
}

// take reads an answer of n bytes, and compares it.
func (v visitor) take(n int) error {
	p := make([]byte, 64<<10)
	for at := 0; at < n; {
		if err := v.SetReadDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		k, err := v.Read(p[:min(len(p), n-at)])
		for i := range k {
			if p[i] != byte((at+i)%patternStep) {
				return fmt.Errorf("byte %d of %d is another", at+i, n)
			}
		}
		if at += k; err != nil && at < n {
			return fmt.Errorf("%d of %d bytes came: %w", at, n, err)
		}
	}
	return nil
}

// askAndTake is a request with its answer.
func (v visitor) askAndTake(n, each int) error {
	if err := v.ask(n, each); err != nil {
		return err
	}
	return v.take(n)
}

// once connects, asks, and leaves after a while.
func once(addr string, n int, stay time.Duration) error {
	v, err := visit(addr, false)
	if err != nil {
		return err
	}
	defer v.Close()
	if err := v.askAndTake(n, n); err != nil {
		return err
	}
	time.Sleep(stay)
	return nil
}

// atOnce runs f n times at the same time, and returns how many failed, with the
// first error.
func atOnce(n int, f func() error) (failed int, first error) {
	errs := make([]error, n)
	var running sync.WaitGroup
	for i := range n {
		running.Add(1)
		go func() {
			defer running.Done()
			errs[i] = f()
		}()
	}
	running.Wait()
	for _, err := range errs {
		if err != nil {
			failed++
			if first == nil {
				first = err
			}
		}
	}
	return failed, first
}

// median returns how long half of the answers to small requests take, on one
// connection.
func median(addr string, requests int) (time.Duration, error) {
	v, err := visit(addr, false)
	if err != nil {
		return 0, err
	}
	defer v.Close()
	var took []time.Duration
	for range requests {
		begin := time.Now()
		if err := v.askAndTake(100, 100); err != nil {
			return 0, fmt.Errorf("a small request: %w", err)
		}
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}

// settled waits until nothing is written any more.
func (b *backend) settled(ctx context.Context) {
	last, since := int64(-1), time.Now()
	for end := time.Now().Add(patience); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
		if n := b.wrote.Load(); n != last {
			last, since = n, time.Now()
		}
		if time.Since(since) > 500*time.Millisecond {
			return
		}
	}
}

// newHasty returns a server that answers with n bytes after the first that come,
// and closes with the rest unread.
func newHasty(n int) (net.Listener, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if _, err := io.ReadFull(c, make([]byte, 100)); err == nil {
					_, _ = c.Write(pattern[:n])
				}
			}()
		}
	}()
	return l, nil
}

// hastily sends a request that is not read, and counts the answers that come
// whole.
func hastily(addr string, times, n int) (whole int, err error) {
	for range times {
		v, err := visit(addr, false)
		if err != nil {
			return whole, err
		}
		go v.Write(make([]byte, 64<<10))
		if v.take(n) == nil {
			whole++
		}
		v.Close()
	}
	return whole, nil
}
