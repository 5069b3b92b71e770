//go:build linux

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A process is a server, with all that it starts.
type process struct {
	cmd  *exec.Cmd
	log  string
	done chan struct{}
	err  error // when done
}

// start starts a server. What it says goes into a file, unless out is there.
func (s *suite) start(out *os.File, name string, args ...string) (*process, error) {
	p := &process{cmd: exec.Command(name, args...), done: make(chan struct{})}
	p.log = filepath.Join(s.dir, fmt.Sprintf("%02d-%s.log", len(s.started), filepath.Base(name)))
	if out == nil {
		file, err := os.Create(p.log)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		out = file
	}
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	s.started = append(s.started, p)
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// stop kills a server and its children. It may be called again.
func (p *process) stop() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.done
}

func (s *suite) stopAll() {
	for _, p := range s.started {
		select {
		case <-p.done:
		default:
			// Some end their children, and remove what outlives them, when asked.
			_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGTERM)
			select {
			case <-p.done:
			case <-time.After(2 * time.Second):
			}
		}
		p.stop()
	}
}

// said returns the end of what a server said.
func (p *process) said() string {
	b, _ := os.ReadFile(p.log)
	return tail(b)
}

func tail(b []byte) string {
	text := strings.Join(strings.Fields(string(b)), " ")
	if len(text) > 300 {
		text = "..." + text[len(text)-300:]
	}
	return text
}

// cpu is the processor time of a server, with the kernel's threads in it and the
// children that have ended.
func (p *process) cpu() (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := bytes.Cut(b, []byte(") "))
	fields := strings.Fields(string(rest))
	const userTime, tick = 11, 10 * time.Millisecond // the fields after the name; USER_HZ is 100
	if len(fields) < userTime+4 {
		return 0, fmt.Errorf("/proc/%d/stat: %q", p.cmd.Process.Pid, b)
	}
	sum := 0
	for _, f := range fields[userTime : userTime+4] {
		n, err := strconv.Atoi(f)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return time.Duration(sum) * tick, nil
}

// freePort returns a port of the loopback interface that nobody has.
func freePort() int {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0 // whoever listens there will say so
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// listens waits until a server listens on a port. It looks from outside: some
// servers take a connection that comes only to look for a client.
func (p *process) listens(port int) error {
	entry := fmt.Sprintf(":%04X 00000000:0000 0A", port)
	entry6 := fmt.Sprintf(":%04X 00000000000000000000000000000000:0000 0A", port)
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		four, _ := os.ReadFile("/proc/net/tcp")
		six, _ := os.ReadFile("/proc/net/tcp6")
		if bytes.Contains(four, []byte(entry)) || bytes.Contains(six, []byte(entry6)) {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s: %w: %s", p.cmd.Path, errors.Join(p.err, errEnded), p.said())
		default:
		}
	}
	return fmt.Errorf("%s does not listen on port %d: %s", p.cmd.Path, port, p.said())
}

var errEnded = errors.New("it ended")

// client runs a program to its end, within a time, and returns what it said.
func (s *suite) client(in io.Reader, name string, args ...string) ([]byte, error) {
	var out bytes.Buffer
	err := s.pipe(in, &out, name, args...)
	return out.Bytes(), err
}

// summed is client for much: it returns the length and the sum of what came.
func (s *suite) summed(in io.Reader, name string, args ...string) (string, error) {
	out := newSummer()
	err := s.pipe(in, out, name, args...)
	return out.String(), err
}

func (s *suite) pipe(in io.Reader, out io.Writer, name string, args ...string) error {
	ctx, cancel := context.WithTimeout(s.ctx, pick(s, 60*time.Second, 4*time.Minute))
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.WaitDelay = time.Second
	var complaints bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, &complaints
	err := cmd.Run()
	if ctx.Err() != nil {
		err = fmt.Errorf("takes longer than it may: %w", ctx.Err())
	}
	if err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, tail(complaints.Bytes()))
	}
	return nil
}

// A summer counts and sums what is written to it.
type summer struct {
	hash.Hash
	n int64
}

func newSummer() *summer { return &summer{Hash: sha256.New()} }

func (w *summer) Write(p []byte) (int, error) {
	w.n += int64(len(p))
	return w.Hash.Write(p)
}

func (w *summer) String() string { return fmt.Sprintf("%d bytes, %x", w.n, w.Sum(nil)[:8]) }

// sumOf is the length and sum of a file.
func sumOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	w := newSummer()
	_, err = io.Copy(w, f)
	return w.String(), err
}

// opened calls f with a file to read from.
func opened(path string, f func(in io.Reader) (string, error)) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	return f(file)
}
