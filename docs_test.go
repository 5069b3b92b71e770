package uring_test

import (
	"fmt"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/uring-go/uring"
)

// docs/architecture.md names files and tests that are there.
func TestArchitectureNamesWhatIsThere(t *testing.T) {
	page := readFile(t, "docs/architecture.md")
	files := regexp.MustCompile(`[\w*/]+\.(?:go|h)\b`).FindAllString(page, -1)
	if len(files) < 50 {
		t.Errorf("looked at %d files only", len(files))
	}
	for _, pattern := range files {
		switch pattern {
		case "x.go", "x_test.go", "main_test.go", "examples/NAME/main.go": // stand for others
			continue
		}
		if found, err := filepath.Glob(pattern); err != nil || len(found) == 0 {
			t.Errorf("docs/architecture.md names %s, which is not there (%v)", pattern, err)
		}
	}
	tests := allTests(t, `Test\w+`)
	for _, m := range regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(page, -1) {
		if !tests[m[1]] {
			t.Errorf("docs/architecture.md names %s, which is not there", m[1])
		}
	}
}

// docs/scenarios.md lists each scenario once, in order, with all of its tests and
// no others.
func TestScenariosAreListed(t *testing.T) {
	item := regexp.MustCompile(`(?m)^(\d+)\. `)
	name := regexp.MustCompile("`(TestScenario\\d\\w+)`")
	listed, number := map[string]bool{}, 0
	items := item.ReplaceAllString(readFile(t, "docs/scenarios.md"), "\x00$0")
	for _, text := range strings.Split(items, "\x00")[1:] {
		number++
		if got := item.FindStringSubmatch(text)[1]; got != fmt.Sprint(number) {
			t.Fatalf("scenario %d has number %s", number, got)
		}
		names := name.FindAllStringSubmatch(text, -1)
		if len(names) == 0 {
			t.Errorf("scenario %d has no test", number)
		}
		for _, m := range names {
			if !strings.HasPrefix(m[1], fmt.Sprintf("TestScenario%02d_", number)) {
				t.Errorf("scenario %d lists %s", number, m[1])
			}
			listed[m[1]] = true
		}
	}
	if number < 54 {
		t.Errorf("%d scenarios only", number)
	}
	if diff := cmp.Diff(allTests(t, `TestScenario\d\w+`), listed); diff != "" {
		t.Errorf("docs/scenarios.md lists other tests than there are (-tests +page):\n%s", diff)
	}
}

// go doc prints no fields of an alias, so its comment does.
func TestAliasesListTheirFields(t *testing.T) {
	source := readFile(t, "sqe_fs.go") + readFile(t, "sqe_wait.go")
	for _, alias := range []any{uring.Statx{}, uring.Siginfo{}, uring.EpollEvent{}} {
		typ := reflect.TypeOf(alias)
		comment := regexp.MustCompile(`((?://.*\n)+)type ` + typ.Name() + " = ").FindString(source)
		if comment == "" {
			t.Errorf("%s is no alias with a comment", typ.Name())
		}
		for i := range typ.NumField() {
			f := typ.Field(i)
			line := regexp.MustCompile(`(?m)^//\t` + f.Name + ` +` + strings.TrimPrefix(f.Type.String(), "cgo.") + `\b`)
			if f.IsExported() && !strings.HasPrefix(f.Name, "Pad") && !line.MatchString(comment) {
				t.Errorf("the comment of %s does not list %s %v", typ.Name(), f.Name, f.Type)
			}
		}
	}
}

// allTests returns the tests of the package that have such names.
func allTests(t *testing.T, names string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	test := regexp.MustCompile(`(?m)^func (` + names + `)\(\w+ \*testing\.T\)`)
	tests := map[string]bool{}
	for _, file := range files {
		for _, m := range test.FindAllStringSubmatch(readFile(t, file), -1) {
			tests[m[1]] = true
		}
	}
	return tests
}
