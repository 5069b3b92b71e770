package command

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"
)

// A proxyLog writes records in a goroutine of its own: whoever reads them slowly,
// or not at all, loses some, and holds nobody up.
type proxyLog struct {
	handler slog.Handler
	records chan slog.Record
	done    chan struct{}

	mu     sync.Mutex
	second int64  // of the present limit
	count  int    // records in it
	left   uint64 // out, since the last record
	lost   uint64 // in all
	closed bool
}

const (
	logBacklog = 1024 // records that may wait for the reader
	logRate    = 100  // records in a second
	logFlush   = time.Second
)

// newLogHandler returns what writes records to w, as text or JSON.
func newLogHandler(format string, w io.Writer) (slog.Handler, error) {
	switch format {
	case "text":
		return slog.NewTextHandler(w, nil), nil
	case "json":
		return slog.NewJSONHandler(w, nil), nil
	}
	return nil, fmt.Errorf("-log %s: want text or json", format)
}

func newProxyLog(h slog.Handler) *proxyLog {
	l := &proxyLog{handler: h, records: make(chan slog.Record, logBacklog), done: make(chan struct{})}
	go func() {
		defer close(l.done)
		for r := range l.records {
			_ = h.Handle(context.Background(), r) // there is nobody to tell
		}
	}()
	return l
}

func (l *proxyLog) info(msg string, args ...any) { l.add(slog.LevelInfo, msg, args...) }
func (l *proxyLog) warn(msg string, args ...any) { l.add(slog.LevelWarn, msg, args...) }

// add hands a record to the writer, or drops it: when there are too many of them,
// or the writer is behind. It counts what it drops. Any goroutine may call it.
func (l *proxyLog) add(level slog.Level, msg string, args ...any) {
	if !l.handler.Enabled(context.Background(), level) {
		return
	}
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	if s := now.Unix(); s != l.second {
		l.second, l.count = s, 0
	}
	if l.count >= logRate {
		l.left++
		l.lost++
		return
	}
	l.count++
	l.sayLeft(now)
	r := slog.NewRecord(now, level, msg, 0)
	r.Add(args...)
	l.put(r)
}

// sayLeft tells of the records that are missing.
func (l *proxyLog) sayLeft(now time.Time) {
	if l.left == 0 {
		return
	}
	r := slog.NewRecord(now, slog.LevelWarn, "lines left out", 0)
	r.Add("lines", l.left)
	left, lost := l.left, l.lost
	if l.left = 0; !l.put(r) {
		l.left, l.lost = left, lost
	}
}

func (l *proxyLog) put(r slog.Record) bool {
	select {
	case l.records <- r:
		return true
	default:
		l.left++
		l.lost++
		return false
	}
}

// missing returns how many records were left out.
func (l *proxyLog) missing() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

// close waits for what is still to be written, but not for long.
func (l *proxyLog) close() {
	l.mu.Lock()
	l.sayLeft(time.Now())
	l.closed = true
	close(l.records)
	l.mu.Unlock()
	select {
	case <-l.done:
	case <-time.After(logFlush):
	}
}
