//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"time"
)

// A suite is one run.
type suite struct {
	ctx   context.Context
	uring string
	quick bool
	keep  bool
	table string
	only  *regexp.Regexp

	dir     string // of this run: data, logs, configurations
	started []*process
	rows    []row
}

// A row is one check, in each column.
type row struct {
	part  string // of the table
	name  string
	same  bool // bytes or results that must be those of the direct run
	cells map[string]cell
}

// A cell is what came of a check in one mode.
type cell struct {
	text string
	err  error
}

// pick returns the first in quick runs, else the second.
func pick[T any](s *suite, quick, full T) T {
	if s.quick {
		return quick
	}
	return full
}

// run does everything, and leaves no process and no file.
func (s *suite) run() (err error) {
	if s.uring, err = filepath.Abs(s.uring); err != nil {
		return err
	}
	if _, err := os.Stat(s.uring); err != nil {
		return fmt.Errorf("%w (make build)", err)
	}
	if s.dir, err = os.MkdirTemp("", "uring-clients-"); err != nil {
		return err
	}
	if err := os.Chmod(s.dir, 0o755); err != nil { // other users run servers in it
		return err
	}
	defer func() {
		s.stopAll()
		if s.keep {
			fmt.Println("logs:", s.dir)
			return
		}
		err = errors.Join(err, os.RemoveAll(s.dir))
	}()
	begin := time.Now()
	for _, part := range []func() error{s.programs, s.hardships, s.processorTime} {
		if err := part(); err != nil {
			return err
		}
		if s.ctx.Err() != nil {
			return errors.New("interrupted")
		}
	}
	fmt.Printf("%d checks in %v\n", len(s.rows), time.Since(begin).Round(time.Second))
	if err := s.writeTable(); err != nil {
		return err
	}
	return s.verdict()
}

// check runs a check in one column, and says what came of it.
func (s *suite) check(r *row, column string, f func() (string, error)) {
	if !s.only.MatchString(r.name+", "+column) || s.ctx.Err() != nil {
		return
	}
	begin := time.Now()
	text, err := f()
	if s.ctx.Err() != nil {
		return
	}
	r.cells[column] = cell{text, err}
	state := "ok  "
	if err != nil {
		state, text = "FAIL", err.Error()
	}
	fmt.Printf("%s  %-28s %-14s %6.1f s  %s\n", state, r.name, column, time.Since(begin).Seconds(), text)
}

func (s *suite) add(r row) {
	if len(r.cells) > 0 {
		s.rows = append(s.rows, r)
	}
}

// verdict is an error if a mode of the proxy fails where the direct run, or
// haproxy where there is no direct one, does not.
func (s *suite) verdict() error {
	failed := 0
	for _, r := range s.rows {
		judge, ok := r.cells[direct.name]
		if !ok {
			judge, ok = r.cells[haproxy.name]
		}
		if ok && judge.err != nil {
			fmt.Printf("%s: not judged, as it fails without the proxy: %v\n", r.name, judge.err)
			continue
		}
		for _, m := range s.modes() {
			if c, ok := r.cells[m.name]; ok && c.err != nil {
				failed++
				fmt.Printf("%s, %s: %v\n", r.name, m.name, c.err)
			}
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d checks failed", failed)
	}
	return nil
}
