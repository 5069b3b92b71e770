package command

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The command shows both sides, with a file that the test made.
func TestFiles(t *testing.T) {
	name := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(name, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	got := runProgram(t, program("files", "-file", name, "-readers", "3,40", "-time", "1s"))
	if strings.Contains(got.stdout, "crashed: uring files: open") {
		t.Skip("the file system has no direct I/O")
	}
	for _, row := range []string{"3  package os", "3  package file", "40  package os", "40  package file"} {
		if !regexp.MustCompile(row + `  *[1-9]\d*  *[1-9]\d*  *\d+\.\d`).MatchString(got.stdout) {
			t.Errorf("no row %q", row)
		}
	}
	if got.status != 0 || got.stderr != "" || t.Failed() {
		t.Errorf("status %d\n%s%s", got.status, got.stdout, got.stderr)
	}
}

func TestFilesMisused(t *testing.T) {
	for _, args := range [][]string{{"-readers", "0"}, {"-readers", "many"}, {"-reads", "0"}, {"-time", "1ms"}} {
		if got := runProgram(t, program(append([]string{"files"}, args...)...)); got.status != exitUsage || got.stdout != "" {
			t.Errorf("%v: %+v", args, got)
		}
	}
	got := runProgram(t, program("files", "-file", "/nowhere", "-readers", "1"))
	if got.status != exitFailed || !strings.Contains(got.stdout, "crashed: uring files: stat /nowhere") {
		t.Errorf("%+v", got)
	}
}

// Of a crashed process the reason is shown, not the goroutines.
func TestCrashIsToldInOneLine(t *testing.T) {
	said := "runtime: program exceeds 10000-thread limit\nfatal error: thread exhaustion\n\ngoroutine 1 [running]:\n"
	if got := crash(said, os.ErrInvalid); got != "thread exhaustion" {
		t.Error(got)
	}
	if got := crash("", os.ErrInvalid); got != os.ErrInvalid.Error() {
		t.Error(got)
	}
}
