package main

import (
	"fmt"
	"runtime"
	"syscall"
	"time"

	"github.com/uring-go/uring"
)

// proxyStats counts what a proxy did.
type proxyStats struct {
	connections uint64
	failed      uint64
	received    uint64 // bytes
	sent        uint64 // bytes
	completions uint64
	starved     uint64 // receives that found no buffer
	held        uint64 // times that a fast sender was held back
	elapsed     time.Duration
	cpu         time.Duration // of the ring's thread

	buffers   uint64 // receive buffers used up
	bufSize   int
	mismatch  uint64
	requests  uint64 // sends
	zc        uint64 // of them zero-copy
	copied    uint64 // of them copied by the kernel all the same
	notified  uint64
	leftovers int // buffers that did not come back
}

// countQueue adds what a send queue did.
func (p *proxy) countQueue(q *uring.SendQueue) {
	s := q.Stats()
	p.stats.requests += s.Requests
	p.stats.zc += s.ZeroCopy
	p.stats.copied += s.Copied
	p.stats.notified += s.Notifications
}

// countBuffers adds what the receive buffers did.
func (p *proxy) countBuffers() {
	s := p.br.Stats()
	p.stats.buffers, p.stats.mismatch = s.Buffers, s.Mismatches
	p.stats.bufSize = p.br.BufSize()
	p.stats.leftovers = p.br.Entries() - s.InKernel
}

// snapshot returns the present figures.
func (p *proxy) snapshot() string {
	s := p.br.Stats()
	return fmt.Sprintf("%d connections open, %d bytes received, %d sent, %d slices of %d buffers waiting, %d times no buffer, %d times held back",
		p.live, p.stats.received, p.stats.sent, s.Lent, p.br.Entries()-s.InKernel, p.stats.starved, p.stats.held)
}

// String is the summary at the end.
func (s proxyStats) String() string {
	return fmt.Sprintf("%d connections, %d failed; %d bytes received, %d sent in %v; %d completions, %d buffers, %d sends; cpu %v",
		s.connections, s.failed, s.received, s.sent, s.elapsed.Round(time.Millisecond), s.completions, s.buffers, s.requests, s.cpu.Round(time.Millisecond))
}

// threadCPU returns the processor time that the calling thread has used.
func threadCPU() time.Duration {
	const rusageThread = 1
	var u syscall.Rusage
	if err := syscall.Getrusage(rusageThread, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// onThread runs fn on a thread of its own.
func onThread(fn func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		done <- fn()
	}()
	return <-done
}
