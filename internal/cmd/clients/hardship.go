//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A hardship is what a bad day does to a proxy.
type hardship struct {
	name  string
	limit int // most connections at once, for the front
	run   func(s *suite, f front, o opening) (string, error)
}

var hardships = []hardship{
	{"readers that stopped", 0, func(s *suite, f front, o opening) (string, error) {
		return s.stopped(f, o, pick(s, 64, 1000), 270_000, 270)
	}},
	{"slow downloads", 0, func(s *suite, f front, o opening) (string, error) {
		return s.stopped(f, o, 16, 100<<20, 64<<10)
	}},
	{"a request in two writes", 0, (*suite).twoWrites},
	{"a burst of 1500", 1024, func(s *suite, f front, o opening) (string, error) { return s.burst(f, o, 1500, 0) }},
	{"20 connections at most", 20, func(s *suite, f front, o opening) (string, error) {
		return s.burst(f, o, 100, 20*time.Millisecond)
	}},
	{"draining", 0, (*suite).drain},
	{"a log that nobody reads", 0, func(s *suite, f front, o opening) (string, error) { return s.blockedLog(f, o, false) }},
	{"a log that is closed", 0, func(s *suite, f front, o opening) (string, error) { return s.blockedLog(f, o, true) }},
	{"128 descriptors", 0, (*suite).fewDescriptors},
	{"8 MiB of locked memory", 0, (*suite).littleMemory},
	{"four small buffers", 0, (*suite).fewBuffers},
	{"an answer before all is read", 0, (*suite).hasty},
}

// hardships lets each mode, and haproxy, meet each of them.
func (s *suite) hardships() error {
	whole := map[string]int{}
	for _, h := range hardships {
		r := row{part: "hardships", name: h.name, cells: map[string]cell{}}
		for _, f := range append([]front{haproxy}, s.modes()...) {
			s.check(&r, f.name, func() (string, error) {
				text, err := h.run(s, f, opening{limit: h.limit})
				var n countError
				if errors.As(err, &n) { // a matter of luck, without a proxy too: compared with haproxy
					whole[f.name], err = n.whole, nil
					if 2*n.whole < whole[haproxy.name] {
						err = fmt.Errorf("%d answers came whole; %d with haproxy", n.whole, whole[haproxy.name])
					}
				}
				return text, err
			})
		}
		s.add(r)
	}
	return nil
}

type countError struct{ whole int }

func (e countError) Error() string { return fmt.Sprint(e.whole, " answers came whole") }

// behind runs f with a front before a new backend.
func (s *suite) behind(ft front, o opening, f func(b *backend, addr string) (string, error)) (string, error) {
	b, err := newBackend()
	if err != nil {
		return "", err
	}
	defer b.listener.Close()
	return s.through(ft, b.addr(), o, func(addr string) (string, error) { return f(b, addr) })
}

// stopped has readers ask for n bytes in writes of a size, and read none of it.
// Others must be answered meanwhile.
func (s *suite) stopped(f front, o opening, readers, n, each int) (string, error) {
	return s.behind(f, o, func(b *backend, addr string) (string, error) {
		before, err := median(addr, 200)
		if err != nil {
			return "", err
		}
		for range readers {
			v, err := visit(addr, true)
			if err != nil {
				return "", err
			}
			defer v.Close()
			if err := v.ask(n, each); err != nil {
				return "", err
			}
		}
		b.settled(s.ctx)
		after, err := median(addr, 200)
		if err != nil {
			return "", fmt.Errorf("with %d readers that stopped: %w", readers, err)
		}
		return fmt.Sprintf("%d: median %.2f → %.2f ms", readers, ms(before), ms(after)), nil
	})
}

func ms(d time.Duration) float64 { return d.Seconds() * 1e3 }

// twoWrites sends requests in two parts, which Nagle's algorithm delays.
func (s *suite) twoWrites(f front, o opening) (string, error) {
	return s.behind(f, o, func(_ *backend, addr string) (string, error) {
		v, err := visit(addr, false)
		if err != nil {
			return "", err
		}
		defer v.Close()
		var took []time.Duration
		for range pick(s, 50, 200) {
			begin := time.Now()
			_, err1 := v.Write([]byte("100 "))
			time.Sleep(200 * time.Microsecond)
			_, err2 := v.Write([]byte("100\n"))
			if err := errors.Join(err1, err2, v.take(100)); err != nil {
				return "", err
			}
			took = append(took, time.Since(begin))
		}
		slices.Sort(took)
		half := took[len(took)/2]
		if half > 20*time.Millisecond {
			return "", fmt.Errorf("%.1f ms for half of the requests", ms(half))
		}
		return fmt.Sprintf("median %.2f ms", ms(half)), nil
	})
}

// burst has n clients come at once. All must be answered, and no more be let in
// than the limit says.
func (s *suite) burst(f front, o opening, n int, stay time.Duration) (string, error) {
	return s.behind(f, o, func(b *backend, addr string) (string, error) {
		failed, err := atOnce(n, func() error { return once(addr, 1000, stay) })
		switch {
		case failed > 0:
			return "", fmt.Errorf("%d of %d were not answered: %w", failed, n, err)
		case b.most.Load() > int64(o.limit):
			return "", fmt.Errorf("%d connections at once", b.most.Load())
		}
		return fmt.Sprintf("%d answered, %d at once", n, b.most.Load()), nil
	})
}

// drain asks a proxy to end in the middle of downloads. They must come whole, a
// successor must be able to listen at once, and the proxy must end.
func (s *suite) drain(f front, o opening) (string, error) {
	b, err := newBackend()
	if err != nil {
		return "", err
	}
	defer b.listener.Close()
	o.port = freePort()
	addr, old, err := s.open(f, b.addr(), o)
	if err != nil {
		return "", err
	}
	defer old.stop()
	const downloads, size = 20, 4 << 20
	began, ended := make(chan struct{}, downloads), make(chan error, 1)
	go func() {
		failed, err := atOnce(downloads, func() error { return slowly(addr, size, began) })
		if failed > 0 {
			err = fmt.Errorf("%d of %d downloads did not end well: %w", failed, downloads, err)
		}
		ended <- err
	}()
	for range downloads {
		select {
		case <-began:
		case err := <-ended:
			return "", fmt.Errorf("before it began: %w", err)
		}
	}
	signal := syscall.SIGTERM
	if f.name == haproxy.name {
		signal = syscall.SIGUSR1
	}
	if err := old.cmd.Process.Signal(signal); err != nil {
		return "", err
	}
	if err := s.succeed(f, b.addr(), o, old); err != nil {
		return "", err
	}
	if err := <-ended; err != nil {
		return "", err
	}
	select {
	case <-old.done:
		if old.err != nil {
			return "", fmt.Errorf("it ended with %w: %s", old.err, old.said())
		}
		return "whole, and replaced", nil
	case <-time.After(patience):
		return "", errors.New("it does not end")
	}
}

// slowly downloads n bytes in about a second.
func slowly(addr string, n int, began chan<- struct{}) error {
	v, err := visit(addr, true)
	if err != nil {
		return err
	}
	defer v.Close()
	if err := v.ask(n, 64<<10); err != nil {
		return err
	}
	p := make([]byte, 64<<10)
	for at := 0; at < n; {
		_ = v.SetReadDeadline(time.Now().Add(patience))
		k, err := v.Read(p)
		if at == 0 && k > 0 {
			began <- struct{}{}
		}
		if at += k; err != nil {
			return fmt.Errorf("%d of %d bytes came: %w", at, n, err)
		}
		if at < n/2 {
			time.Sleep(time.Millisecond)
		}
	}
	return nil
}

// succeed starts another front on the same port, while the old one drains, and
// asks it something.
func (s *suite) succeed(f front, to string, o opening, old *process) error {
	var err error
	for end := time.Now().Add(patience / 2); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		addr, next, failed := s.open(f, to, o)
		if err = failed; err != nil {
			continue
		}
		err = once(addr, 1000, 0)
		next.stop()
		if err == nil {
			return nil
		} // it was the old one that listened, until now
	}
	return fmt.Errorf("nobody can listen in its place: %w; it says: %s", err, old.said())
}

// blockedLog gives a proxy a log that is full and that nobody reads, or that is
// closed, and much to write into it.
func (s *suite) blockedLog(f front, o opening, closed bool) (string, error) {
	var fds [2]int
	if err := syscall.Pipe2(fds[:], syscall.O_CLOEXEC); err != nil { // os.Pipe's do not block
		return "", err
	}
	r, w := os.NewFile(uintptr(fds[0]), "log"), os.NewFile(uintptr(fds[1]), "log")
	filled := make(chan struct{})
	fill := func() { w.Write(make([]byte, 2<<20)); close(filled) } // until r is closed
	defer w.Close()
	defer func() { r.Close(); <-filled }()
	o.log, o.flags = w, []string{"-log-conns"}
	return s.behind(f, o, func(_ *backend, addr string) (string, error) {
		if closed {
			r.Close()
		}
		go fill()
		connections := pick(s, 500, 5000)
		for i := range connections {
			if err := once(addr, 100, 0); err != nil {
				return "", fmt.Errorf("connection %d: %w", i, err)
			}
		}
		return fmt.Sprint(connections, " connections"), nil
	})
}

// unprivileged runs a command as a user without rights, with a limit.
func unprivileged(limit string, n int) []string {
	command := []string{"prlimit", fmt.Sprintf("--%[1]s=%[2]d:%[2]d", limit, n)}
	if os.Geteuid() != 0 {
		return command
	}
	return append(command, "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all")
}

// fewDescriptors has more clients than there are descriptors for: some wait.
func (s *suite) fewDescriptors(f front, o opening) (string, error) {
	o.prefix = unprivileged("nofile", 128)
	if f.name == haproxy.name {
		o.limit = 32 // it does not start with more than fit
	}
	return orRefused(s.behind(f, o, func(_ *backend, addr string) (string, error) {
		const clients = 100
		failed, err := atOnce(clients, func() error { return once(addr, 1000, 10*time.Millisecond) })
		if failed > 0 {
			return "", fmt.Errorf("%d of %d were not answered: %w", failed, clients, err)
		}
		return fmt.Sprint(clients, " answered"), nil
	}))
}

// littleMemory gives what systems give users.
func (s *suite) littleMemory(f front, o opening) (string, error) {
	o.prefix = unprivileged("memlock", 8<<20)
	return orRefused(s.behind(f, o, func(_ *backend, addr string) (string, error) {
		return "answered", once(addr, 1<<20, 0)
	}))
}

// orRefused takes a proxy that ends at once, and says that its mode needs more
// locked memory, for one that is right: users have 8 MiB.
func orRefused(text string, err error) (string, error) {
	if errors.Is(err, errEnded) && strings.Contains(err.Error(), "RLIMIT_MEMLOCK") {
		return "refused", nil
	}
	return text, err
}

// fewBuffers downloads through buffers that are used up all the time.
func (s *suite) fewBuffers(f front, o opening) (string, error) {
	o.flags = []string{"-bufs", "4", "-buf-size", "1KiB", "-queue", "2KiB"}
	return s.behind(f, o, func(_ *backend, addr string) (string, error) {
		const downloads = 8
		size := pick(s, 1<<20, 8<<20)
		failed, err := atOnce(downloads, func() error {
			v, err := visit(addr, false)
			if err != nil {
				return err
			}
			defer v.Close()
			return v.askAndTake(size, 10_000)
		})
		if failed > 0 {
			return "", fmt.Errorf("%d of %d downloads: %w", failed, downloads, err)
		}
		return fmt.Sprintf("%d × %d MiB", downloads, size>>20), nil
	})
}

// hasty has a server that answers, and closes before it has read all: the reset
// can overtake the answer.
func (s *suite) hasty(f front, o opening) (string, error) {
	const answer = 100_000
	l, err := newHasty(answer)
	if err != nil {
		return "", err
	}
	defer l.Close()
	return s.through(f, l.Addr().String(), o, func(addr string) (string, error) {
		whole, err := hastily(addr, 200, answer)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%d of 200 whole", whole), countError{whole}
	})
}
