//go:build linux

package command

import (
	"net"
	"strings"
	"testing"
)

// withMonitor makes the program have a monitor, which the test looks through.
func withMonitor(t *testing.T) (figures func() Figures) {
	t.Helper()
	monitor = func(at string, pprof bool, f func() Figures) (string, func(), error) {
		figures = f
		return at, func() {}, nil
	}
	t.Cleanup(func() { monitor = nil })
	return func() Figures { return figures() }
}

func TestFiguresTellOfConnections(t *testing.T) {
	figures := withMonitor(t)
	gone := closedPort(t)
	p := startProxy(t, "", func(c *proxyConfig) {
		c.to, c.monitorAt = targetList{gone, startTarget(t, echo)}, "somewhere"
	})
	if f := figures(); f.Connections != 0 || f.Buffers != p.bufs || len(f.Targets) != 2 || f.Draining {
		t.Errorf("at the start: %+v", f)
	}
	echoes(t, p.addr, "text")
	echoes(t, p.addr, "text")
	open := dial(t, p.addr)
	eventually(t, "the figures have all connections", func() bool {
		f := figures()
		return f.Connections == 3 && f.Open == 1 && f.Ended["orderly"] == 2 && f.Received == 16 && f.Sent == 16 && f.Retries == 1
	})
	if f := figures(); f.Targets[gone] || f.At.IsZero() {
		t.Errorf("%+v", f)
	}
	p.cancel()
	eventually(t, "the figures say that it drains", func() bool { return figures().Draining })
	_ = open.(*net.TCPConn).CloseWrite()
	if s := p.stop(t); s.failed() != 0 {
		t.Errorf("%d failed", s.failed())
	}
}

func TestMetricsNeedTheProgramThatHasThem(t *testing.T) {
	for args, want := range map[string]string{"-metrics :0": "uring-metrics@latest", "-pprof": "-pprof needs -metrics"} {
		got := runProgram(t, program(append(strings.Fields("proxy -listen :0 -to :1"), strings.Fields(args)...)...))
		if got.status != exitUsage || !strings.Contains(got.stderr, want) {
			t.Errorf("%s: %+v", args, got)
		}
	}
}

// What is copied out for receivers that do not read is in the figures.
func TestFiguresTellOfCopies(t *testing.T) {
	figures := withMonitor(t)
	p := startProxy(t, startTarget(t, func(c *net.TCPConn) {
		_ = c.SetWriteBuffer(64 << 10)
		_, _ = c.Write(make([]byte, 64<<20)) // until the client leaves
	}), func(c *proxyConfig) { c.monitorAt, c.bufs, c.bufSize = "somewhere", 16, 4<<10 })
	for range 4 {
		c := dial(t, p.addr)
		_ = c.(*net.TCPConn).SetReadBuffer(16 << 10)
		defer c.Close()
	}
	eventually(t, "bytes were copied", func() bool { f := figures(); return f.CopiedOut > 0 && f.CopyMemory > 0 })
}
