//go:build linux

package uring

import (
	"os/exec"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/uring-go/uring/cgo"
)

func TestFutexWaitAndWake(t *testing.T) {
	p := newTrip(t, Config{})
	p.needOp(cgo.OpFutexWait, 6, 7)
	word := new(uint32)
	*word = 5
	for _, flags := range []FutexFlags{0, FutexPrivate} {
		p.fails(syscall.EAGAIN, noErr(func(s SQE) { s.PrepFutexWait(word, 6, FutexMatchAny, flags) }))
		p.start(1, noErr(func(s SQE) { s.PrepFutexWait(word, 5, 0b01, flags) }))
		p.start(2, noErr(func(s SQE) { s.PrepFutexWait(word, 5, 0b10, flags) }))
		p.start(3, noErr(func(s SQE) { s.PrepFutexWake(word, 100, 0b10, flags) }))
		if diff := cmp.Diff(map[uint64]int32{2: 0, 3: 1}, p.both()); diff != "" {
			t.Errorf("flags %d: %s", flags, diff)
		}
		p.start(4, noErr(func(s SQE) { s.PrepFutexWake(word, 1, FutexMatchAny, flags) }))
		if diff := cmp.Diff(map[uint64]int32{1: 0, 4: 1}, p.both()); diff != "" {
			t.Errorf("flags %d: %s", flags, diff)
		}
		p.want(0, noErr(func(s SQE) { s.PrepFutexWake(word, 1, FutexMatchAny, flags) }))
	}
}

func TestFutexWaitv(t *testing.T) {
	p := newTrip(t, Config{})
	p.needOp(cgo.OpFutexWaitv, 6, 7)
	words := make([]uint32, 3)
	var waiters []FutexWaiter
	for i := range words {
		words[i] = uint32(i)
		waiters = append(waiters, FutexWaiter{&words[i], uint32(i), FutexPrivate})
	}
	p.start(1, func(s SQE) error { return s.PrepFutexWaitv(waiters) })
	p.start(2, noErr(func(s SQE) { s.PrepFutexWake(&words[1], 1, FutexMatchAny, FutexPrivate) }))
	if diff := cmp.Diff(map[uint64]int32{1: 1, 2: 1}, p.both()); diff != "" {
		t.Error(diff)
	}
	words[2] = 9
	p.fails(syscall.EAGAIN, func(s SQE) error { return s.PrepFutexWaitv(waiters) })
	if err := p.next().PrepFutexWaitv(make([]FutexWaiter, 129)); err == nil {
		t.Error("129 futexes are not refused")
	}
	if err := p.next().PrepFutexWaitv(nil); err == nil {
		t.Error("no futex is not refused")
	}
}

func TestWaitid(t *testing.T) {
	p := newTrip(t, Config{})
	p.needOp(cgo.OpWaitid, 6, 7)
	const exited, noWait, childExited, childKilled = 4, 0x1000000, 1, 2
	for _, c := range []struct {
		script string
		want   Siginfo
	}{
		{"exit 7", Siginfo{Signo: int32(syscall.SIGCHLD), Code: childExited, Status: 7}},
		{"kill -9 $$", Siginfo{Signo: int32(syscall.SIGCHLD), Code: childKilled, Status: 9}},
	} {
		cmd := exec.Command("sh", "-c", "read x; "+c.script)
		stdin, err := cmd.StdinPipe()
		p.must(err)
		p.must(cmd.Start())
		var info Siginfo
		p.start(1, noErr(func(s SQE) { s.PrepWaitid(PPID, cmd.Process.Pid, &info, exited|noWait) }))
		p.must(stdin.Close())
		if diff := cmp.Diff(map[uint64]int32{1: 0}, p.one()); diff != "" {
			t.Error(diff)
		}
		c.want.PID, c.want.UID = int32(cmd.Process.Pid), uint32(syscall.Getuid())
		if info != c.want {
			t.Errorf("%s: got %+v, want %+v", c.script, info, c.want)
		}
		p.want(0, noErr(func(s SQE) { s.PrepWaitid(PPID, cmd.Process.Pid, nil, exited|noWait) }))
		if _, ok := cmd.Wait().(*exec.ExitError); !ok {
			t.Error("the child is gone")
		}
		p.fails(syscall.ECHILD, noErr(func(s SQE) { s.PrepWaitid(PPID, cmd.Process.Pid, &info, exited) }))
	}
}
