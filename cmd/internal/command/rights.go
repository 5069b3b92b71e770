package command

import (
	"fmt"
	"strconv"
	"strings"
)

// A right is something that the system, a container engine or an administrator
// may keep from a process that wants to use io_uring.
type right struct {
	Name   string `json:"name"`
	Here   string `json:"here"`
	Advice string `json:"advice,omitempty"` // what to do if the right may be missing
}

// enoughMemlock is enough for a program with some registered buffers.
const enoughMemlock = 64 << 20

// rights judges the limits. usable reports whether a ring could be opened.
func rights(l limits, usable bool) []right {
	return []right{
		seccompRight(l, usable),
		sysctlRight(l, usable),
		memlockRight(l),
		{"open files", known(l.NoFile), ""},
		{"user", userText(l), ""},
		{"capabilities", capabilityText(l), ""},
	}
}

func seccompRight(l limits, usable bool) right {
	r := right{Name: "seccomp", Here: known(l.Seccomp)}
	switch {
	case l.Seccomp != "filter":
	case usable:
		r.Here = "a filter that allows io_uring"
	case l.IOUringDisabled == "0" || l.IOUringDisabled == "":
		r.Here = "a filter that forbids io_uring"
		r.Advice = "allow io_uring_setup, io_uring_enter and io_uring_register: docker run --security-opt seccomp=docker/seccomp.json"
	default:
		r.Here = "a filter"
	}
	return r
}

func sysctlRight(l limits, usable bool) right {
	r := right{Name: "kernel.io_uring_disabled", Here: l.IOUringDisabled}
	switch {
	case l.IOUringDisabled == "":
		r.Here = "not there (it came with Linux 6.6)"
	case l.IOUringDisabled == "1" && !usable:
		r.Advice = "be in the group kernel.io_uring_group, have CAP_SYS_ADMIN, or set it to 0 on the host"
	case l.IOUringDisabled == "2":
		r.Advice = "set it to 0 on the host; nothing in a container helps"
	}
	return r
}

func memlockRight(l limits) right {
	r := right{Name: "locked memory", Here: l.Memlock + " bytes"}
	limit, err := strconv.ParseUint(l.Memlock, 10, 64)
	switch {
	case l.has("IPC_LOCK"):
		r.Here = "any amount, with CAP_IPC_LOCK"
	case err != nil:
		r.Here = known(l.Memlock)
	case limit < enoughMemlock:
		r.Advice = "registered buffers, zero-copy sends and large rings count: docker run --ulimit memlock=-1, LimitMEMLOCK=infinity, or CAP_IPC_LOCK"
	}
	return r
}

func userText(l limits) string {
	if l.NoNewPrivs {
		return fmt.Sprintf("%d, without a way to new privileges", l.User)
	}
	return strconv.Itoa(l.User)
}

func capabilityText(l limits) string {
	if len(l.Capabilities) == 0 {
		return "none of those that matter to io_uring"
	}
	return strings.Join(l.Capabilities, ", ")
}
