package file

import (
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
)

func TestFS(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *Engine) {
		dir := t.TempDir()
		must(t, e.MkdirAll(filepath.Join(dir, "a/b"), 0o755))
		must(t, e.WriteFile(filepath.Join(dir, "a/b/c.txt"), []byte("hello"), 0o644))
		must(t, e.WriteFile(filepath.Join(dir, "x"), random(100000), 0o600))
		must(t, os.Symlink("x", filepath.Join(dir, "link")))
		must(t, fstest.TestFS(e.FS(dir), "a/b/c.txt", "x", "link"))
	})
}
