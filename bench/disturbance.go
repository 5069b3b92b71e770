package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
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
	return meter{time.Now(), all - kernelTime(), ours}, err
}

// others returns how much of a processor was used by others since: by other
// programs, and by other guests of the machine. The programs that ours started must
// have ended. The kernel's threads do not count: they serve the disks that are
// measured.
func (m meter) others() (float64, error) {
	now, err := startMeter()
	if err != nil {
		return 0, err
	}
	used := now.all - m.all - (now.ours - m.ours)
	return max(float64(used)/float64(now.start.Sub(m.start)), 0), nil
}

// clockTick is the unit of times in /proc.
const clockTick = 10 * time.Millisecond

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
	return time.Duration(user+nice+system+irq+softirq+steal) * clockTick, nil
}

// kernelTime returns the processor time of the kernel's threads.
func kernelTime() (sum time.Duration) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is right
	for _, path := range stats {
		data, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(data), ") ")
		fields := strings.Fields(rest) // the third and those that follow, by proc_pid_stat(5)
		if len(fields) < 13 || fields[1] != kthreadd {
			continue
		}
		ticks, _ := strconv.Atoi(fields[12])
		sum += time.Duration(ticks) * clockTick
	}
	return sum
}

// kthreadd is the process that is the parent of the kernel's threads.
const kthreadd = "2"

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
