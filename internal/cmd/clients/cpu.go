//go:build linux

package main

import (
	"fmt"
	"slices"
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

// processorTime measures what each mode, haproxy and socat take, in turns.
func (s *suite) processorTime() error {
	for _, l := range loads {
		name := l.name
		if s.quick {
			name += " (a tenth)"
		}
		if !s.onlyLoad(name) {
			continue
		}
		addr, err := l.service(s)
		if err != nil {
			return fmt.Errorf("%s: %w", l.name, err)
		}
		s.add(s.turns(l, name, addr))
	}
	return nil
}

// turns measures each front in turn, several times, and returns the medians, and
// those over haproxy's.
func (s *suite) turns(l load, name, addr string) row {
	r := row{part: "processor", name: name, cells: map[string]cell{}}
	fronts := append([]front{haproxy, socat}, s.modes()...)
	seconds := map[string][]float64{}
	for range pick(s, 1, 5) {
		for _, f := range fronts {
			if r.cells[f.name].err == nil {
				s.check(&r, f.name, func() (string, error) {
					processor, took, err := s.measure(l, f, addr)
					seconds[f.name] = append(seconds[f.name], processor)
					return fmt.Sprintf("%.2f s of %.1f", processor, took), err
				})
			}
		}
	}
	for name, c := range r.cells {
		c.text = fmt.Sprintf("%.2f s", middle(seconds[name]))
		if base := middle(seconds[haproxy.name]); base > 0 && name != haproxy.name {
			c.text += fmt.Sprintf(" ×%.2f", middle(seconds[name])/base)
		}
		r.cells[name] = c
	}
	return r
}

// middle returns the median, 0 if there are no values.
func middle(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	values = slices.Sorted(slices.Values(values))
	return values[len(values)/2]
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
func (s *suite) measure(l load, f front, to string) (processor, took float64, err error) {
	addr, p, err := s.open(f, to, opening{})
	if err != nil {
		return 0, 0, err
	}
	defer p.stop()
	before, err := p.cpu()
	if err != nil {
		return 0, 0, err
	}
	begin := time.Now()
	if err := l.run(s, addr); err != nil {
		return 0, 0, fmt.Errorf("%w; the proxy says: %s", err, p.said())
	}
	took = time.Since(begin).Seconds()
	time.Sleep(50 * time.Millisecond) // children of socat end
	after, err := p.cpu()
	if err != nil {
		return 0, 0, err
	}
	return (after - before).Seconds(), took, nil
}
