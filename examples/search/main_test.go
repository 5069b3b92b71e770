//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/uring-go/uring/file"
	"github.com/uring-go/uring/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m) }

func TestSearch(t *testing.T) {
	t.Cleanup(func() { file.Default().Close() })
	dir := t.TempDir()
	var want []string
	for i := range 3000 {
		name := filepath.Join(dir, fmt.Sprint(i%10), fmt.Sprint(i))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		text := strings.Repeat("hay\n", i%5)
		if i%50 == 0 {
			text += "a needle here"
			want = append(want, fmt.Sprintf("%s:%d: a needle here", name, i%5+1))
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if err := search("needle", dir, &out); err != nil {
		t.Fatal(err)
	}
	got := strings.Split(strings.TrimSpace(out.String()), "\n")
	sort.Strings(got)
	sort.Strings(want)
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%d lines, want %d:\n%s", len(got), len(want), out.String())
	}
	if err := search("needle", filepath.Join(dir, "nowhere"), &out); err == nil {
		t.Error("searched what is not there")
	}
}
