//go:build linux

package main

import (
	"fmt"
	"time"
)

// A load is work of which the proxy's processor time is measured.
type load struct {
	name    string
	service func(s *suite) (addr string, err error)
	run     func(s *suite, addr string) error
}

var loads = []load{
	{"get of 1 GiB", (*suite).giver, func(s *suite, addr string) error { return s.fetch(addr, pick(s, 128, 1024)<<20) }},
	{"redis, 100k GET, 50 clients", startRedis, func(s *suite, addr string) error {
		_, err := s.redisBenchmark(addr, "get", pick(s, 10_000, 100_000), 50, 1)
		return err
	}},
	{"redis, 400k GET, pipeline of 16", startRedis, func(s *suite, addr string) error {
		_, err := s.redisBenchmark(addr, "get", pick(s, 40_000, 400_000), 50, 16)
		return err
	}},
}

func (s *suite) giver() (string, error) {
	b, err := newBackend()
	if err != nil {
		return "", err
	}
	return b.addr(), nil // until the end of the program
}

func (s *suite) fetch(addr string, n int) error {
	v, err := visit(addr, false)
	if err != nil {
		return err
	}
	defer v.Close()
	return v.askAndTake(n, 1<<20)
}

// processorTime measures what each mode, haproxy and socat take.
func (s *suite) processorTime() error {
	for _, l := range loads {
		name := l.name
		if s.quick {
			name += " (a tenth)"
		}
		r := row{part: "processor", name: name, cells: map[string]cell{}}
		if !s.onlyLoad(name) {
			continue
		}
		addr, err := l.service(s)
		if err != nil {
			return fmt.Errorf("%s: %w", l.name, err)
		}
		for _, f := range append([]front{haproxy, socat}, s.modes()...) {
			s.check(&r, f.name, func() (string, error) { return s.measure(l, f, addr) })
		}
		s.add(r)
	}
	return nil
}

// onlyLoad reports whether -only leaves something of a load.
func (s *suite) onlyLoad(name string) bool {
	for _, f := range append([]front{haproxy, socat}, s.modes()...) {
		if s.only.MatchString(name + ", " + f.name) {
			return true
		}
	}
	return false
}

// measure returns processor seconds, and how long it took.
func (s *suite) measure(l load, f front, to string) (string, error) {
	addr, p, err := s.open(f, to, opening{})
	if err != nil {
		return "", err
	}
	defer p.stop()
	before, err := p.cpu()
	if err != nil {
		return "", err
	}
	begin := time.Now()
	if err := l.run(s, addr); err != nil {
		return "", fmt.Errorf("%w; the proxy says: %s", err, p.said())
	}
	took := time.Since(begin)
	time.Sleep(50 * time.Millisecond) // children of socat end
	after, err := p.cpu()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%.2f s of %.1f", (after - before).Seconds(), took.Seconds()), nil
}
