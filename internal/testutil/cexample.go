package testutil

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// CExample compiles one of liburing's own example programs, from the sources
// that the repository's library was built from, and returns where it is. It
// skips the test where there are no sources, or no compiler.
func CExample(tb testing.TB, name string) string {
	tb.Helper()
	gcc, err := exec.LookPath("gcc")
	if err != nil {
		Lacks(tb, CExamples, err)
	}
	liburing := filepath.Join(moduleFolder(tb), "liburing")
	stamp, err := os.ReadFile(filepath.Join(liburing, "build", "STAMP"))
	if err != nil {
		Lacks(tb, CExamples, err)
	}
	version, _, _ := strings.Cut(string(stamp), " ")
	source := filepath.Join(liburing, "src", "liburing-"+version, "examples", name+".c")
	if _, err := os.Stat(source); err != nil {
		Lacks(tb, CExamples, err)
	}
	program := filepath.Join(tb.TempDir(), name)
	cmd := exec.Command(gcc, "-O2", "-D_GNU_SOURCE", "-I"+filepath.Join(liburing, "build", "include"),
		"-o", program, source, filepath.Join(liburing, "build", "lib", "liburing.a"), "-lpthread")
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
	return program
}

// moduleFolder is where go.mod is, above the folder that the test runs in.
func moduleFolder(tb testing.TB) string {
	tb.Helper()
	dir, err := os.Getwd()
	if err != nil {
		tb.Fatal(err)
	}
	for {
		_, err := os.Stat(filepath.Join(dir, "go.mod"))
		if err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if !errors.Is(err, os.ErrNotExist) || parent == dir {
			Lacks(tb, CExamples, "no go.mod above")
		}
		dir = parent
	}
}
