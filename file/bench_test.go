package file

import (
	"os"
	"path/filepath"
	"testing"
)

// What reading cached data costs beside package os.
func BenchmarkCached(b *testing.B) {
	name := filepath.Join(b.TempDir(), "f")
	if err := os.WriteFile(name, make([]byte, 1<<20), 0o600); err != nil {
		b.Fatal(err)
	}
	plain, err := os.Open(name)
	if err != nil {
		b.Fatal(err)
	}
	defer plain.Close()
	e, err := New(Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	f, err := e.Open(name)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	p := make([]byte, 4096)
	b.Run("os", func(b *testing.B) {
		for i := range b.N {
			if _, err := plain.ReadAt(p, int64(i%256)*4096); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("file", func(b *testing.B) {
		b.ReportAllocs()
		for i := range b.N {
			if _, err := f.ReadAt(p, int64(i%256)*4096); err != nil {
				b.Fatal(err)
			}
		}
	})
}
