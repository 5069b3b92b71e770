//go:build linux

package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/uring-go/uring/file"
	"github.com/uring-go/uring/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m) }

func TestCopyTree(t *testing.T) {
	t.Cleanup(func() { file.Default().Close() })
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "copy")
	for i := range 700 {
		name := filepath.Join(from, fmt.Sprint(i%7), fmt.Sprint(i%31), fmt.Sprint(i))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, make([]byte, i*i%50_000), 0o600+fs.FileMode(i%2)*0o44); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("0", filepath.Join(from, "link")); err != nil {
		t.Fatal(err)
	}
	c := newCopier()
	c.folder(from, to)
	if err := c.wait(); err != nil {
		t.Fatal(err)
	}
	if list(t, from) != list(t, to) {
		t.Error("the copy differs")
	}
	if c.files != 701 {
		t.Errorf("%d files", c.files)
	}
	c = newCopier()
	c.folder(filepath.Join(from, "nowhere"), to)
	if err := c.wait(); err == nil {
		t.Error("copied what is not there")
	}
}

func list(t *testing.T, dir string) string {
	var all strings.Builder
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(dir, name)
		i, err := d.Info()
		if err != nil {
			return err
		}
		data := []byte("link")
		if d.Type().IsRegular() {
			data, err = os.ReadFile(name)
		}
		fmt.Fprintf(&all, "%s %v %x\n", rel, i.Mode(), data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}
