package uring

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/uring-go/uring/cgo"
)

// A thread is one of this process, told from a later one with the same number by
// when it started.
type thread struct {
	id      int
	started string // "" if that is not known
}

func currentThread() thread {
	id := cgo.ThreadID()
	started, _ := threadStart(id)
	return thread{id, started}
}

// ended reports whether the thread is known to be gone.
func (t thread) ended() bool {
	if t.started == "" {
		return false
	}
	started, err := threadStart(t.id)
	return errors.Is(err, fs.ErrNotExist) || err == nil && started != t.started
}

// threadStart returns when a thread of this process started, as proc_pid_stat(5)
// has it, and an error that matches [fs.ErrNotExist] if there is none.
func threadStart(id int) (string, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/stat", id))
	if err != nil {
		return "", err
	}
	// The name, in brackets, may have spaces and brackets in it.
	_, rest, _ := strings.Cut(string(stat[max(0, strings.LastIndexByte(string(stat), ')')):]), " ")
	const state, startTime = 0, 19
	fields := strings.Fields(rest)
	switch {
	case len(fields) <= startTime:
		return "", errors.New("/proc/self/task/…/stat has too few fields")
	case fields[state] == "Z" || fields[state] == "X":
		return "", fs.ErrNotExist
	}
	return fields[startTime], nil
}
