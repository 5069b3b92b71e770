package uring_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/uring-go/uring"
)

func readFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestReadmeProgramIsExample(t *testing.T) {
	_, rest, _ := strings.Cut(readFile(t, "README.md"), "```go\n")
	program, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("README.md has no program")
	}
	if diff := cmp.Diff(readFile(t, "examples/first/main.go"), program); diff != "" {
		t.Errorf("README.md differs from examples/first (-example +README):\n%s", diff)
	}
}

func TestReadmeKernelTableIsWhatProbesSay(t *testing.T) {
	_, table, _ := strings.Cut(readFile(t, "README.md"), "| feature | since Linux |")
	table, _, _ = strings.Cut(table, "\n\n")
	since := map[string]string{}
	for _, f := range uring.Features() {
		since[f.Name] = f.Since
	}
	rows := regexp.MustCompile(`(?m)^\| (.+) \| (.+) \|$`).FindAllStringSubmatch(table, -1)
	if len(rows) < 10 {
		t.Fatalf("README.md has a kernel table of %d rows", len(rows))
	}
	for _, row := range rows {
		if row[1] != "---" && since[row[1]] != row[2] {
			t.Errorf("README.md has %q since %q, the probe has %q", row[1], row[2], since[row[1]])
		}
	}
}
