package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// values are what one sample measured, by name.
type values map[string]float64

// maxRun is how long a program may take to do what it was asked.
const maxRun = 30 * time.Second

// output runs a program that prints its figures as one line of JSON.
func output(cpus unix.CPUSet, name string, args ...string) (values, error) {
	p, err := start(cpus, name, args...)
	if err != nil {
		return nil, err
	}
	return p.result()
}

// A process is a program that runs.
type process struct {
	cmd         *exec.Cmd
	out, errOut bytes.Buffer
	done        chan error
}

func start(cpus unix.CPUSet, name string, args ...string) (*process, error) {
	p := &process{cmd: exec.Command(name, args...), done: make(chan error, 1)}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.errOut
	if err := startOn(cpus, p.cmd); err != nil {
		return nil, err
	}
	go func() { p.done <- p.cmd.Wait() }()
	return p, nil
}

// result waits for the program's end and returns what it printed.
func (p *process) result() (values, error) {
	select {
	case err := <-p.done:
		if err != nil {
			return nil, p.failed(err)
		}
	case <-time.After(maxRun):
		p.kill()
		return nil, p.failed(fmt.Errorf("not done after %v", maxRun))
	}
	v := values{}
	if err := json.Unmarshal(p.out.Bytes(), &v); err != nil {
		return nil, p.failed(err)
	}
	return v, nil
}

// kill ends a program that goes on until it is told to stop. What it takes
// down with it does not matter: it was measured before.
func (p *process) kill() {
	_ = p.cmd.Process.Signal(syscall.SIGKILL)
	<-p.done
}

func (p *process) failed(err error) error {
	said := strings.TrimSpace(p.errOut.String())
	if len(said) > 500 {
		said = said[len(said)-500:]
	}
	return fmt.Errorf("%s %s: %w\n%s", filepath.Base(p.cmd.Path), strings.Join(p.cmd.Args[1:], " "), err, said)
}

func (p *process) pid() int { return p.cmd.Process.Pid }
