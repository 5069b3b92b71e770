package main

import (
	"bytes"
	"errors"
	"io"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/uring-go/uring"
	"github.com/uring-go/uring/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m) }

// fileOf makes a file of n bytes that do not repeat.
func fileOf(t *testing.T, n int) (name string, content []byte) {
	t.Helper()
	content = make([]byte, n)
	rand.New(rand.NewSource(int64(n))).Read(content)
	name = filepath.Join(t.TempDir(), "from")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return name, content
}

func TestCopy(t *testing.T) {
	for _, size := range []int{0, 1, blockSize - 1, blockSize, depth * blockSize, 3<<20 + 17} {
		from, content := fileOf(t, size)
		to := from + ".copy"
		if err := copyFile(from, to); err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		got, err := os.ReadFile(to)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, content) {
			t.Errorf("the copy of %d bytes differs", size)
		}
	}
}

func TestCopyOfWhatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	to := filepath.Join(dir, "to")
	if err := copyFile(filepath.Join(dir, "missing"), to); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("copy of a missing file: %v", err)
	}
	if err := copyFile(dir, to); err == nil {
		t.Error("a directory was copied")
	}
}

// A read that is shorter than asked for breaks the link: nothing is written
// then, and the copy goes on with what there is, or says that it ended.
func TestFileThatBecameShorter(t *testing.T) {
	from, content := fileOf(t, 100_000)
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(from + ".copy")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	err = uring.Serve(uring.Config{}, func(ring *uring.Ring) error {
		c := copier{ring: ring, in: uring.FD(in.Fd()), out: uring.FD(out.Fd()), size: int64(len(content)) + 10}
		return c.run()
	})
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("copy of a file that became shorter: %v", err)
	}
	got, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, content) {
		t.Errorf("%d bytes were copied, %d were there", len(got), len(content))
	}
}

// liburing's examples, one that queues reads and writes and one that links them,
// make the same of a file.
func TestCopiesAsLiburingsExamplesDo(t *testing.T) {
	for _, name := range []string{"io_uring-cp", "link-cp"} {
		t.Run(name, func(t *testing.T) {
			program := testutil.CExample(t, name)
			for _, size := range []int{0, 1, 32<<10 - 1, 32 << 10, 64 * 32 << 10, 9<<20 + 17} {
				from, _ := fileOf(t, size)
				if out, err := exec.Command(program, from, from+".c").CombinedOutput(); err != nil {
					t.Fatalf("%s of %d bytes: %v: %s", name, size, err, out)
				}
				if err := copyFile(from, from+".go"); err != nil {
					t.Fatal(err)
				}
				inC, errC := os.ReadFile(from + ".c")
				inGo, errGo := os.ReadFile(from + ".go")
				if errC != nil || errGo != nil || !bytes.Equal(inC, inGo) {
					t.Errorf("%d bytes: %d in C and %d in Go, which differ (%v, %v)", size, len(inC), len(inGo), errC, errGo)
				}
			}
		})
	}
}
