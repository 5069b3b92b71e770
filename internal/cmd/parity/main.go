// Command parity says how much of liburing the package covers, and writes
// docs/parity.md. Run it in the root folder of the module:
//
//	go run ./internal/cmd/parity                      # fails if something is missing
//	go run ./internal/cmd/parity -o docs/parity.md    # writes the page too
//
// Nothing about the package is listed here. An exported symbol covers the
// functions and macros of liburing that its doc comment names, as
// io_uring_prep_recv(3) or io_uring_prep_recv. Names with another section of
// the manual, such as io_uring_setup(2), and struct names claim nothing. What a
// reader need not know of is in a directive, which go doc leaves out:
//
//	//uring:covers io_uring_smp_mb
//
// What liburing has is in the .tsv files; notneeded.go says what Go has no use
// for.
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"slices"
	"strings"
)

func main() {
	log.SetFlags(0)
	out := flag.String("o", "", "`file` to write the page to")
	flag.Parse()

	r, err := inspect(".")
	if err != nil {
		log.Fatal(err)
	}
	if *out != "" {
		if err := os.WriteFile(*out, r.page(), 0o644); err != nil {
			log.Fatal(err)
		}
	}
	r.summary(os.Stdout)
	if len(r.wrong) > 0 || !r.complete() {
		os.Exit(1)
	}
}

// A report is what there is to say about the package.
type report struct {
	functions []function
	constants []constant
	claims    map[string][]symbol // by liburing's name
	needless  map[string]string   // why
	wrong     []string            // contradictions in the sources
}

// inspect looks at the module whose root folder is dir.
func inspect(dir string) (*report, error) {
	pkg, err := load(dir)
	if err != nil {
		return nil, err
	}
	symbols, err := pkg.symbols()
	if err != nil {
		return nil, err
	}
	constants, err := constants(dir, pkg, symbols)
	if err != nil {
		return nil, err
	}
	r := &report{functions: functions(), constants: constants}
	r.claim(symbols)
	r.checkNeedless()
	r.checkTrips()
	r.checkHomes()
	r.checkPorts(portNotes, symbols, pkg.pkg.Scope())
	return r, nil
}

// claim finds out which symbols cover what.
func (r *report) claim(symbols []symbol) {
	known := map[string]bool{}
	for _, f := range r.functions {
		known[f.name] = true
	}
	r.claims = map[string][]symbol{}
	there := map[string]bool{}
	for _, s := range symbols {
		there[s.name] = true
	}
	for _, s := range symbols {
		for _, name := range deadLinks(s.doc, there) {
			r.wrong = append(r.wrong, fmt.Sprintf("the comment of %s links to %s, which is not there", s.name, name))
		}
		names := claimed(s.doc, known)
		for _, name := range s.covers {
			switch {
			case known[name]:
				names = append(names, name)
			case !slices.ContainsFunc(r.constants, func(c constant) bool { return c.name == name }):
				r.wrong = append(r.wrong, fmt.Sprintf("the directive of %s names %s, which liburing 2.15 does not have", s.name, name))
			}
		}
		for _, name := range names {
			if !known[name] {
				r.wrong = append(r.wrong, fmt.Sprintf("the comment of %s names %s, which is no function or macro of liburing 2.15", s.name, name))
				continue
			}
			if s.name == "package" { // only talks about the others
				continue
			}
			r.claims[name] = append(r.claims[name], s)
		}
	}
}

// checkNeedless refuses reasons for what is not there, or is covered.
func (r *report) checkNeedless() {
	known := map[string]bool{}
	for _, f := range r.functions {
		known[f.name] = true
	}
	r.needless = map[string]string{}
	for _, n := range notNeeded {
		for _, name := range strings.Fields(n.names) {
			if !known[name] {
				r.wrong = append(r.wrong, fmt.Sprintf("notneeded.go names %s, which is no function or macro of liburing 2.15", name))
			}
			if s := r.claims[name]; s != nil {
				r.wrong = append(r.wrong, fmt.Sprintf("notneeded.go names %s, which %s covers", name, s[0].name))
			}
			r.needless[name] = n.because
		}
	}
}

// checkTrips wants a test on the kernel for every opcode.
func (r *report) checkTrips() {
	for _, c := range r.constants {
		if c.isOpcode() && c.trips == nil {
			r.wrong = append(r.wrong, fmt.Sprintf("no test makes a request with %s on the kernel", c.name))
		}
	}
}

// checkHomes wants a way to use every constant, or a reason why there is none.
func (r *report) checkHomes() {
	for _, c := range r.constants {
		switch home := c.home(); {
		case home == "–" && instead[c.group] == "":
			r.wrong = append(r.wrong, fmt.Sprintf("nothing exported has %s: notneeded.go must say why", c.name))
		case home != "–" && c.because != "" && home != c.because:
			r.wrong = append(r.wrong, fmt.Sprintf("notneeded.go says why there is no %s, which %s has", c.name, home))
		}
	}
}

func (r *report) missing() []function {
	var missing []function
	for _, f := range r.functions {
		if r.claims[f.name] == nil && r.needless[f.name] == "" {
			missing = append(missing, f)
		}
	}
	return missing
}

func (r *report) missingConstants() []constant {
	var missing []constant
	for _, c := range r.constants {
		if !c.covered() {
			missing = append(missing, c)
		}
	}
	return missing
}

func (r *report) complete() bool { return len(r.missing())+len(r.missingConstants()) == 0 }

// counts is the line about functions and macros.
func (r *report) counts() string {
	missing := len(r.missing())
	covered := len(r.functions) - len(r.needless) - missing
	return fmt.Sprintf("covered %d of %d, not needed %d, missing %d", covered, len(r.functions), len(r.needless), missing)
}

// constantCounts is the line about constants.
func (r *report) constantCounts() string {
	n := len(r.constants)
	return fmt.Sprintf("constants: covered %d of %d", n-len(r.missingConstants()), n)
}

func (r *report) summary(w io.Writer) {
	fmt.Fprintln(w, r.counts())
	for _, f := range r.missing() {
		fmt.Fprintf(w, "  %s (%s, liburing %s)\n", f.name, f.group, f.since)
	}
	fmt.Fprintln(w, r.constantCounts())
	for _, c := range r.missingConstants() {
		fmt.Fprintf(w, "  %s (%s)\n", c.name, c.group)
	}
	for _, s := range r.wrong {
		fmt.Fprintf(w, "error: %s\n", s)
	}
}
