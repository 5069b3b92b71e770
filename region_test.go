//go:build linux

package uring

import (
	"errors"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"testing"
	"time"
)

func TestRegisteredWaits(t *testing.T) {
	needsRegions(t)
	for name, own := range map[string]bool{"memory of the kernel": false, "memory of the program": true} {
		t.Run(name, func(t *testing.T) {
			var c RegionConfig
			c.Waits = true
			if own {
				c.Memory = newArena(t, 1)
			}
			r := newRig(t, Config{Entries: 4, Flags: SetupRDisabled})
			g, err := r.RegisterRegion(c)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "error of Enable", r.Enable(), nil)
			equal(t, "places", g.Waits(), os.Getpagesize()/64)
			if own {
				equal(t, "closing the arena is ErrBusy", errors.Is(c.Memory.Close(), ErrBusy), true)
			}
			const limit = 30 * time.Millisecond
			equal(t, "error of SetWait", g.SetWait(0, RegWait{Limit: limit}), nil)
			equal(t, "error of SetWait", g.SetWait(g.Waits()-1, RegWait{Limit: -1}), nil)

			start := time.Now()
			n, err := r.SubmitAndWaitReg(1, 0)
			equal(t, "error without completions", err, os.ErrDeadlineExceeded)
			equal(t, "entries taken", n, 0)
			if d := time.Since(start); d < limit || d > 10*time.Second {
				t.Errorf("waited for %v", d)
			}

			nops(t, r.Ring, 3)
			n, err = r.SubmitAndWaitReg(3, g.Waits()-1)
			equal(t, "error without a limit", err, nil)
			equal(t, "entries taken", n, 3)
			equal(t, "completions", len(userData(r.Ring)), 3)

			nops(t, r.Ring, 1)
			n, err = r.SubmitAndWaitReg(2, 0)
			equal(t, "error with too few", err, os.ErrDeadlineExceeded)
			equal(t, "entries taken", n, 1)

			equal(t, "error of SetWait", g.SetWait(1, RegWait{Limit: 10 * time.Second, Least: time.Millisecond}), nil)
			n, err = r.SubmitAndWaitReg(2, 1)
			equal(t, "error after the least time", err, nil)
			equal(t, "entries taken", n, 0)
			equal(t, "completions", len(userData(r.Ring)), 1)

			_, err = r.SubmitAndWaitReg(1, g.Waits())
			wantError(t, err, "no slot")
			wantError(t, g.SetWait(-1, RegWait{}), "no slot -1")
			equal(t, "error of Close", r.Close(), nil)
			equal(t, "is ErrClosed", errors.Is(g.SetWait(0, RegWait{}), ErrClosed), true)
			equal(t, "memory", g.Bytes() == nil, true)
		})
	}
}

// A signal in the middle of a registered wait does not make it longer.
func TestRegisteredWaitsGoOnAfterSignals(t *testing.T) {
	needsRegions(t)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	r := newRig(t, Config{Entries: 4, Flags: SetupRDisabled})
	g, err := r.RegisterRegion(RegionConfig{Waits: true})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "error of Enable", r.Enable(), nil)
	const limit = 100 * time.Millisecond
	equal(t, "error of SetWait", g.SetWait(0, RegWait{Limit: limit}), nil)
	stop := signalEvery(t, 30*time.Millisecond, syscall.SIGURG)
	start := time.Now()
	_, err = r.SubmitAndWaitReg(1, 0)
	stop()
	equal(t, "error", err, os.ErrDeadlineExceeded)
	if d := time.Since(start); d < limit || d > 10*limit {
		t.Errorf("waited for %v, want %v", d, limit)
	}
}

func TestRegionsWithoutWaits(t *testing.T) {
	needsRegions(t)
	r := newRig(t, Config{Entries: 4})
	_, err := r.RegisterRegion(RegionConfig{Waits: true})
	wantError(t, err, "needs a ring that was opened with SetupRDisabled")
	g, err := r.RegisterRegion(RegionConfig{Size: 3 * os.Getpagesize()})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "size", len(g.Bytes()), 3*os.Getpagesize())
	for i := range g.Bytes() {
		g.Bytes()[i] = byte(i)
	}
	wantError(t, g.SetWait(0, RegWait{}), "RegionConfig.Waits")
	_, err = r.SubmitAndWaitReg(1, 0)
	wantError(t, err, "needs a region with RegionConfig.Waits")
	_, err = r.RegisterRegion(RegionConfig{})
	wantError(t, err, "the ring has a region")
}

func TestWrongRegionsAreRefused(t *testing.T) {
	r := newRig(t, Config{Entries: 4})
	a := newArena(t, 1)
	_, err := r.RegisterRegion(RegionConfig{Size: -1})
	wantError(t, err, "Size is -1")
	_, err = r.RegisterRegion(RegionConfig{Size: 1, Memory: a})
	wantError(t, err, "Memory has its own")
	equal(t, "users", a.users, 0)
}

// Signals of the set stay pending while a registered wait lasts, and others end it.
func TestRegisteredWaitForSignals(t *testing.T) {
	needsRegions(t)
	r := newRig(t, Config{Entries: 4, Flags: SetupRDisabled})
	g, err := r.RegisterRegion(RegionConfig{Waits: true})
	r.must(err)
	r.must(r.Enable())
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	usr1 := make(chan os.Signal, 8)
	signal.Notify(usr1, syscall.SIGUSR1)
	defer signal.Stop(usr1)
	stop := signalEvery(t, 10*time.Millisecond, syscall.SIGUSR1)
	r.must(g.SetWait(0, RegWait{Limit: 100 * time.Millisecond, Block: Signals(syscall.SIGUSR1, syscall.SIGURG)}))
	equal(t, "error with the signal in the set", second(r.SubmitAndWaitReg(1, 0)), os.ErrDeadlineExceeded)
	r.must(g.SetWait(1, RegWait{Limit: patience, Block: Signals(syscall.SIGURG)}))
	err = second(r.SubmitAndWaitReg(1, 1))
	equal(t, "is EINTR", errors.Is(err, syscall.EINTR), true)
	stop()
	r.must(g.SetWait(0, RegWait{Limit: time.Millisecond}))
	equal(t, "error without a set", second(r.SubmitAndWaitReg(1, 0)), os.ErrDeadlineExceeded)
}
