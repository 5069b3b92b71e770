package command

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/uring-go/uring/internal/live"
)

// A connResult is what one connection came to.
type connResult struct {
	Conn     int            // connections count from 0, as they were accepted or begun
	Peer     netip.AddrPort // the zero value if it was gone before it could be asked
	Bytes    int64          // received, or accepted by the kernel
	Duration time.Duration  // from the connection's start to its end
	SHA256   []byte         // of these bytes; nil unless asked for
	Err      error          // nil if the peer ended the stream in order
}

// String is one line for people and scripts.
func (r connResult) String() string {
	s := fmt.Sprintf("conn=%d peer=%v %s", r.Conn, r.Peer, rate(r.Bytes, r.Duration))
	if r.SHA256 != nil {
		s += " sha256=" + hex.EncodeToString(r.SHA256)
	}
	if r.Err != nil {
		s += fmt.Sprintf(" error=%q", r.Err)
	}
	return s
}

// errInterrupted is the error of connections that were open when the context
// was done.
var errInterrupted = errors.New("interrupted")

// A transferResult sums up the connections of a sink or a sender.
type transferResult struct {
	Conns       int // that ended, whichever way
	Interrupted int // of these, because the context was done
	Failed      int // of these, otherwise
	Bytes       int64
	Duration    time.Duration // from the first connection's start to the last one's end
	FirstErr    error         // of those that failed
}

// String is one line for people and scripts.
func (r transferResult) String() string {
	return fmt.Sprintf("conns=%d failed=%d interrupted=%d %s", r.Conns, r.Failed, r.Interrupted, rate(r.Bytes, r.Duration))
}

func rate(bytes int64, d time.Duration) string {
	mbps := 0.0
	if d > 0 {
		mbps = float64(bytes) / 1e6 / d.Seconds()
	}
	return fmt.Sprintf("bytes=%d duration=%.6fs MB/s=%.1f", bytes, d.Seconds(), mbps)
}

// add counts a connection that has ended.
func (r *transferResult) add(c connResult) {
	r.Conns++
	r.Bytes += c.Bytes
	switch {
	case c.Err == nil:
	case errors.Is(c.Err, errInterrupted):
		r.Interrupted++
	default:
		if r.Failed++; r.Failed == 1 {
			r.FirstErr = fmt.Errorf("connection %d, %v: %w", c.Conn, c.Peer, c.Err)
		}
	}
}

// err returns an error if connections failed.
func (r transferResult) err() error {
	if r.Failed == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d connections failed; the first: %w", r.Failed, r.Conns, r.FirstErr)
}

// A transfer is what one connection has done so far.
type transfer struct {
	started time.Time
	hash    hash.Hash // nil if not asked for
	result  connResult
}

func newTransfer(conn int, peer netip.AddrPort, withHash bool) transfer {
	t := transfer{started: time.Now(), result: connResult{Conn: conn, Peer: peer}}
	if withHash {
		t.hash = sha256.New()
	}
	return t
}

// count notes that p was transferred.
func (t *transfer) count(p []byte) {
	t.result.Bytes += int64(len(p))
	if t.hash != nil {
		t.hash.Write(p)
	}
}

// transfers is a loop with connections that are summed up as they end.
type transfers struct {
	loop
	until   int              // how many must have ended to stop; 0 is never
	report  func(connResult) // gets each as it ends, if not nil
	started time.Time
	total   transferResult
}

// ended sums up a connection that is closed, with the error why if it did not
// end in order.
func (l *transfers) ended(t *transfer, why error) error {
	now := time.Now()
	t.result.Duration = now.Sub(t.started)
	t.result.Err = why
	if t.hash != nil {
		t.result.SHA256 = t.hash.Sum(nil)
	}
	l.total.add(t.result)
	l.total.Duration = now.Sub(l.started)
	if l.report != nil {
		l.report(t.result)
	}
	if l.total.Conns == l.until {
		return l.cancelAll()
	}
	return nil
}

// runTransfer runs a sink or a sender as a command: it ends with the first
// SIGINT or SIGTERM (the second one kills), prints the total and returns the
// exit status.
func runTransfer(name string, run func(context.Context) (transferResult, error)) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	result, err := run(ctx)
	if err == nil || result.Conns > 0 {
		fmt.Println("total", result)
	}
	if left := live.Report(); left != "" {
		err = errors.Join(err, errors.New(left))
	}
	if err != nil {
		return failed(name, err)
	}
	return 0
}

func printConn(r connResult) { fmt.Fprintln(os.Stdout, r) }
