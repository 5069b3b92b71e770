package main

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A bench is one run of the program.
type bench struct {
	options
	cores    cores
	root     string // of the repository
	bin      string // where built programs are
	liburing string // its version
	ports    int    // used so far
}

// An experiment compares peers, one of which is the reference, in several
// cases.
type experiment struct {
	name   string
	title  string
	cells  []cell
	rounds int
	budget time.Duration // no new round after this time
	tables []table
	plots  []chart
	notes  []string     // what limits it, for the report
	after  func() error // cleans up, if there is something

	samples  []sample
	failures []error
}

// A cell is one peer in one case, such as a batch size.
type cell struct {
	group, point, peer string // the case is group and point: a plot has a group's points on its axis
	run                func() (values, error)
}

// A sample is what one run of a cell measured.
type sample struct {
	Experiment string  `json:"experiment"`
	Group      string  `json:"group"`
	Point      string  `json:"point"`
	Peer       string  `json:"peer"`
	Round      int     `json:"round"`
	Disturbed  float64 `json:"others_cpu"` // how much of a processor others used meanwhile
	Attempts   int     `json:"attempts"`
	Values     values  `json:"values"`
}

// attempts is how often a sample is measured when others disturb it. If none is
// quiet, the quietest counts.
const attempts = 4

// measure runs all cells in turns. A cell that fails is missing in that round.
func (b *bench) measure(e *experiment) {
	if b.rounds > 0 {
		e.rounds = b.rounds
	}
	deadline := time.Now().Add(e.budget)
	for round := range e.rounds {
		if round > 1 && time.Now().After(deadline) {
			e.notes = append(e.notes, fmt.Sprintf("Ended after %d of %d rounds: the time was up.", round, e.rounds))
			break
		}
		for i, c := range e.cells {
			progress("%s: round %d of %d, %d of %d: %s %s, %s", e.name, round+1, e.rounds, i+1, len(e.cells), c.group, c.point, c.peer)
			s, err := b.sample(c, deadline)
			if err != nil {
				e.failures = append(e.failures, err)
				continue
			}
			s.Experiment, s.Round = e.name, round
			e.samples = append(e.samples, s)
		}
	}
	progress("%s: done", e.name)
	if e.after != nil {
		if err := e.after(); err != nil {
			e.failures = append(e.failures, err)
		}
	}
}

// progress shows on a terminal what is being done.
func progress(format string, args ...any) {
	if _, err := unix.IoctlGetTermios(int(os.Stderr.Fd()), unix.TCGETS); err == nil {
		fmt.Fprintf(os.Stderr, "\r%-100.100s\r", fmt.Sprintf(format, args...))
	}
}

// sample measures a cell, again if it failed, or others disturbed it, and there
// is time. On a machine that is busy enough everything can fail.
func (b *bench) sample(c cell, deadline time.Time) (best sample, err error) {
	tries := attempts
	if b.quick {
		tries = 2
	}
	for n := 1; n <= tries; n++ {
		s, failed := b.once(c)
		if failed != nil {
			err = failed
			continue
		}
		if best.Values == nil || s.Disturbed < best.Disturbed {
			best = s
		}
		best.Attempts = n
		if best.Disturbed <= b.disturbed || time.Now().After(deadline) {
			break
		}
	}
	if best.Values != nil {
		return best, nil
	}
	return best, fmt.Errorf("%s %s, %s: %w", c.group, c.point, c.peer, err)
}

// once measures a cell and who else was at work.
func (b *bench) once(c cell) (sample, error) {
	m, err := startMeter()
	if err != nil {
		return sample{}, err
	}
	v, err := c.run()
	if err != nil {
		return sample{}, err
	}
	others, err := m.others()
	return sample{Group: c.group, Point: c.point, Peer: c.peer, Disturbed: others, Values: v}, err
}

// long returns d, or less for a quick run.
func (b *bench) long(d time.Duration) time.Duration {
	if b.quick {
		return d / 4
	}
	return d
}

// seconds formats d for a program's argument.
func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }
