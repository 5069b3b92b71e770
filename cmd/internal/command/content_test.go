package command

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// all returns the whole content, filled in pieces of n bytes.
func all(t *testing.T, c content, n int) []byte {
	t.Helper()
	p := make([]byte, c.size())
	for off := 0; off < len(p); off += n {
		if err := c.fill(p[off:min(off+n, len(p))], int64(off)); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func TestRandomContentIsTheSameInWhateverPieces(t *testing.T) {
	c := newRandomContent(10*unitSize+5, randomBlock(1), 1, 0)
	want := all(t, c, 1<<20)
	for _, n := range []int{1, 7, 32, 255, 256, 257} {
		if diff := cmp.Diff(want, all(t, c, n)); diff != "" {
			t.Errorf("in pieces of %d bytes:\n%s", n, diff)
		}
	}
}

func TestRandomContentDoesNotRepeat(t *testing.T) {
	// Past the end of the block, so that each of its units is used twice.
	p := all(t, newRandomContent(2*blockUnits*unitSize, randomBlock(1), 1, 0), 1<<16)
	seen := map[string]int{}
	for off := 0; off < len(p); off += unitSize {
		unit := string(p[off:][:unitSize])
		if at, ok := seen[unit]; ok {
			t.Fatalf("the units at %d and %d are the same", at, off)
		}
		seen[unit] = off
	}
}

func TestRandomContentFollowsFromSeedAndConnection(t *testing.T) {
	const n = 1000
	first := all(t, newRandomContent(n, randomBlock(1), 1, 0), n)
	if again := all(t, newRandomContent(n, randomBlock(1), 1, 0), n); !bytes.Equal(first, again) {
		t.Error("the same seed gave other bytes")
	}
	if other := all(t, newRandomContent(n, randomBlock(2), 2, 0), n); bytes.Equal(first, other) {
		t.Error("another seed gave the same bytes")
	}
	if other := all(t, newRandomContent(n, randomBlock(1), 1, 1), n); bytes.Equal(first[8:32], other[8:32]) {
		t.Error("another connection got the same bytes")
	}
}

func TestFileContentIsTheFileSeveralTimes(t *testing.T) {
	data := all(t, newRandomContent(1009, randomBlock(1), 1, 0), 1009)
	c, err := openFileContent(tempFile(t, data), 3)
	if err != nil {
		t.Fatal(err)
	}
	defer c.file.Close()
	if diff := cmp.Diff(bytes.Repeat(data, 3), all(t, c, 700)); diff != "" {
		t.Error(diff)
	}
}

func TestFileContentSaysThatTheFileGotShorter(t *testing.T) {
	path := tempFile(t, make([]byte, 100))
	c, err := openFileContent(path, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer c.file.Close()
	if err := os.Truncate(path, 50); err != nil {
		t.Fatal(err)
	}
	if err := c.fill(make([]byte, 100), 0); !errors.Is(err, io.EOF) {
		t.Errorf("error is %v, want one that wraps io.EOF", err)
	}
}

func TestFileContentRefusesADirectory(t *testing.T) {
	if c, err := openFileContent(t.TempDir(), 1); err == nil {
		c.file.Close()
		t.Error("a directory was opened as content")
	}
}

func tempFile(t *testing.T, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "content")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
