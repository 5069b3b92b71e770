package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A proxy is "uring proxy", running.
type proxy struct {
	cmd  *exec.Cmd
	addr string
	said chan string // its last line
}

func startProxy(uring, to string, flags []string) (*proxy, error) {
	args := append([]string{"proxy", "-listen", "127.0.0.1:0", "-to", to}, flags...)
	p := &proxy{cmd: exec.Command(uring, args...), said: make(chan string, 1)}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		return nil, errors.Join(errors.New("the proxy did not start"), p.cmd.Wait())
	}
	p.addr, _, _ = strings.Cut(strings.TrimPrefix(lines.Text(), "listening on "), ",")
	go func() {
		last := ""
		for lines.Scan() {
			last = lines.Text()
		}
		p.said <- last
	}()
	return p, nil
}

// stop ends the proxy and returns its summary. Its exit status reports whether it
// has left anything behind.
func (p *proxy) stop() (string, error) {
	_ = p.cmd.Process.Signal(os.Interrupt)
	hung := time.AfterFunc(30*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer hung.Stop()
	said := <-p.said
	if err := p.cmd.Wait(); err != nil {
		return said, fmt.Errorf("the proxy ended: %w", err)
	}
	return said, nil
}

func (p *proxy) proc(name string) string {
	return filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid), name)
}

// descriptors is how many the proxy has open.
func (p *proxy) descriptors() int {
	names, err := os.ReadDir(p.proc("fd"))
	if err != nil {
		return -1
	}
	return len(names)
}

// status is a number from the proxy's status: "VmRSS" in KiB, or "Threads".
func (p *proxy) status(field string) int {
	b, err := os.ReadFile(p.proc("status"))
	if err != nil {
		return -1
	}
	_, rest, _ := strings.Cut(string(b), "\n"+field+":")
	n := -1
	_, _ = fmt.Sscan(rest, &n)
	return n
}
