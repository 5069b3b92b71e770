package main

import (
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

// cores says where programs run: what is measured on a processor of its own,
// the load on the others.
type cores struct {
	server, load unix.CPUSet
	n            int // of all
}

func findCores() (c cores, err error) {
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return c, err
	}
	last := 0
	for i := range len(all) * 64 {
		if all.IsSet(i) {
			last = i
		}
	}
	c.n = all.Count()
	c.server.Set(last)
	c.load = all
	if c.n > 1 {
		c.load.Clear(last)
	}
	return c, nil
}

// startOn starts cmd on the given processors: it inherits them from the thread
// that starts it.
func startOn(cpus unix.CPUSet, cmd *exec.Cmd) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return err
	}
	if err := unix.SchedSetaffinity(0, &cpus); err != nil {
		return err
	}
	err := cmd.Start()
	if back := unix.SchedSetaffinity(0, &before); err == nil {
		err = back
	}
	return err
}
