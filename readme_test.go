package uring_test

import (
	"io/fs"
	"os"
	"path/filepath"
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

// Every piece of Go in the pages of docs is part of a file that is compiled and
// run by tests: the one that the comment before it names.
func TestCodeInDocsIsSource(t *testing.T) {
	pages, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	block := regexp.MustCompile("(?ms)^(?:<!-- from (\\S+) -->\n)?```go\n(.*?)^```$")
	for _, page := range pages {
		for _, m := range block.FindAllStringSubmatch(readFile(t, page), -1) {
			found++
			if m[1] == "" {
				t.Errorf("%s: code without a comment that says which file it is from:\n%s", page, m[2])
				continue
			}
			if !strings.Contains(readFile(t, m[1]), m[2]) {
				t.Errorf("%s: %s does not contain this:\n%s", page, m[1], m[2])
			}
		}
	}
	if found < 5 {
		t.Errorf("looked at %d pieces of code only", found)
	}
}

// The pages link files and folders that are there.
func TestLinksInDocsLeadSomewhere(t *testing.T) {
	pages, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	link := regexp.MustCompile(`\]\(([^)#:\s]+)(?:#[^)]*)?\)`)
	found := 0
	for _, page := range append(pages, more...) {
		for _, m := range link.FindAllStringSubmatch(readFile(t, page), -1) {
			found++
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s: %v", page, err)
			}
		}
	}
	if found < 5 {
		t.Errorf("looked at %d links only", found)
	}
}

// Tests that the pages name are there.
func TestNamedTestsExist(t *testing.T) {
	var all strings.Builder
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(file, "_test.go") {
			all.WriteString(readFile(t, file))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	name := regexp.MustCompile("`((?:Test|Fuzz|Example)[A-Z]\\w+)`")
	found := 0
	for _, page := range []string{"SECURITY.md", "CONTRIBUTING.md"} {
		for _, m := range name.FindAllStringSubmatch(readFile(t, page), -1) {
			found++
			if !strings.Contains(all.String(), "func "+m[1]+"(") {
				t.Errorf("%s names %s, which is not there", page, m[1])
			}
		}
	}
	if found < 20 {
		t.Errorf("looked at %d names only", found)
	}
}
