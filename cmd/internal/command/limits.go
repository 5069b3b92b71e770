package command

import (
	"os"
	"slices"
	"strconv"
	"strings"
)

// limits are the settings of the process and the system that limit io_uring. A
// value is "" if it could not be read.
type limits struct {
	Memlock         string `json:"memlock"`           // bytes, or "unlimited"
	NoFile          string `json:"nofile"`            // descriptors, or "unlimited"
	IOUringDisabled string `json:"io_uring_disabled"` // the sysctl kernel.io_uring_disabled
	Seccomp         string `json:"seccomp"`           // "off", "strict" or "filter"
	User            int    `json:"user"`
	NoNewPrivs      bool   `json:"no_new_privs"`
	// Capabilities are the effective ones that io_uring checks.
	Capabilities []string `json:"capabilities"`
}

func readLimits() limits {
	table, status := readTrimmed("/proc/self/limits"), readTrimmed("/proc/self/status")
	return limits{
		Memlock:         softLimit(table, "Max locked memory"),
		NoFile:          softLimit(table, "Max open files"),
		IOUringDisabled: readTrimmed("/proc/sys/kernel/io_uring_disabled"),
		Seccomp:         seccompMode(status),
		User:            os.Geteuid(),
		NoNewPrivs:      statusField(status, "NoNewPrivs") == "1",
		Capabilities:    capabilities(status),
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
	return map[string]string{"0": "off", "1": "strict", "2": "filter"}[statusField(status, "Seccomp")]
}

// statusField finds a value in the text of /proc/self/status.
func statusField(status, name string) string {
	for line := range strings.SplitSeq(status, "\n") {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// capabilities lists those in the text of /proc/self/status that io_uring
// checks: to lock memory without limit, to configure network devices, and to
// use rings where kernel.io_uring_disabled is 1.
func capabilities(status string) []string {
	set, _ := strconv.ParseUint(statusField(status, "CapEff"), 16, 64)
	names := []string{}
	for _, c := range []struct {
		bit  int
		name string
	}{{12, "NET_ADMIN"}, {14, "IPC_LOCK"}, {21, "SYS_ADMIN"}} {
		if set&(1<<c.bit) != 0 {
			names = append(names, c.name)
		}
	}
	return names
}

func (l limits) has(capability string) bool { return slices.Contains(l.Capabilities, capability) }

func readTrimmed(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
