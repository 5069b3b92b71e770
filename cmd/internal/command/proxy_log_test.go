//go:build linux

package command

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
)

func TestProxyLogsConnectionsAsJSON(t *testing.T) {
	to := startTarget(t, echo)
	p := startCommand(t, program("proxy", "-listen", "127.0.0.1:0", "-to", to, "-log", "json", "-log-conns"))
	c := dial(t, p.addr)
	client := c.LocalAddr().String()
	_, _ = c.Write([]byte("hello"))
	_ = c.(*net.TCPConn).CloseWrite()
	if err := c.(*net.TCPConn).SetReadBuffer(1000); err != nil {
		t.Fatal(err)
	}
	if got := make([]byte, 6); true {
		if n, _ := c.Read(got); n != 5 {
			t.Errorf("%d bytes came back", n)
		}
	}
	p.says(t, `"msg":"connection"`)
	var line struct {
		Time, Level, Msg, Client, Target string
		Sent, Received                   int
		Duration                         int64
	}
	if err := json.Unmarshal([]byte(p.stderr.String()), &line); err != nil {
		t.Fatalf("%v: %s", err, p.stderr.String())
	}
	if line.Time == "" || line.Level != "INFO" || line.Client != client || line.Target != to || line.Sent != 5 || line.Received != 5 || line.Duration <= 0 {
		t.Errorf("the line has %+v", line)
	}
	p.signal(t, os.Interrupt)
	if err := p.wait(t); err != nil {
		t.Error(err)
	}
}

// fill fills a pipe.
func fill(t *testing.T, fd int) {
	t.Helper()
	if err := syscall.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	var err error
	for err == nil {
		_, err = syscall.Write(fd, make([]byte, 4096))
	}
	if err := syscall.SetNonblock(fd, false); err != nil {
		t.Fatal(err)
	}
}

// A reader of the log that stops, or goes away, stops nothing.
func TestProxyGoesOnWithoutAReaderOfItsLog(t *testing.T) {
	for _, gone := range []bool{false, true} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd := program("proxy", "-listen", "127.0.0.1:0", "-to", startTarget(t, echo), "-log-conns", "-stats", "1ms")
		cmd.Stderr = w
		p := startCommand(t, cmd)
		if gone {
			r.Close()
		} else { // full
			fill(t, int(w.Fd()))
		}
		w.Close()
		for range 2 * logBacklog / 10 {
			echoes(t, p.addr, "whoever reads the log")
		}
		p.alive(t)
		p.signal(t, os.Interrupt)
		if err := p.wait(t); err != nil {
			t.Errorf("gone %v: %v", gone, err)
		}
		r.Close()
	}
}

// A blockingHandler keeps its caller until it is let go.
type blockingHandler struct {
	slog.Handler
	begun, letGo chan struct{}
	once         *sync.Once
}

func (h blockingHandler) Handle(ctx context.Context, r slog.Record) error {
	h.once.Do(func() { close(h.begun) })
	<-h.letGo
	return h.Handler.Handle(ctx, r)
}

func TestProxyLogCountsWhatItLeavesOut(t *testing.T) {
	var out syncBuffer
	h := blockingHandler{slog.NewTextHandler(&out, nil), make(chan struct{}), make(chan struct{}), new(sync.Once)}
	l := newProxyLog(h)
	for i := range 10 * logRate {
		l.info("line", "number", i)
	}
	<-h.begun
	close(h.letGo)
	l.close()
	lines := strings.Count(out.String(), "msg=line\x20")
	if lines < logRate || lines > 5*logRate {
		t.Errorf("%d lines, want %d in a second", lines, logRate)
	}
	if !strings.Contains(out.String(), `msg="lines left out" lines=`) {
		t.Errorf("it does not say how many are missing: %.300s", out.String())
	}
	l.info("after the end") // does nothing
}

// A handler that wants warnings only gets no other records.
func TestProxyLogAsksItsHandler(t *testing.T) {
	var out bytes.Buffer
	l := newProxyLog(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelWarn}))
	l.info("not this")
	l.warn("but this")
	l.close()
	if s := out.String(); strings.Contains(s, "not this") || !strings.Contains(s, "but this") {
		t.Errorf("it says %q", s)
	}
}
