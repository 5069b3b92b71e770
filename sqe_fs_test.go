//go:build linux

package uring

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// dir returns an open directory, until the test ends.
func (g *rig) dir() (fd int, path string) {
	g.Helper()
	path = g.TempDir()
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	g.must(err)
	g.Cleanup(func() { syscall.Close(fd) })
	return fd, path
}

// names lists a directory.
func (g *rig) names(dir string) []string {
	g.Helper()
	entries, err := os.ReadDir(dir)
	g.must(err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestOpenat(t *testing.T) {
	g := newRig(t, Config{})
	dir, path := g.dir()
	const create = syscall.O_CREAT | syscall.O_EXCL | syscall.O_RDWR | syscall.O_CLOEXEC
	fd := g.do(func(s SQE) { g.must(s.PrepOpenat(dir, "new", create, 0o640)) })
	defer syscall.Close(fd)
	if _, err := syscall.Write(fd, []byte("written")); err != nil {
		t.Error(err)
	}
	if got := g.content(filepath.Join(path, "new")); got != "written" {
		t.Errorf("the file has %q", got)
	}
	st, err := os.Stat(filepath.Join(path, "new"))
	g.must(err)
	if st.Mode() != 0o640 {
		t.Errorf("mode %v", st.Mode())
	}
	g.fails(syscall.EEXIST, func(s SQE) { g.must(s.PrepOpenat(dir, "new", create, 0o640)) })
	g.fails(syscall.ENOENT, func(s SQE) { g.must(s.PrepOpenat(AtFDCWD, path+"/missing", syscall.O_RDONLY, 0)) })
	g.fails(syscall.ENAMETOOLONG, func(s SQE) {
		g.must(s.PrepOpenat(dir, strings.Repeat("./", 2100)+"new", syscall.O_RDONLY, 0))
	})
	long := strings.Repeat("./", 1900) + "new" // far longer than the memory that every entry has
	other := g.do(func(s SQE) { g.must(s.PrepOpenat(dir, long, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)) })
	g.must(syscall.Close(other))
}

func TestOpenatDirect(t *testing.T) {
	g := newRig(t, Config{})
	g.must(g.RegisterFiles(4))
	dir, path := g.dir()
	const create = syscall.O_CREAT | syscall.O_RDWR
	g.want(0, func(s SQE) { g.must(s.PrepOpenatDirect(dir, "a", create, 0o600, DirectSlot(2))) })
	picked := g.do(func(s SQE) { g.must(s.PrepOpenatDirect(dir, "b", create, 0o600, DirectAlloc)) })
	if picked == 2 || picked > 3 {
		t.Errorf("the kernel picked slot %d", picked)
	}
	g.want(3, func(s SQE) { s.PrepWrite(DirectSlot(2).FD(), held([]byte("two")), 0) })
	g.want(4, func(s SQE) { s.PrepWrite(DirectSlot(picked).FD(), held([]byte("none")), 0) })
	if got := g.content(path+"/a") + " " + g.content(path+"/b"); got != "two none" {
		t.Errorf("the files have %q", got)
	}
	g.fails(syscall.EINVAL, func(s SQE) {
		g.must(s.PrepOpenatDirect(dir, "a", create|syscall.O_CLOEXEC, 0o600, DirectAlloc))
	})
}

func TestOpenat2(t *testing.T) {
	g := newRig(t, Config{})
	g.must(g.RegisterFiles(2))
	dir, path := g.dir()
	const create = syscall.O_CREAT | syscall.O_RDWR
	fd := g.do(func(s SQE) {
		g.must(s.PrepOpenat2(dir, "x", OpenHow{Flags: create | syscall.O_CLOEXEC, Mode: 0o600}))
	})
	g.must(syscall.Close(fd))
	g.want(0, func(s SQE) {
		g.must(s.PrepOpenat2Direct(dir, "x", OpenHow{Flags: syscall.O_WRONLY}, DirectSlot(1)))
	})
	g.want(5, func(s SQE) { s.PrepWrite(DirectSlot(1).FD(), held([]byte("how 2")), 0) })
	if got := g.content(path + "/x"); got != "how 2" {
		t.Errorf("the file has %q", got)
	}
	const beneath = 0x08 // RESOLVE_BENEATH
	g.fails(syscall.EXDEV, func(s SQE) {
		g.must(s.PrepOpenat2(dir, "../"+filepath.Base(path)+"/x", OpenHow{Resolve: beneath}))
	})
	g.fails(syscall.EINVAL, func(s SQE) { g.must(s.PrepOpenat2(dir, "x", OpenHow{Mode: 0o600})) })
}

func TestStatx(t *testing.T) {
	g := newRig(t, Config{})
	f, path := g.file()
	g.must(os.WriteFile(path, make([]byte, 1234), 0o600))
	modified := time.Date(2001, 2, 3, 4, 5, 6, 7, time.UTC)
	g.must(os.Chtimes(path, time.Time{}, modified))
	link := path + "-link"
	g.must(os.Symlink(path, link))
	var want syscall.Stat_t
	g.must(syscall.Stat(path, &want))

	var st Statx
	check := func() {
		t.Helper()
		type facts struct {
			Size, Ino uint64
			UID, GID  uint32
			Mode      uint32
			Nlink     uint64
			Mtime     time.Time
		}
		got := facts{st.Size, st.Ino, st.UID, st.GID, uint32(st.Mode), uint64(st.Nlink), st.Mtime.Time().UTC()}
		expect := facts{uint64(want.Size), want.Ino, want.Uid, want.Gid, want.Mode, uint64(want.Nlink), modified}
		if diff := cmp.Diff(expect, got); diff != "" {
			t.Errorf("(-stat +statx):\n%s", diff)
		}
		if StatxMask(st.Mask)&StatxBasicStats != StatxBasicStats {
			t.Errorf("the mask is %#x", st.Mask)
		}
		st = Statx{}
	}
	g.want(0, func(s SQE) { g.must(s.PrepStatx(AtFDCWD, path, 0, StatxBasicStats, &st)) })
	check()
	g.want(0, func(s SQE) { g.must(s.PrepStatx(AtFDCWD, link, 0, StatxBasicStats|StatxBtime, &st)) })
	check()
	g.want(0, func(s SQE) { g.must(s.PrepStatx(int(f.Fd()), "", AtEmptyPath, StatxBasicStats, &st)) })
	check()
	g.want(0, func(s SQE) { g.must(s.PrepStatx(AtFDCWD, link, AtSymlinkNofollow, StatxBasicStats, &st)) })
	if st.Mode&syscall.S_IFMT != syscall.S_IFLNK || st.Size != uint64(len(path)) {
		t.Errorf("the link has mode %o and %d bytes", st.Mode, st.Size)
	}
}

func TestNamesOfFiles(t *testing.T) {
	g := newRig(t, Config{})
	dir, path := g.dir()
	expect := func(want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, g.names(path)); diff != "" {
			t.Fatalf("names (-want +got):\n%s", diff)
		}
	}
	g.must(os.WriteFile(path+"/a", []byte("a"), 0o600))
	g.want(0, func(s SQE) { g.must(s.PrepMkdirat(dir, "sub", 0o700)) })
	expect("a", "sub")
	g.want(0, func(s SQE) { g.must(s.PrepLinkat(dir, "a", dir, "b", 0)) })
	expect("a", "b", "sub")
	g.want(0, func(s SQE) { g.must(s.PrepSymlinkat("../b", AtFDCWD, path+"/sub/link")) })
	if got := g.content(path + "/sub/link"); got != "a" {
		t.Errorf("the link leads to %q", got)
	}
	g.want(0, func(s SQE) { g.must(s.PrepLinkat(dir, "sub/link", dir, "c", AtSymlinkFollow)) })
	g.want(0, func(s SQE) { g.must(s.PrepRenameat(dir, "a", AtFDCWD, path+"/sub/d", 0)) })
	expect("b", "c", "sub")
	const noReplace, exchange = 1, 2
	g.fails(syscall.EEXIST, func(s SQE) { g.must(s.PrepRenameat(dir, "b", dir, "c", noReplace)) })
	g.must(os.WriteFile(path+"/e", []byte("e"), 0o600))
	g.want(0, func(s SQE) { g.must(s.PrepRenameat(dir, "b", dir, "e", exchange)) })
	if got := g.content(path+"/b") + g.content(path+"/e"); got != "ea" {
		t.Errorf("after the exchange: %q", got)
	}
	g.fails(syscall.EISDIR, func(s SQE) { g.must(s.PrepUnlinkat(dir, "sub", 0)) })
	g.fails(syscall.ENOTEMPTY, func(s SQE) { g.must(s.PrepUnlinkat(dir, "sub", AtRemovedir)) })
	for _, name := range []string{"sub/d", "sub/link", "b", "c"} {
		g.want(0, func(s SQE) { g.must(s.PrepUnlinkat(dir, name, 0)) })
	}
	g.want(0, func(s SQE) { g.must(s.PrepUnlinkat(AtFDCWD, path+"/sub", AtRemovedir)) })
	expect("e")
}

func TestPathsWithZeroBytesAreRefused(t *testing.T) {
	g := newRig(t, Config{})
	for name, prep := range map[string]func(SQE) error{
		"open":       func(s SQE) error { return s.PrepOpenat(AtFDCWD, "a\x00b", 0, 0) },
		"rename":     func(s SQE) error { return s.PrepRenameat(AtFDCWD, "a", AtFDCWD, "b\x00", 0) },
		"xattr name": func(s SQE) error { return s.PrepFgetxattr(0, "user.\x00", nil) },
	} {
		if err := prep(g.sqe()); err == nil || !strings.Contains(err.Error(), "zero byte") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := g.Submit(); err != nil {
		t.Error(err)
	}
}

func TestExtendedAttributes(t *testing.T) {
	g := newRig(t, Config{})
	f, path := g.file()
	fd := g.firstDirect(FD(f.Fd()))
	user := "user."
	if err := syscall.Setxattr(path, "user.probe", nil, 0); err == syscall.EOPNOTSUPP {
		user = "trusted." // what an older tmpfs has
	}
	const create = 1 // XATTR_CREATE
	g.want(0, func(s SQE) { g.must(s.PrepSetxattr(path, user+"a", held([]byte("value a")), create)) })
	g.fails(syscall.EEXIST, func(s SQE) { g.must(s.PrepSetxattr(path, user+"a", held([]byte("again")), create)) })
	g.want(0, func(s SQE) { g.must(s.PrepFsetxattr(FD(f.Fd()), user+"b", held([]byte("value of b")), 0)) })

	b := make([]byte, 20)
	n, err := syscall.Getxattr(path, user+"b", b)
	g.must(err)
	if string(b[:n]) != "value of b" {
		t.Errorf("fsetxattr set %q", b[:n])
	}
	n = g.do(func(s SQE) { g.must(s.PrepGetxattr(path, user+"a", b)) })
	if string(b[:n]) != "value a" {
		t.Errorf("getxattr read %q", b[:n])
	}
	n = g.do(func(s SQE) { g.must(s.PrepFgetxattr(FD(f.Fd()), user+"b", b)) })
	if string(b[:n]) != "value of b" {
		t.Errorf("fgetxattr read %q", b[:n])
	}
	g.want(10, func(s SQE) { g.must(s.PrepFgetxattr(FD(f.Fd()), user+"b", nil)) })
	g.fails(syscall.ERANGE, func(s SQE) { g.must(s.PrepGetxattr(path, user+"a", b[:3])) })
	g.fails(syscall.ENODATA, func(s SQE) { g.must(s.PrepGetxattr(path, user+"c", b)) })
	if g.older(6, 13) {
		g.fails(syscall.EBADF, func(s SQE) { g.must(s.PrepFsetxattr(fd, user+"d", held([]byte("d")), 0)) })
		g.fails(syscall.EBADF, func(s SQE) { g.must(s.PrepFgetxattr(fd, user+"a", b)) })
		return
	}
	g.want(0, func(s SQE) { g.must(s.PrepFsetxattr(fd, user+"d", held([]byte("d")), 0)) })
	g.want(1, func(s SQE) { g.must(s.PrepFgetxattr(fd, user+"d", b)) })
}

// A chain opens a file in a slot, reads it there, and closes it.
func TestOpenReadCloseInAChain(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		dir, path := g.dir()
		g.must(os.WriteFile(path+"/file", []byte("content"), 0o600))
		g.must(g.RegisterFiles(4))
		slot := DirectSlot(3)
		p := make([]byte, 16)
		for range 3 { // the slot is free again
			s := g.queue(1, func(s SQE) { g.must(s.PrepOpenatDirect(dir, "file", syscall.O_RDONLY, 0, slot)) })
			g.must(s.SetFlags(Link))
			s = g.queue(2, func(s SQE) { s.PrepRead(slot.FD(), p, 0) })
			g.must(s.SetFlags(HardLink)) // it is shorter than p
			g.queue(3, func(s SQE) { s.PrepCloseDirect(slot) })
			equal(t, "results", g.results(3), map[uint64]int32{1: 0, 2: 7, 3: 0})
			equal(t, "content", string(p[:7]), "content")
		}
		g.fails(syscall.EBADF, func(s SQE) { s.PrepRead(slot.FD(), p, 0) })
	})
}
