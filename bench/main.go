// Command bench measures the package beside its peers: C programs on liburing,
// giouring, and Go's package net. `make bench` in the folder above runs it.
//
// Everything is measured in turns, A B A B, in one run, and compared round by
// round: what disturbs the machine for longer than a sample disturbs both. It
// runs in a network namespace of its own, and so needs root.
package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// An options says how much is measured.
type options struct {
	quick     bool
	only      string
	rounds    int
	out       string
	disturbed float64
	redraw    bool
}

// experiments in the order in which they run and are reported.
var experiments = []func(*bench) *experiment{nopExperiment, proxyExperiment, echoExperiment, bufferExperiment, zcExperiment, filesExperiment}

func main() {
	log.SetFlags(0)
	log.SetPrefix("bench: ")
	var o options
	flag.BoolVar(&o.quick, "quick", false, "few short samples, under 5 minutes; full figures take up to 50")
	flag.StringVar(&o.only, "only", "", "experiments to run, separated by commas: nop, proxy, echo, buffers, zc, files")
	flag.IntVar(&o.rounds, "rounds", 0, "rounds of each experiment, 0 for its own number")
	flag.StringVar(&o.out, "out", "", "folder for the results; without it they go to bench/results, or with -quick or -only to bin/results")
	flag.Float64Var(&o.disturbed, "disturbed", 0.12, "measure again when others use more of a processor than this")
	flag.BoolVar(&o.redraw, "draw", false, "measure nothing: draw the plots again, from the stored results")
	flag.Parse()
	if flag.NArg() > 0 {
		log.Fatalf("unexpected argument %q", flag.Arg(0))
	}
	b, err := newBench(o)
	if err != nil {
		log.Fatal(err)
	}
	switch {
	case o.redraw:
		err = b.drawAgain()
	case os.Getenv(inNamespace) == "":
		err = b.prepare()
	default:
		err = b.run()
	}
	if err != nil {
		log.Fatal(err)
	}
}

// prepare builds the programs and starts this one again in a namespace: not the
// other way round, as building may fetch modules, and there is no way out of
// the namespace.
func (b *bench) prepare() error {
	if err := b.build(); err != nil {
		return err
	}
	return enterNamespace()
}

func newBench(o options) (*bench, error) {
	root, err := findRoot()
	if err != nil {
		return nil, err
	}
	b := &bench{options: o, bin: filepath.Join(root, "bench", "bin"), root: root}
	if o.out == "" {
		b.out = filepath.Join(root, "bench", "results")
		if !o.redraw && (o.quick || o.only != "") {
			b.out = filepath.Join(b.bin, "results") // do not replace full figures
		}
	}
	if b.liburing, err = b.libraryVersion(); err != nil {
		return nil, err
	}
	b.cores, err = findCores()
	return b, err
}

func (b *bench) run() error {
	if err := prepareNetwork(); err != nil {
		return err
	}
	start := time.Now()
	var done []*experiment
	for _, make := range experiments {
		e := make(b)
		if b.only != "" && !selected(b.only, e.name) {
			continue
		}
		b.measure(e)
		done = append(done, e)
	}
	if len(done) == 0 {
		return fmt.Errorf("-only %s: no such experiment", b.only)
	}
	if err := b.report(done, time.Since(start)); err != nil {
		return err
	}
	var failures []error
	for _, e := range done {
		failures = append(failures, e.failures...)
	}
	return errors.Join(failures...)
}

func selected(only, name string) bool {
	for _, s := range strings.Split(only, ",") {
		if strings.TrimSpace(s) == name {
			return true
		}
	}
	return false
}

// findRoot finds the repository: the folder above this module's.
func findRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "bench", "c", "nop.c")); err == nil {
			return dir, nil
		}
	}
	return "", errors.New("run it inside the repository: make bench")
}
