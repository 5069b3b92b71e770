package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/uring-go/uring/internal/testutil"
)

const results = `@@ kernel 6.1.0-50-amd64 #1 SMP PREEMPT_DYNAMIC Debian 6.1.176-1 (2026-07-02)
@@ start probe
{"kernel":"6.1.0-50-amd64","features":[{"name":"a","since":"5.19","have":true},{"name":"b","since":"6.8","have":false},
{"name":"d","since":"5.10","have":false,"reason":"switched off: this kernel has a bug (x)"}],
"bugs":[{"name":"c","seen":true,"answer":"did wrong"}]}
@@ end probe 0
@@ start root
` + "\x16=== RUN   TestGood\n\x16--- PASS: TestGood (1.50s)\n" +
	"\x16=== RUN   TestLacking\n    a_test.go:1: uring: b not supported (needs Linux 6.8 or later): invalid argument\n\x16--- SKIP: TestLacking (0.00s)\n" +
	"\x16=== RUN   TestLong\n    a_test.go:3: short mode\n\x16--- SKIP: TestLong (0.00s)\n"

const end = "\x16PASS\n@@ end root 0\n@@ done\n"

func readString(t *testing.T, s string) *kernelRun {
	t.Helper()
	testutil.NeedGo(t) // for its test2json
	file := filepath.Join(t.TempDir(), "results")
	if err := os.WriteFile(file, []byte(s), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := read(file)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSummary(t *testing.T) {
	r := readString(t, results+end)
	want := `    skipped 1: short mode
    skipped 1: uring: b not supported (needs Linux 6.8 or later): invalid argument
Linux 6.1.0-50-amd64: 1 passed, 0 failed, 2 skipped (subtests included), in 2 s
`
	if diff := cmp.Diff(want, r.summary()); diff != "" {
		t.Error(diff)
	}
	if wrong := r.wrong(); wrong != nil {
		t.Errorf("wrong: %q", wrong)
	}
}

func TestWhatIsWrongIsFound(t *testing.T) {
	for want, s := range map[string]string{
		"did not get to the end": results + "\x16PASS\n@@ end root 0\n",
		"never ended":            results,
		"exit status 2":          results + "panic: x\n@@ end root 2\n@@ done\n",
		"TestBad failed":         results + "\x16=== RUN   TestBad\n    a_test.go:4: is 1\n\x16--- FAIL: TestBad (0.00s)\n" + end,
		"TestHangs failed":       results + "\x16=== RUN   TestHangs\npanic: test timed out\n@@ end root 2\n@@ done\n",
		"skipped without a typed reason: no time": results +
			"\x16=== RUN   TestBad\n    a_test.go:4: no time\n\x16--- SKIP: TestBad (0.00s)\n" + end,
		"skipped without a typed reason: needs Linux 6.7": results +
			"\x16=== RUN   TestBad\n    a_test.go:4: needs Linux 6.7\n\x16--- SKIP: TestBad (0.00s)\n" + end,
		"does not know of a":      strings.Replace(results, `"have":true`, `"have":null`, 1) + end,
		"kernel said: BUG: it":    results + end + "@@ kernel said BUG: it\n",
		"kernel said: WARNING: x": results + end + "@@ kernel said WARNING: x\n",
	} {
		if got := strings.Join(readString(t, s).wrong(), "\n"); !strings.Contains(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestPage(t *testing.T) {
	page := string(write([]*kernelRun{readString(t, results+end)}))
	for _, want := range []string{
		"\n| feature | since Linux | 6.1.176 |\n",
		"\n| b | 6.8 | no |\n",
		"\n| d | 5.10 | bug |\n",
		"\n| c |  | **seen** |\n",
		"\n| 6.1.176 | 1 | 0 | 1 | 1 |\n",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not in\n%s", want, page)
		}
	}
}
