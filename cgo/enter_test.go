//go:build linux && cgo

package cgo

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"github.com/uring-go/uring/internal/testutil"
)

// An enterCall is what a program asked of io_uring_enter(2).
type enterCall struct {
	Submit, Wait, Flags uint64
	Size                uint64
	MinWait, Sec, Nsec  uint64 // of a wait with a time limit
}

// caller is one way to enter the kernel.
type caller struct {
	submit             func(*Ring) int
	wait               func(*Ring, uint32) int
	waitTimeout        func(*Ring, uint32, int64, uint32) int
	getEvents          func(*Ring) int
	submitAndGetEvents func(*Ring) int
}

var callers = map[string]caller{
	"liburing": {
		(*Ring).SubmitC, (*Ring).SubmitAndWaitC, (*Ring).SubmitAndWaitTimeoutC, (*Ring).GetEventsC, (*Ring).SubmitAndGetEventsC,
	},
	"direct": {
		func(r *Ring) int { return r.submit(0) }, (*Ring).submit, (*Ring).submitTimeout, (*Ring).getEvents,
		func(r *Ring) int { return r.submitFor(alone, 0, true) },
	},
	"shared": {
		func(r *Ring) int { return r.submitShared(false) }, (*Ring).submit, (*Ring).submitTimeout, (*Ring).getEvents,
		func(r *Ring) int { return r.submitFor(alone, 0, true) },
	},
}

const callerVariable = "URING_TEST_CALLER"

// Direct calls give the kernel exactly the arguments that liburing's calls give
// it: a process that takes a ring through many states is traced once with each.
func TestDirectCallsAskWhatLiburingAsks(t *testing.T) {
	want := traceEnters(t, "liburing")
	if len(want) < 30 {
		t.Fatalf("the program made %d calls, the trace is not whole", len(want))
	}
	for _, caller := range []string{"direct", "shared"} {
		if diff := cmp.Diff(want, traceEnters(t, caller)); diff != "" {
			t.Errorf("calls of io_uring_enter (-liburing +%s):\n%s", caller, diff)
		}
	}
}

// TestEnterProgram is the program that is traced.
func TestEnterProgram(t *testing.T) {
	c, ok := callers[os.Getenv(callerVariable)]
	if !ok {
		t.Skip("run by TestDirectCallsAskWhatLiburingAsks")
	}
	runtime.LockOSThread()
	for _, flags := range []uint32{
		0,
		SetupSubmitAll,
		SetupCoopTaskrun | SetupTaskrunFlag,
		SetupSingleIssuer,
		SetupSingleIssuer | SetupDeferTaskrun | SetupTaskrunFlag,
		SetupCQE32 | SetupSQE128,
	} {
		c.program(t, Params{Flags: flags, CQEntries: 4}, false)
		c.program(t, Params{Flags: flags, CQEntries: 4}, true)
	}
	c.sleepyThread(t)
}

// program takes a ring with 4 entries through its states.
func (c caller) program(t *testing.T, p Params, registered bool) {
	p.Flags |= SetupCQSize
	r, rc := Open(4, &p, nil)
	if rc < 0 {
		t.Fatal(syscall.Errno(-rc))
	}
	defer r.Exit()
	if registered {
		r.RegisterRingFD()
	}
	c.submit(r) // nothing to do
	c.waitTimeout(r, 0, 1e6, 0)
	nops(r, 3)
	c.submit(r)
	c.wait(r, 1) // ready already
	nops(r, 1)
	c.wait(r, 4)
	drain(r)
	nops(r, 2)
	c.waitTimeout(r, 2, 1e9, 0)
	c.waitTimeout(r, 1, 1e9, 0) // ready already
	c.waitTimeout(r, 3, 1_500_000, 0)
	if p.Features&FeatMinTimeout != 0 {
		c.waitTimeout(r, 3, 2_000_000, 500) // liburing asks only kernels that know of it
	}
	drain(r)
	for range 3 {
		nops(r, 4)
		c.submit(r) // overflows the second time
	}
	c.submit(r)
	drain(r)
	c.getEvents(r)
	drain(r)
	nops(r, 2)
	c.submitAndGetEvents(r)
	drain(r)
	c.submitAndGetEvents(r)
	c.submit(r)
	c.wait(r, 0)
}

// sleepyThread submits to a thread that sleeps, and wakes it.
func (c caller) sleepyThread(t *testing.T) {
	p := Params{Flags: SetupSQPoll, SQThreadIdle: 1}
	r, rc := Open(4, &p, nil)
	if rc < 0 {
		t.Fatal(syscall.Errno(-rc))
	}
	defer r.Exit()
	asleep := func() bool { return r.SQFlags()&SQNeedWakeup != 0 }
	completed := func() bool { head, tail := r.CQ(); return head != tail }
	for range 3 {
		await(t, asleep)
		nops(r, 1)
		c.submit(r)
		await(t, completed)
		drain(r)
	}
	await(t, asleep)
	nops(r, 2)
	c.wait(r, 2)
}

// await waits until so returns true.
func await(t *testing.T, so func() bool) {
	t.Helper()
	for range 5000 {
		if so() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("waited too long")
}

func nops(r *Ring, n int) {
	for range n {
		if sqe := r.NextSQE(); sqe != nil {
			sqe.Opcode = OpNop
		}
	}
}

func drain(r *Ring) {
	_, tail := r.CQ()
	r.SetCQHead(tail)
}

// traceEnters runs TestEnterProgram under ptrace and returns its calls of
// io_uring_enter.
func traceEnters(t *testing.T, name string) []enterCall {
	t.Helper()
	runtime.LockOSThread() // ptrace is bound to the thread
	defer runtime.UnlockOSThread()
	cmd := exec.Command(os.Args[0], "-test.run=^TestEnterProgram$", "-test.count=1")
	cmd.Env = append(os.Environ(), callerVariable+"="+name, "ASAN_OPTIONS=detect_leaks=0") // looking for leaks is done by tracing too
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := cmd.Start(); errors.Is(err, syscall.EPERM) {
		testutil.Lacks(t, testutil.Tracing, err)
	} else if err != nil {
		t.Fatal(err)
	}
	calls, err := trace(cmd.Process.Pid)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return calls
}

const (
	ptraceOptions  = syscall.PTRACE_O_TRACESYSGOOD | syscall.PTRACE_O_TRACECLONE | 0x100000 // PTRACE_O_EXITKILL
	syscallStop    = syscall.SIGTRAP | 0x80
	sysEnter       = 426
	waitAllThreads = 0x40000000 // __WALL
)

// trace follows a process that has just been started until it ends.
func trace(pid int) (calls []enterCall, err error) {
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &status, 0, nil); err != nil {
		return nil, err
	}
	if err := syscall.PtraceSetOptions(pid, ptraceOptions); err != nil {
		return nil, err
	}
	for tid, signal := pid, 0; ; {
		// A thread may be gone by now.
		if err := syscall.PtraceSyscall(tid, signal); err != nil && err != syscall.ESRCH {
			return nil, err
		}
		if tid, err = syscall.Wait4(-1, &status, waitAllThreads, nil); err != nil {
			return nil, err
		}
		signal = 0
		switch {
		case status.Exited() && tid == pid:
			if status.ExitStatus() != 0 {
				return nil, fmt.Errorf("the program failed with status %d", status.ExitStatus())
			}
			return calls, nil
		case status.StopSignal() == syscallStop:
			if call, ok := readCall(tid); ok {
				calls = append(calls, call)
			}
		case status.Stopped() && status.StopSignal() != syscall.SIGTRAP && status.StopSignal() != syscall.SIGSTOP:
			signal = int(status.StopSignal())
		}
	}
}

// A stop is a struct ptrace_syscall_info of a call's entry, which is the same on
// all processors.
type stop struct {
	op     uint8
	_      [3]uint8
	_      uint32
	_, _   uint64
	number uint64
	args   [6]uint64
}

const (
	getSyscallInfo = 0x420e // PTRACE_GET_SYSCALL_INFO
	isEntry        = 1      // PTRACE_SYSCALL_INFO_ENTRY
)

// readCall reads the arguments of io_uring_enter, if tid is entering that.
func readCall(tid int) (enterCall, bool) {
	var s stop
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PTRACE, getSyscallInfo, uintptr(tid),
		unsafe.Sizeof(s), uintptr(unsafe.Pointer(&s)), 0, 0)
	if errno != 0 || s.op != isEntry || s.number != sysEnter {
		return enterCall{}, false
	}
	c := enterCall{Submit: s.args[1], Wait: s.args[2], Flags: s.args[3], Size: s.args[5]}
	if c.Flags&EnterExtArg != 0 {
		arg := peek(tid, s.args[4], 24)
		c.MinWait = uint64(binary.NativeEndian.Uint32(arg[12:]))
		ts := peek(tid, binary.NativeEndian.Uint64(arg[16:]), 16)
		c.Sec, c.Nsec = binary.NativeEndian.Uint64(ts), binary.NativeEndian.Uint64(ts[8:])
	} else if c.Flags&EnterGetEvents == 0 {
		c.Size = 0 // not looked at
	}
	return c, true
}

func peek(tid int, addr uint64, n int) []byte {
	p := make([]byte, n)
	_, _ = syscall.PtracePeekData(tid, uintptr(addr), p)
	return p
}
