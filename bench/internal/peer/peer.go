// Package peer has what the measured programs share.
package peer

import (
	"log"
	"time"

	"golang.org/x/sys/unix"
)

// Must ends the program on an error.
func Must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// CPUTime returns the processor time of the process, user and system.
func CPUTime() time.Duration {
	var ts unix.Timespec
	Must(unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &ts))
	return time.Duration(ts.Nano())
}
