package command

import (
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/uring-go/uring"
)

// proxyStats counts what a proxy did.
type proxyStats struct {
	connections uint64
	ends        [endKinds]uint64 // connections that are over, by how
	retries     uint64           // attempts to connect that failed, and another followed
	received    uint64           // bytes
	sent        uint64           // bytes
	completions uint64
	starved     uint64 // receives that found no buffer
	held        uint64 // times that a fast sender was held back
	elapsed     time.Duration
	cpu         time.Duration // of the ring's thread
	kernelCPU   time.Duration // of the threads that the kernel has for the ring

	buffers   uint64 // receive buffers used up
	copiedOut uint64 // bytes copied, so that buffers went back
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

// countStream adds what made a stream wait.
func (s *proxyStats) countStream(in *uring.RecvStream) {
	done := in.Stats()
	s.starved += done.Starved
	s.held += done.Held
}

// waits returns what made streams wait, those that are open too.
func (p *proxy) waits() (starved, held uint64) {
	s := proxyStats{starved: p.stats.starved, held: p.stats.held}
	for _, pr := range p.pairs {
		if pr == nil {
			continue
		}
		for i := range pr.flows {
			if in := pr.flows[i].in; in != nil {
				s.countStream(in)
			}
		}
	}
	return s.starved, s.held
}

// countBuffers adds what the receive buffers did.
func (p *proxy) countBuffers() {
	s := p.br.Stats()
	p.stats.buffers, p.stats.mismatch, p.stats.copiedOut = s.Buffers, s.Mismatches, s.CopiedOut
	p.stats.bufSize = p.br.BufSize()
	p.stats.leftovers = p.br.Entries() - s.InKernel
}

// An endKind is how a connection ended.
type endKind int

const (
	endOrderly  endKind = iota
	endClient           // the client left; its own business
	endGreeting         // no header of the PROXY protocol, or a bad one
	endConnect          // no target could be reached
	endTarget           // the target broke the connection
	endIdle
	endDrain // it was open when the proxy ended
	endOther
	endKinds
)

var endNames = [endKinds]string{"orderly", "client", "greeting", "connect", "target", "idle", "drain", "other"}

// left is how many clients left of their own accord.
func (s *proxyStats) left() uint64 { return s.ends[endClient] }

// failed is how many connections failed.
func (s *proxyStats) failed() (n uint64) {
	for kind, count := range s.ends {
		if endKind(kind) != endOrderly && endKind(kind) != endClient {
			n += count
		}
	}
	return n
}

// ended counts a pair that is over, and logs it if anybody wants to know.
func (p *proxy) ended(pr *pair) {
	kind, level, msg := endOrderly, slog.LevelInfo, "connection"
	if pr.fail != nil {
		kind = pr.fail.kind
	}
	p.stats.ends[kind]++
	if kind != endOrderly && kind != endClient {
		level, msg = slog.LevelWarn, "connection failed"
	} else if !p.logConns {
		return
	}
	args := []any{"client", clientName(pr.client)}
	if pr.route.target != nil {
		args = append(args, "target", targetName(pr))
	}
	if pr.fail != nil {
		args = append(args, "side", [...]string{"client", "target"}[pr.fail.side], "error", pr.fail.err)
	}
	args = append(args, "sent", pr.flows[0].moved, "received", pr.flows[1].moved,
		"duration", time.Duration(p.time()-pr.began).Round(time.Microsecond))
	p.log.add(level, msg, args...)
}

func clientName(a netip.AddrPort) string {
	if !a.IsValid() {
		return "unix"
	}
	return a.String()
}

// targetName has the address of a target that was given by name.
func targetName(pr *pair) string {
	name := pr.route.target.name
	if at := pr.addr.ap.String(); pr.addr.ap.IsValid() && at != name {
		return name + " (" + at + ")"
	}
	return name
}

// logFigures logs the present figures.
func (p *proxy) logFigures() {
	s := p.br.Stats()
	starved, held := p.waits()
	p.log.info("figures", "open", p.live, "connections", p.stats.connections, "failed", p.stats.failed(),
		"received", p.stats.received, "sent", p.stats.sent, "slices", s.Lent,
		"buffers", p.br.Entries()-s.InKernel, "starved", starved, "held", held, "copied", s.CopiedOut)
}

// String is the summary at the end.
func (s proxyStats) String() string {
	text := fmt.Sprintf("%d connections, %d failed, %d left by clients; %d bytes received, %d sent in %v; %d completions, %d buffers, %d sends; cpu %v",
		s.connections, s.failed(), s.left(), s.received, s.sent, s.elapsed.Round(time.Millisecond), s.completions, s.buffers, s.requests, (s.cpu + s.kernelCPU).Round(time.Millisecond))
	if s.kernelCPU > 0 {
		text += fmt.Sprintf(", of which the kernel's threads %v", s.kernelCPU.Round(time.Millisecond))
	}
	return text
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

// kernelThreadsCPU returns the processor time of the threads that the kernel has
// made in this process: those that submit, and its workers.
func kernelThreadsCPU() (sum time.Duration) {
	tasks, _ := filepath.Glob("/proc/self/task/*")
	for _, task := range tasks {
		if !strings.HasPrefix(readTrimmed(task+"/comm"), "iou-") {
			continue
		}
		var ns int64
		if _, err := fmt.Sscan(readTrimmed(task+"/schedstat"), &ns); err == nil {
			sum += time.Duration(ns)
		}
	}
	return sum
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
