package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A meter finds out how much processor time others used meanwhile.
type meter struct {
	start     time.Time
	all, ours time.Duration
}

func startMeter() (meter, error) {
	all, err := busyTime()
	if err != nil {
		return meter{}, err
	}
	ours, err := ownTime()
	return meter{time.Now(), all, ours}, err
}

// others returns how much of a processor was used by others since: by other
// programs, by the kernel for none of ours, and by other guests of the machine.
// The programs that ours started must have ended.
func (m meter) others() (float64, error) {
	now, err := startMeter()
	if err != nil {
		return 0, err
	}
	used := now.all - m.all - (now.ours - m.ours)
	return max(float64(used)/float64(now.start.Sub(m.start)), 0), nil
}

// busyTime returns the time in which processors were not idle.
func busyTime() (time.Duration, error) {
	data, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(data), "\n")
	var user, nice, system, idle, iowait, irq, softirq, steal int64
	if _, err := fmt.Sscanf(line, "cpu %d %d %d %d %d %d %d %d", &user, &nice, &system, &idle, &iowait, &irq, &softirq, &steal); err != nil {
		return 0, fmt.Errorf("/proc/stat: %w", err)
	}
	const tick = 10 * time.Millisecond
	return time.Duration(user+nice+system+irq+softirq+steal) * tick, nil
}

// ownTime returns the processor time of this process and of its children that
// have ended.
func ownTime() (sum time.Duration, err error) {
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var u unix.Rusage
		if err := unix.Getrusage(who, &u); err != nil {
			return 0, err
		}
		sum += time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	return sum, nil
}
