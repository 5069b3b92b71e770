package uring

import (
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// readClock returns what a clock of the kernel says.
func readClock(tb testing.TB, clock int) time.Duration {
	tb.Helper()
	var ts syscall.Timespec
	if _, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, uintptr(clock), uintptr(unsafe.Pointer(&ts)), 0); errno != 0 {
		tb.Fatal(errno)
	}
	return time.Duration(ts.Nano())
}
