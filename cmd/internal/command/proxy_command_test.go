//go:build linux

package command

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A proxyProcess is "uring proxy" in a process of its own.
type proxyProcess struct {
	cmd    *exec.Cmd
	addr   string
	stderr syncBuffer
	done   chan struct{}
	err    error  // of its end
	last   string // line it printed
}

// startCommand runs a proxy until it listens.
func startCommand(t *testing.T, cmd *exec.Cmd) *proxyProcess {
	t.Helper()
	p := &proxyProcess{cmd: cmd, done: make(chan struct{})}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if cmd.Stderr == nil {
		cmd.Stderr = &p.stderr
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	lines.Scan()
	p.addr, _, _ = strings.Cut(strings.TrimPrefix(lines.Text(), "listening on "), ",")
	go func() {
		defer close(p.done)
		for lines.Scan() {
			p.last = lines.Text()
		}
		p.err = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-p.done
	})
	if p.addr == "" {
		<-p.done
		t.Fatalf("the proxy did not start: %v, %s", p.err, p.stderr.String())
	}
	return p
}

func (p *proxyProcess) signal(t *testing.T, s os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// wait waits for the process to end by itself.
func (p *proxyProcess) wait(t *testing.T) error {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(30 * time.Second):
		t.Fatal("the proxy does not end")
	}
	return p.err
}

// says waits until the log has the text.
func (p *proxyProcess) says(t *testing.T, text string) {
	t.Helper()
	eventually(t, "the log says "+text, func() bool { return strings.Contains(p.stderr.String(), text) })
}

// eventually waits until the condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for start := time.Now(); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Since(start) > 20*time.Second {
			t.Fatalf("not true after 20 seconds: %s", what)
		}
	}
}

// alive fails the test if the process has ended.
func (p *proxyProcess) alive(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.Signal(0)); err != nil {
		t.Fatalf("the proxy is gone: %v, %s", err, p.stderr.String())
	}
}

func TestProxyIgnoresSIGHUP(t *testing.T) {
	p := startCommand(t, program("proxy", "-listen", "127.0.0.1:0", "-to", startTarget(t, echo)))
	for range 3 {
		p.signal(t, syscall.SIGHUP)
	}
	echoes(t, p.addr, "after SIGHUP")
	p.alive(t)
	p.signal(t, os.Interrupt)
	if err := p.wait(t); err != nil || !strings.HasPrefix(p.last, "1 connections, 0 failed") {
		t.Errorf("%v, %q", err, p.last)
	}
}

// With SIGTERM the listener is closed at once: a successor listens there while a
// connection goes on, and those that had come before are served.
func TestProxyDrainsWhileItsSuccessorListens(t *testing.T) {
	to := startTarget(t, echo)
	old := startCommand(t, program("proxy", "-listen", "127.0.0.1:0", "-to", to))
	c := dial(t, old.addr)
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	old.signal(t, syscall.SIGTERM)
	old.says(t, "draining: the listener is closed")
	successor := startCommand(t, program("proxy", "-listen", old.addr, "-to", to))
	echoes(t, successor.addr, "by the successor")
	if _, err := c.Write([]byte("y")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err != nil {
		t.Errorf("the connection did not go on: %v", err)
	}
	old.alive(t)
	old.signal(t, syscall.SIGTERM)
	if err := old.wait(t); err != nil || !strings.HasPrefix(old.last, "1 connections, 1 failed") {
		t.Errorf("after a second signal: %v, %q", err, old.last)
	}
	if !strings.Contains(old.stderr.String(), "a second signal") {
		t.Errorf("it says %s", old.stderr.String())
	}
}

func TestProxiesShareAPort(t *testing.T) {
	to := startTarget(t, echo)
	first := startCommand(t, program("proxy", "-reuse-port", "-listen", "127.0.0.1:0", "-to", to))
	second := startCommand(t, program("proxy", "-reuse-port", "-listen", first.addr, "-to", to))
	for range 20 {
		echoes(t, first.addr, "to either")
	}
	for _, p := range []*proxyProcess{first, second} {
		p.signal(t, os.Interrupt)
		if err := p.wait(t); err != nil || strings.HasPrefix(p.last, "0 connections") {
			t.Errorf("%v, %q", err, p.last)
		}
	}
}
