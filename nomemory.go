package uring

import (
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/uring-go/uring/cgo"
)

// memoryHint says which limits may be why a call got ENOMEM.
func memoryHint(call cgo.Call) string {
	var reasons []string
	if call != cgo.CallEnter { // which locks no memory
		reasons = append(reasons, lockedMemory("/proc/self")...)
	}
	if g, ok := fullestGroup("/proc/self/cgroup", "/sys/fs/cgroup"); ok && (g.full() || len(reasons) == 0) {
		reasons = append(reasons, g.String())
	}
	if len(reasons) == 0 {
		return "the kernel has no memory for it: no limit of locked memory or of a memory cgroup that can be seen from here is why"
	}
	return strings.Join(reasons, "; or ")
}

// lockedMemory says what RLIMIT_MEMLOCK allows, if it limits the process that
// proc tells of.
func lockedMemory(proc string) []string {
	limits, _ := os.ReadFile(proc + "/limits")
	_, rest, _ := strings.Cut(string(limits), "\nMax locked memory ")
	var limit uint64
	if n, _ := fmt.Sscan(rest, &limit); n != 1 {
		return nil // "unlimited", or not to be found out
	}
	status, _ := os.ReadFile(proc + "/status")
	users, _ := os.ReadFile(proc + "/uid_map")
	if mayLock(string(status), string(users)) {
		return nil
	}
	pinned, _ := statusField(string(status), "VmPin")
	return []string{fmt.Sprintf("RLIMIT_MEMLOCK may be too small: raise it with ulimit -l or LimitMEMLOCK=, or give the process CAP_IPC_LOCK; it is %d bytes for all processes of the user, of which this one uses %s", limit, pinned)}
}

// mayLock reports whether RLIMIT_MEMLOCK does not apply: to who has CAP_IPC_LOCK
// in the first user namespace, whose users are all mapped to themselves.
func mayLock(status, users string) bool {
	const ipcLock = 14
	text, _ := statusField(status, "CapEff")
	set, err := strconv.ParseUint(text, 16, 64)
	f := strings.Fields(users)
	return err == nil && set&(1<<ipcLock) != 0 && len(f) == 3 && f[0] == "0" && f[1] == "0" && f[2] == "4294967295"
}

// statusField returns a line of /proc/PID/status.
func statusField(status, name string) (value string, ok bool) {
	_, rest, ok := strings.Cut("\n"+status, "\n"+name+":")
	value, _, _ = strings.Cut(rest, "\n")
	return strings.TrimSpace(value), ok
}

// A memoryGroup is a memory cgroup with a limit.
type memoryGroup struct {
	dir, file   string // file holds the limit
	used, limit uint64 // bytes
}

// full reports whether most of the limit is used up.
func (g memoryGroup) full() bool { return g.left() < g.limit/4 }

func (g memoryGroup) left() uint64 { return g.limit - min(g.used, g.limit) }

func (g memoryGroup) String() string {
	return fmt.Sprintf("the limit of a memory cgroup may be too small, %d of %d bytes are in use: raise %s/%s", g.used, g.limit, g.dir, g.file)
}

// fullestGroup returns the memory cgroup with the least left, of those that the
// list names, as /proc/self/cgroup does, and those above them.
func fullestGroup(list, mount string) (fullest memoryGroup, ok bool) {
	groups, _ := os.ReadFile(list)
	for line := range strings.Lines(string(groups)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3) // number:controllers:path
		if len(f) != 3 {
			continue
		}
		root, limit, used := mount, "memory.max", "memory.current"
		if f[1] != "" {
			root, limit, used = mount+"/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"
		}
		if f[1] != "" && f[1] != "memory" {
			continue
		}
		for p := path.Clean("/" + f[2]); ; p = path.Dir(p) {
			g := memoryGroup{dir: path.Join(root, p), file: limit}
			if g.read(limit, used) && (!ok || g.left() < fullest.left()) {
				fullest, ok = g, true
			}
			if p == "/" {
				break
			}
		}
	}
	return fullest, ok
}

// read reads the limit and the usage. It returns false where there is no limit.
func (g *memoryGroup) read(limit, used string) bool {
	const none = 1 << 60 // version 1 of cgroups has a large number for none
	var err, uerr error
	g.limit, err = readNumber(path.Join(g.dir, limit))
	g.used, uerr = readNumber(path.Join(g.dir, used))
	return err == nil && uerr == nil && g.limit < none
}

func readNumber(file string) (uint64, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
}
