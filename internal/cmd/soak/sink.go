package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// runSink is the program behind the proxy. For each connection it prints a
// line: the number, the bytes that arrived, and what was wrong.
func runSink(addr string, seed uint64) error {
	reuse := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) {
			_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
		})
	}}
	ln, err := reuse.Listen(context.Background(), "tcp4", addr)
	if err != nil {
		return err
	}
	fmt.Println("listening on", ln.Addr())
	for {
		c, err := ln.Accept()
		if err != nil {
			return err
		}
		go func() {
			if line := answer(c.(*net.TCPConn), seed); line != "" {
				fmt.Println(line)
			}
		}()
	}
}

// answer serves one connection and returns the line about it, "" if it ended
// before it said its number.
func answer(c *net.TCPConn, seed uint64) string {
	_ = c.SetDeadline(time.Now().Add(connTime))
	var header [headerSize]byte
	if _, err := io.ReadFull(c, header[:]); err != nil {
		c.Close()
		return ""
	}
	e := newEnd(c, newPlan(seed, binary.LittleEndian.Uint64(header[:])), down)
	err := e.talk()
	wrong := e.check(err == nil)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		wrong = errors.Join(wrong, err)
	}
	return fmt.Sprintf("%d %d %q", e.plan.id, e.got.n, text(wrong))
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// A sink is that program, running.
type sink struct {
	cmd  *exec.Cmd
	addr string

	mu    sync.Mutex
	ended map[uint64]string // by connection, what was wrong
	bytes int64
	lines chan struct{} // closed when there are no more
}

// startSink starts it on addr. Its results go to those of before, if any.
func startSink(addr string, seed uint64, before *sink) (*sink, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &sink{
		cmd:   exec.Command(self, "-sink", addr, "-seed", strconv.FormatUint(seed, 10)),
		ended: map[uint64]string{}, lines: make(chan struct{}),
	}
	if before != nil {
		s.ended, s.bytes = before.ended, before.bytes
	}
	s.cmd.Stderr = os.Stderr
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		return nil, errors.Join(errors.New("the sink did not start"), s.cmd.Wait())
	}
	if _, err := fmt.Sscanf(lines.Text(), "listening on %s", &s.addr); err != nil {
		return nil, err
	}
	go s.collect(lines)
	return s, nil
}

func (s *sink) collect(lines *bufio.Scanner) {
	defer close(s.lines)
	for lines.Scan() {
		var id uint64
		var n int64
		var wrong string
		if _, err := fmt.Sscanf(lines.Text(), "%d %d %q", &id, &n, &wrong); err != nil {
			continue // cut off when the sink was killed
		}
		s.mu.Lock()
		s.ended[id] = wrong
		s.bytes += n
		s.mu.Unlock()
	}
}

// kill kills the program and takes up the lines that it has written.
func (s *sink) kill() {
	_ = s.cmd.Process.Kill()
	<-s.lines
	_ = s.cmd.Wait()
}

// result is what the sink said of a connection.
func (s *sink) result(id uint64) (wrong string, ended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	wrong, ended = s.ended[id]
	return wrong, ended
}
