package uring

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/feature"
	"github.com/uring-go/uring/internal/kernel"
)

// Errors to compare with [errors.Is].
var (
	// ErrNotSupported: the running kernel, or the linked liburing, lacks
	// the feature. The error's text names it and the kernel that has it.
	ErrNotSupported = feature.ErrNotSupported

	// ErrSQFull: no submission entry is free. [Ring.Submit] makes room.
	ErrSQFull = errors.New("uring: submission queue full; Submit makes room")

	// ErrClosed: the object was used after Close.
	ErrClosed = errors.New("uring: use after Close")

	// ErrWrongThread: the ring was made for a single issuer and is used from
	// another thread than the one that opened or enabled it. See [Serve].
	ErrWrongThread = errors.New("uring: ring with a single issuer used from another thread; run its owner with uring.Serve, or lock the goroutine to its thread before uring.New")

	// ErrBusy: the kernel or a holder of slices still uses the memory.
	ErrBusy = errors.New("uring: still in use")

	// ErrQueueFull: the send queue has no room now. Nothing was lost; wait
	// for a send to complete and try again.
	ErrQueueFull = errors.New("uring: send queue full")

	// ErrAccount: what the kernel says of a buffer ring's buffers is not what
	// follows from its completions. The ring hands out no more bytes. Close the
	// Ring, and open another.
	ErrAccount = errors.New("uring: the kernel and the account of a buffer ring disagree")

	// ErrReleased: a segment was released twice, or used after its release.
	ErrReleased = errors.New("uring: segment was released before")

	// ErrBadCompletion: a completion does not fit the state of what it is said
	// to come from: a buffer ring, a send queue, a [Msg] or a [ZCRX]. Nothing was
	// taken from that.
	ErrBadCompletion = errors.New("uring: completion does not fit")
)

// An OpError is a call into the kernel that failed.
type OpError struct {
	Op  string        // what was tried, such as "open ring"
	Err syscall.Errno // what the kernel answered
}

// Error says what failed, why, and where the reason is known what to do.
func (e *OpError) Error() string { return e.text(e.hint()) }

func (e *OpError) text(why string) string {
	s := "uring: " + e.Op + ": " + e.Err.Error()
	if why != "" {
		s += " (" + why + ")"
	}
	return s
}

// Unwrap returns the errno.
func (e *OpError) Unwrap() error { return e.Err }

// Is makes an OpError match
//   - [ErrNotSupported], if the system lacks io_uring or hides it, or if the network
//     device lacks the feature,
//   - [syscall.EPERM], if the system forbids the call with EACCES,
//   - [ErrWrongThread], if the kernel refused the calling thread.
func (e *OpError) Is(target error) bool {
	switch target {
	case ErrNotSupported:
		return e.Err == syscall.ENOSYS || e.lacksDevice() || e.hidden()
	case syscall.EPERM:
		return e.Err == syscall.EACCES && e.denied()
	case ErrWrongThread:
		return e.wrongThread()
	}
	return false
}

// lacksDevice reports whether the network device lacks the feature, on every
// kernel.
func (e *OpError) lacksDevice() bool {
	return e.Op == opRegisterZCRX && e.Err == syscall.EOPNOTSUPP
}

// hidden reports whether something, such as a seccomp profile, makes the system look
// as if it had no io_uring.
func (e *OpError) hidden() bool {
	return (e.Err == syscall.EOPNOTSUPP || e.Err == syscall.EINVAL) && e.denied()
}

// denied reports whether the system call returns this error here whatever its
// arguments.
func (e *OpError) denied() bool {
	call := callOf(e.Op)
	return call != "" && cgo.Denied(call) == e.Err
}

// wrongThread reports whether EEXIST means that the calling thread is not the
// issuer. Where a call returns EEXIST for another reason, [Ring.exists] has been
// asked before.
func (e *OpError) wrongThread() bool {
	call := callOf(e.Op)
	return e.Err == syscall.EEXIST && (call == cgo.CallEnter || call == cgo.CallRegister)
}

// callOf returns the system call by which op is done, "" if it is not one of
// io_uring's.
func callOf(op string) cgo.Call {
	switch op {
	case opOpen:
		return cgo.CallSetup
	case opSubmit, opWait, opWaitSQ:
		return cgo.CallEnter
	case opMap, opSize, opDup, opPollable, opMakeEventFD, opSend, opTry, opConnectPair:
		return ""
	default:
		return cgo.CallRegister
	}
}

// wrapf is fmt.Errorf with the package's prefix at the start only, and not again
// in front of the error that it wraps.
func wrapf(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &wrappedError{"uring: " + strings.ReplaceAll(err.Error(), "uring: ", ""), err}
}

type wrappedError struct {
	text string
	err  error
}

func (e *wrappedError) Error() string { return e.text }
func (e *wrappedError) Unwrap() error { return e.err }

// check turns what a C call returned into an error. Only check and [CQE.Err] change
// the sign of a returned errno.
func check(op string, rc int) error {
	if rc >= 0 {
		return nil
	}
	return &OpError{op, syscall.Errno(-rc)}
}

// checkSince is [check] for calls newer than the oldest supported kernel or liburing:
// the error names the version needed.
func checkSince(op string, rc int, since kernel.Version, liburing string) error {
	err := check(op, rc)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSYS) && cgo.HeaderMajor > 0 && !err.(*OpError).denied():
		return &libraryError{op, liburing}
	case errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.EOPNOTSUPP):
		if running, rerr := kernel.Running(); rerr == nil && running.Less(since) {
			return &feature.MissingError{Feature: "to " + op, Since: since, Cause: err}
		}
	}
	return err
}

// A reasonedError is an OpError whose caller knows a better reason than the usual
// one.
type reasonedError struct {
	*OpError
	why string
}

func (e reasonedError) Error() string { return e.text(e.why) }
func (e reasonedError) Unwrap() error { return e.OpError }

// A libraryError says that the program was built with a liburing that is too
// old.
type libraryError struct{ op, since string }

func (e *libraryError) Error() string {
	header, _ := LiburingVersion()
	return fmt.Sprintf("uring: to %s not supported: it needs liburing %s or later, and the program was built with %s", e.op, e.since, header)
}

func (e *libraryError) Is(target error) bool { return target == ErrNotSupported }

// The names of calls in errors. hint and callOf compare some of them.
const (
	opOpen              = "open ring"
	opMap               = "map ring"
	opEnable            = "enable ring"
	opSize              = "tell the size of a ring"
	opSubmit            = "submit"
	opWait              = "wait for completions"
	opWaitSQ            = "wait for room in the submission queue"
	opRegister          = "register something"
	opRegisterBufRing   = "register buffer ring"
	opBufRingHead       = "ask for the buffer ring's head"
	opRegisterBuffers   = "register buffers"
	opUnregisterBuffers = "unregister buffers"
	opRegisterFiles     = "register files"
	opUpdateFiles       = "update files"
	opDup               = "duplicate the ring's descriptor"
	opPollable          = "make the ring's descriptor pollable"
	opMakeEventFD       = "make an eventfd"
	opRegisterEventFD   = "register an eventfd"
	opUnregisterEventFD = "unregister the eventfd"
	opRegisterZCRX      = "register a zero-copy receive"
	opRegisterBPF       = "register a filter"
)

// hint explains an errno that has a usual reason outside the program.
func (e *OpError) hint() string {
	call := callOf(e.Op)
	switch {
	case e.Err == syscall.ENOSYS && cgo.HeaderMajor == 0:
		return noCgo
	case e.Err == syscall.EPERM && e.Op == opOpen:
		return permissionHint(os.ReadFile("/proc/sys/kernel/io_uring_disabled"))
	case e.Err == syscall.ENOSYS:
		return "io_uring is not supported by this system, or a seccomp profile hides it" + allowAll
	case e.lacksDevice():
		return "the network device, or its driver, does not support it"
	case e.Err == syscall.EPERM && e.Op == opRegisterZCRX:
		return "it needs CAP_NET_ADMIN"
	case e.wrongThread():
		return strings.TrimPrefix(ErrWrongThread.Error(), "uring: ")
	case e.denied():
		return fmt.Sprintf("a seccomp profile, a security module or another sandbox refuses every %s", call) + allowAll
	case e.Err == syscall.EACCES && e.Op == opRegisterBPF:
		return "it needs CAP_SYS_ADMIN, or the attribute no_new_privs of the calling thread"
	case e.Err == syscall.EACCES && call == cgo.CallRegister:
		return "Ring.RegisterRestrictions did not allow it"
	case e.Err == syscall.ENOMEM:
		return memoryHint(call)
	case e.Err == syscall.EMFILE:
		return "RLIMIT_NOFILE is too small: raise it with ulimit -n or LimitNOFILE="
	case e.Err == cgo.EBadFD && call == cgo.CallEnter:
		return "the ring was opened with SetupRDisabled and waits for Ring.Enable"
	case e.Err == syscall.EBUSY && call == cgo.CallEnter:
		return "the completion queue has overflowed: handle completions, then submit again"
	case (e.Err == syscall.EBADF || e.Err == syscall.EOPNOTSUPP) && call == cgo.CallEnter:
		return "the ring's descriptor was closed by something else than Ring.Close, or is now another file's"
	case e.Err == cgo.EBadR:
		return "the kernel had no memory for a completion and dropped it"
	}
	return ""
}

const (
	noCgo    = "this program was built without cgo, so without liburing: build it for Linux with CGO_ENABLED=1, a C compiler and liburing-dev 2.9 or later"
	allowAll = ": allow io_uring_setup, io_uring_enter and io_uring_register, as docker/seccomp.json of this module does"
)

// permissionHint explains EPERM by the setting kernel.io_uring_disabled, or the
// error of reading it.
func permissionHint(setting []byte, err error) string {
	switch value := strings.TrimSpace(string(setting)); {
	case err != nil || value == "0":
		return "a seccomp profile forbids io_uring; container engines do by default" + allowAll
	case value == "1":
		return "kernel.io_uring_disabled is 1: only CAP_SYS_ADMIN or the group kernel.io_uring_group may use io_uring"
	default:
		return fmt.Sprintf("kernel.io_uring_disabled is %s: io_uring is off for everyone; sysctl kernel.io_uring_disabled=0 turns it on", value)
	}
}
