package command

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/uring-go/uring/internal/live"
)

// checkClosed returns the exit status of a program that would end with status:
// rings, buffers, memory or sockets that are left open make it a failure.
func checkClosed(status int) int {
	if err := leftBehind(); err != nil && status != exitUsage {
		fmt.Fprintf(os.Stderr, "uring: %v\n", err)
		return exitFailed
	}
	return status
}

// leftBehind returns an error that says what the program has not closed.
func leftBehind() error {
	var err error
	if left := live.Report(); left != "" {
		err = errors.New(strings.ReplaceAll(left, "\n", ", "))
	}
	if n := openSockets(); n > 0 {
		err = errors.Join(err, fmt.Errorf("%d sockets never closed", n))
	}
	return err
}

// openSockets counts the sockets that the program opened. The standard
// descriptors do not count: the program may have got sockets there.
func openSockets() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	n := 0
	for _, e := range entries {
		target, err := os.Readlink("/proc/self/fd/" + e.Name())
		inherited := e.Name() == "0" || e.Name() == "1" || e.Name() == "2"
		if err == nil && !inherited && strings.HasPrefix(target, "socket:") {
			n++
		}
	}
	return n
}
