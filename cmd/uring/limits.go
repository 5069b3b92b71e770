package main

import (
	"os"
	"strings"
)

// limits are the settings of the process and the system that io_uring runs
// into. A value is "" if it could not be read.
type limits struct {
	Memlock         string `json:"memlock"`           // bytes, or "unlimited"
	NoFile          string `json:"nofile"`            // descriptors, or "unlimited"
	IOUringDisabled string `json:"io_uring_disabled"` // the sysctl kernel.io_uring_disabled
	Seccomp         string `json:"seccomp"`           // "off", "strict" or "filter"
}

func readLimits() limits {
	table := readTrimmed("/proc/self/limits")
	return limits{
		Memlock:         softLimit(table, "Max locked memory"),
		NoFile:          softLimit(table, "Max open files"),
		IOUringDisabled: readTrimmed("/proc/sys/kernel/io_uring_disabled"),
		Seccomp:         seccompMode(readTrimmed("/proc/self/status")),
	}
}

// softLimit finds a limit in the text of /proc/self/limits.
func softLimit(table, name string) string {
	for line := range strings.SplitSeq(table, "\n") {
		if rest, ok := strings.CutPrefix(line, name); ok {
			if values := strings.Fields(rest); len(values) > 0 {
				return values[0]
			}
		}
	}
	return ""
}

// seccompMode finds the mode in the text of /proc/self/status.
func seccompMode(status string) string {
	for line := range strings.SplitSeq(status, "\n") {
		if value, ok := strings.CutPrefix(line, "Seccomp:"); ok {
			return map[string]string{"0": "off", "1": "strict", "2": "filter"}[strings.TrimSpace(value)]
		}
	}
	return ""
}

func readTrimmed(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
