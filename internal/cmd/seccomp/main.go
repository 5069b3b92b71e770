// Command seccomp makes docker/seccomp.json from the profile that a container
// engine applies by default. It reads the configuration of a container, as the
// engine hands it to its runtime, and writes the seccomp profile in it, with
// the calls of io_uring allowed:
//
//	scripts/docker/seccomp.sh            write docker/seccomp.json
//	scripts/docker/seccomp.sh -compare   say how the default differs from it
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"slices"
)

// A profile is what engines, their runtimes and Kubernetes all read.
type profile struct {
	DefaultAction   string   `json:"defaultAction"`
	DefaultErrnoRet *uint    `json:"defaultErrnoRet,omitempty"`
	Architectures   []string `json:"architectures"`
	Syscalls        []rule   `json:"syscalls"`
}

type rule struct {
	Names    []string `json:"names"`
	Action   string   `json:"action"`
	ErrnoRet *uint    `json:"errnoRet,omitempty"`
	Args     []arg    `json:"args,omitempty"`
}

type arg struct {
	Index    uint   `json:"index"`
	Value    uint64 `json:"value"`
	ValueTwo uint64 `json:"valueTwo,omitempty"`
	Op       string `json:"op"`
}

var (
	ringCalls = []string{"io_uring_enter", "io_uring_register", "io_uring_setup"}
	// An engine names the architectures of its own machine only. A call that
	// one of these lacks is left out there.
	architectures = []string{"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_AARCH64"}
)

// read finds the profile in the configuration of a container.
func read(r io.Reader) (*profile, error) {
	var c struct{ Linux struct{ Seccomp *profile } }
	if err := json.NewDecoder(r).Decode(&c); err != nil {
		return nil, err
	}
	if c.Linux.Seccomp == nil {
		return nil, errors.New("the container has no seccomp profile")
	}
	return c.Linux.Seccomp, nil
}

// allow returns the rule that allows calls whatever their arguments are.
func (p *profile) allow() (*rule, error) {
	for i := range p.Syscalls {
		if r := &p.Syscalls[i]; r.Action == "SCMP_ACT_ALLOW" && len(r.Args) == 0 && len(r.Names) > 100 {
			return r, nil
		}
	}
	return nil, errors.New("the profile has no list of calls that are allowed")
}

// addRings allows the calls of io_uring.
func (p *profile) addRings() error {
	r, err := p.allow()
	if err != nil {
		return err
	}
	r.Names = append(r.Names, ringCalls...)
	slices.Sort(r.Names)
	r.Names = slices.Compact(r.Names)
	p.Architectures = architectures
	return nil
}

func (p *profile) write(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "\t")
	return enc.Encode(p)
}

// differences says what one profile allows and the other does not.
func differences(engine, shipped *profile) ([]string, error) {
	have, err := engine.allow()
	if err != nil {
		return nil, err
	}
	want, err := shipped.allow()
	if err != nil {
		return nil, err
	}
	var s []string
	for _, name := range want.Names {
		if !slices.Contains(have.Names, name) {
			s = append(s, "the engine's default forbids "+name)
		}
	}
	for _, name := range have.Names {
		if !slices.Contains(want.Names, name) {
			s = append(s, "docker/seccomp.json forbids "+name)
		}
	}
	return s, nil
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("seccomp: ")
	compare := flag.String("compare", "", "say how the container's profile differs from this `file`")
	flag.Parse()
	if err := run(*compare); err != nil {
		log.Fatal(err)
	}
}

func run(compare string) error {
	p, err := read(os.Stdin)
	if err != nil {
		return err
	}
	if compare == "" {
		if err := p.addRings(); err != nil {
			return err
		}
		return p.write(os.Stdout)
	}
	shipped, err := load(compare)
	if err != nil {
		return err
	}
	lines, err := differences(p, shipped)
	for _, line := range lines {
		fmt.Println(line)
	}
	return err
}

func load(file string) (*profile, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	p := new(profile)
	return p, json.Unmarshal(b, p)
}
