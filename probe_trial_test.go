//go:build linux

package uring

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/testutil"
)

// The kernel lets go of the rings that features and bugs are tried on. Where it
// cannot, one of its threads waits for that, for good.
func TestTrialsLeaveNothingInTheKernel(t *testing.T) {
	before := ringsThatEnd(t)
	for _, b := range bugs {
		if _, err := b.look(); err != nil && !errors.Is(err, ErrNotSupported) {
			t.Error(err)
		}
	}
	for _, p := range features {
		if err := p.Try(); err != nil && !errors.Is(err, ErrNotSupported) {
			t.Error(err)
		}
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		left := ringsThatEnd(t)
		maps.DeleteFunc(left, func(thread string, _ bool) bool { return before[thread] })
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the kernel still waits for rings to end: %v", left)
		}
	}
}

// ringsThatEnd returns the kernel's threads that wait for a ring to end.
func ringsThatEnd(t *testing.T) map[string]bool {
	t.Helper()
	names, err := filepath.Glob("/proc/[0-9]*/comm")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, name := range names {
		if comm, err := os.ReadFile(name); err == nil && strings.Contains(string(comm), "+iou_exit") {
			found[name] = true
		}
	}
	return found
}

// A request that gets no completion must not hang the probe, nor leave
// anything behind.
func TestATrialEndsWithoutACompletion(t *testing.T) {
	before := openFDs(t)
	var x *trial
	err := onTrial(0, func(t *trial) error {
		x = t
		fd, _, err := t.pair(cgo.SockStream)
		if err != nil {
			return err
		}
		t.deadline = time.Now().Add(20 * time.Millisecond)
		_, err = t.do(cgo.SQE{Opcode: cgo.OpRecv, FD: fd, Addr: t.data(), Len: 8})
		return err
	})
	if err != errNoAnswer {
		t.Errorf("got %v, want %v", err, errNoAnswer)
	}
	if x.running != 0 || x.mem.Len() != 0 {
		t.Errorf("%d requests run and %d bytes are mapped after the end, want none", x.running, x.mem.Len())
	}
	if diff := cmp.Diff(before, openFDs(t)); diff != "" {
		t.Errorf("descriptors before and after (-before +after):\n%s", diff)
	}
}

// Both completions of a zero-copy send are waited for before its memory goes.
func TestATrialWaitsForTheNotification(t *testing.T) {
	testutil.Need(t, HaveSendZC)
	var x *trial
	err := onTrial(0, func(t *trial) error {
		x = t
		a, _, err := t.tcpPair()
		if err != nil {
			return err
		}
		c, err := t.do(cgo.SQE{Opcode: cgo.OpSendZC, FD: a, Addr: t.data(), Len: 8})
		if err != nil {
			return err
		}
		if c.Res != 8 || c.Flags&cgo.CQEFMore == 0 || t.running != 1 {
			return fmt.Errorf("result %d, flags %#x, %d running", c.Res, c.Flags, t.running)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if x.running != 0 || x.mem.Len() != 0 {
		t.Errorf("%d requests run and %d bytes are mapped after the end, want none", x.running, x.mem.Len())
	}
}
