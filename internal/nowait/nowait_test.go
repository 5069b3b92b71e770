//go:build linux && (amd64 || arm64 || riscv64 || loong64)

package nowait

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Reads get what is in the page cache, and an error that says so where they
// would have to wait. In both cases an ordinary call reads the same bytes.
func TestReadAndWrite(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("hello world"); err != nil {
		t.Fatal(err)
	}
	fd := int(f.Fd())
	p := make([]byte, 5)
	for name, read := range map[string]func(int, []byte, int64) (int, syscall.Errno){"Read": Read, "ReadUntold": ReadUntold} {
		clear(p)
		if n, errno := read(fd, p, 6); errno != 0 && !Missing(errno) {
			t.Errorf("%s: %v", name, errno)
		} else if errno == 0 && (n != 5 || string(p) != "world") {
			t.Errorf("%s: %d bytes, %q", name, n, p)
		}
	}
	if n, errno := Read(fd, p, 100); errno == 0 && n != 0 {
		t.Errorf("read %d after the end", n)
	}
	if n, errno := Write(fd, []byte("HE"), 0); errno == 0 && n != 2 || errno != 0 && errno != syscall.EAGAIN && !Missing(errno) {
		t.Errorf("write: %d, %v", n, errno)
	} else if data, err := os.ReadFile(f.Name()); err != nil || string(data) != map[bool]string{true: "HEllo world", false: "hello world"}[errno == 0] {
		t.Errorf("%q, %v", data, err)
	}
	// The file's own position, which is at the end.
	if n, errno := Read(fd, p, -1); errno == 0 && n != 0 {
		t.Errorf("read %d at the position", n)
	}
	if _, errno := Read(-1, p, 0); errno != syscall.EBADF {
		t.Errorf("read of no file: %v", errno)
	}
}
