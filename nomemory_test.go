//go:build linux

package uring

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Who may lock memory is not told to raise the limit, and others are told which
// it is.
func TestLimitOfLockedMemoryIsNamedOnlyWhereItApplies(t *testing.T) {
	const first, own = "         0          0 4294967295\n", "0 1000 1\n"
	with := fmt.Sprintf("Name:\tx\nVmPin:\t      12 kB\nCapEff:\t%016x\n", 1<<14)
	without := "VmPin:\t      12 kB\nCapEff:\t0000000000000000\n"
	for _, c := range []struct {
		status, users string
		want          bool
	}{
		{with, first, true},
		{with, own, false}, // a capability in a user namespace of its own
		{without, first, false},
		{"", "", false},
	} {
		equal(t, "may lock", mayLock(c.status, c.users), c.want)
	}
	proc := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(proc, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("limits", "Limit  Soft Limit Hard Limit Units\nMax locked memory         65536                unlimited            bytes     \n")
	write("status", without)
	write("uid_map", first)
	if got := strings.Join(lockedMemory(proc), ""); !strings.Contains(got, "it is 65536 bytes") || !strings.Contains(got, "uses 12 kB") {
		t.Error(got)
	}
	write("status", with)
	equal(t, "reasons of who may lock", len(lockedMemory(proc)), 0)
	write("status", without)
	write("limits", "Limit  Soft Limit Hard Limit Units\nMax locked memory         unlimited            unlimited            bytes     \n")
	equal(t, "reasons without a limit", len(lockedMemory(proc)), 0)
}

func TestFullestMemoryGroupIsNamed(t *testing.T) {
	mount := t.TempDir()
	group := func(dir, limit, used string) {
		dir = filepath.Join(mount, dir)
		names := []string{"memory.max", "memory.current"}
		if strings.HasPrefix(dir, mount+"/memory") {
			names = []string{"memory.limit_in_bytes", "memory.usage_in_bytes"}
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for i, text := range []string{limit, used} {
			if err := os.WriteFile(filepath.Join(dir, names[i]), []byte(text+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	group("a", "1000", "900") // what is above a group also limits it
	group("a/b", "5000", "100")
	group("a/c", "max", "100")
	group("memory/v1", "1000", "10")
	group("memory", "9223372036854771712", "10")
	for list, want := range map[string]string{
		"0::/a/b\n":                           "900 of 1000 bytes are in use: raise " + mount + "/a/memory.max",
		"0::/a/c\n":                           "900 of 1000 bytes are in use: raise " + mount + "/a/memory.max",
		"7:cpu:/x\n3:memory:/v1/gone\n0::/\n": "10 of 1000 bytes are in use: raise " + mount + "/memory/v1/memory.limit_in_bytes",
		"3:memory:/\n":                        "",
		"":                                    "",
	} {
		file := filepath.Join(mount, "list")
		if err := os.WriteFile(file, []byte(list), 0o600); err != nil {
			t.Fatal(err)
		}
		g, ok := fullestGroup(file, mount)
		equal(t, list, ok, want != "")
		if ok && !strings.Contains(g.String(), want) {
			t.Errorf("%q: %v", list, g)
		}
	}
}

// A call that locks nothing does not blame the limit of locked memory.
func TestEnteringTheKernelLocksNothing(t *testing.T) {
	for _, op := range []string{opSubmit, opWait} {
		if s := check(op, -int(syscall.ENOMEM)).Error(); strings.Contains(s, "MEMLOCK") {
			t.Error(s)
		}
	}
}
