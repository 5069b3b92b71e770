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
func (p *trip) dir() (fd int, path string) {
	p.Helper()
	path = p.TempDir()
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	p.must(err)
	p.Cleanup(func() { syscall.Close(fd) })
	return fd, path
}

// names lists a directory.
func (p *trip) names(dir string) []string {
	p.Helper()
	entries, err := os.ReadDir(dir)
	p.must(err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestOpenat(t *testing.T) {
	p := newTrip(t, Config{})
	dir, path := p.dir()
	const create = syscall.O_CREAT | syscall.O_EXCL | syscall.O_RDWR | syscall.O_CLOEXEC
	fd := p.do(func(s SQE) error { return s.PrepOpenat(dir, "new", create, 0o640) })
	defer syscall.Close(fd)
	if _, err := syscall.Write(fd, []byte("written")); err != nil {
		t.Error(err)
	}
	if got := p.content(filepath.Join(path, "new")); got != "written" {
		t.Errorf("the file has %q", got)
	}
	st, err := os.Stat(filepath.Join(path, "new"))
	p.must(err)
	if st.Mode() != 0o640 {
		t.Errorf("mode %v", st.Mode())
	}
	p.fails(syscall.EEXIST, func(s SQE) error { return s.PrepOpenat(dir, "new", create, 0o640) })
	p.fails(syscall.ENOENT, func(s SQE) error { return s.PrepOpenat(AtFDCWD, path+"/missing", syscall.O_RDONLY, 0) })
	p.fails(syscall.ENAMETOOLONG, func(s SQE) error {
		return s.PrepOpenat(dir, strings.Repeat("./", 2100)+"new", syscall.O_RDONLY, 0)
	})
	long := strings.Repeat("./", 1900) + "new" // far longer than the memory that every entry has
	other := p.do(func(s SQE) error { return s.PrepOpenat(dir, long, syscall.O_RDONLY|syscall.O_CLOEXEC, 0) })
	p.must(syscall.Close(other))
}

func TestOpenatDirect(t *testing.T) {
	p := newTrip(t, Config{})
	p.must(p.RegisterFiles(4))
	dir, path := p.dir()
	const create = syscall.O_CREAT | syscall.O_RDWR
	p.want(0, func(s SQE) error { return s.PrepOpenatDirect(dir, "a", create, 0o600, DirectSlot(2)) })
	picked := p.do(func(s SQE) error { return s.PrepOpenatDirect(dir, "b", create, 0o600, DirectAlloc) })
	if picked == 2 || picked > 3 {
		t.Errorf("the kernel picked slot %d", picked)
	}
	p.want(3, noErr(func(s SQE) { s.PrepWrite(DirectSlot(2).FD(), held([]byte("two")), 0) }))
	p.want(4, noErr(func(s SQE) { s.PrepWrite(DirectSlot(picked).FD(), held([]byte("none")), 0) }))
	if got := p.content(path+"/a") + " " + p.content(path+"/b"); got != "two none" {
		t.Errorf("the files have %q", got)
	}
	p.fails(syscall.EINVAL, func(s SQE) error {
		return s.PrepOpenatDirect(dir, "a", create|syscall.O_CLOEXEC, 0o600, DirectAlloc)
	})
}

func TestOpenat2(t *testing.T) {
	p := newTrip(t, Config{})
	p.must(p.RegisterFiles(2))
	dir, path := p.dir()
	const create = syscall.O_CREAT | syscall.O_RDWR
	fd := p.do(func(s SQE) error {
		return s.PrepOpenat2(dir, "x", OpenHow{Flags: create | syscall.O_CLOEXEC, Mode: 0o600})
	})
	p.must(syscall.Close(fd))
	p.want(0, func(s SQE) error {
		return s.PrepOpenat2Direct(dir, "x", OpenHow{Flags: syscall.O_WRONLY}, DirectSlot(1))
	})
	p.want(5, noErr(func(s SQE) { s.PrepWrite(DirectSlot(1).FD(), held([]byte("how 2")), 0) }))
	if got := p.content(path + "/x"); got != "how 2" {
		t.Errorf("the file has %q", got)
	}
	const beneath = 0x08 // RESOLVE_BENEATH
	p.fails(syscall.EXDEV, func(s SQE) error {
		return s.PrepOpenat2(dir, "../"+filepath.Base(path)+"/x", OpenHow{Resolve: beneath})
	})
	p.fails(syscall.EINVAL, func(s SQE) error { return s.PrepOpenat2(dir, "x", OpenHow{Mode: 0o600}) })
}

func TestStatx(t *testing.T) {
	p := newTrip(t, Config{})
	f, path := p.file()
	p.must(os.WriteFile(path, make([]byte, 1234), 0o600))
	modified := time.Date(2001, 2, 3, 4, 5, 6, 7, time.UTC)
	p.must(os.Chtimes(path, time.Time{}, modified))
	link := path + "-link"
	p.must(os.Symlink(path, link))
	var want syscall.Stat_t
	p.must(syscall.Stat(path, &want))

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
	p.want(0, func(s SQE) error { return s.PrepStatx(AtFDCWD, path, 0, StatxBasicStats, &st) })
	check()
	p.want(0, func(s SQE) error { return s.PrepStatx(AtFDCWD, link, 0, StatxBasicStats|StatxBtime, &st) })
	check()
	p.want(0, func(s SQE) error { return s.PrepStatx(int(f.Fd()), "", AtEmptyPath, StatxBasicStats, &st) })
	check()
	p.want(0, func(s SQE) error { return s.PrepStatx(AtFDCWD, link, AtSymlinkNofollow, StatxBasicStats, &st) })
	if st.Mode&syscall.S_IFMT != syscall.S_IFLNK || st.Size != uint64(len(path)) {
		t.Errorf("the link has mode %o and %d bytes", st.Mode, st.Size)
	}
}

func TestNamesOfFiles(t *testing.T) {
	p := newTrip(t, Config{})
	dir, path := p.dir()
	expect := func(want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, p.names(path)); diff != "" {
			t.Fatalf("names (-want +got):\n%s", diff)
		}
	}
	p.must(os.WriteFile(path+"/a", []byte("a"), 0o600))
	p.want(0, func(s SQE) error { return s.PrepMkdirat(dir, "sub", 0o700) })
	expect("a", "sub")
	p.want(0, func(s SQE) error { return s.PrepLinkat(dir, "a", dir, "b", 0) })
	expect("a", "b", "sub")
	p.want(0, func(s SQE) error { return s.PrepSymlinkat("../b", AtFDCWD, path+"/sub/link") })
	if got := p.content(path + "/sub/link"); got != "a" {
		t.Errorf("the link leads to %q", got)
	}
	p.want(0, func(s SQE) error { return s.PrepLinkat(dir, "sub/link", dir, "c", AtSymlinkFollow) })
	p.want(0, func(s SQE) error { return s.PrepRenameat(dir, "a", AtFDCWD, path+"/sub/d", 0) })
	expect("b", "c", "sub")
	const noReplace, exchange = 1, 2
	p.fails(syscall.EEXIST, func(s SQE) error { return s.PrepRenameat(dir, "b", dir, "c", noReplace) })
	p.must(os.WriteFile(path+"/e", []byte("e"), 0o600))
	p.want(0, func(s SQE) error { return s.PrepRenameat(dir, "b", dir, "e", exchange) })
	if got := p.content(path+"/b") + p.content(path+"/e"); got != "ea" {
		t.Errorf("after the exchange: %q", got)
	}
	p.fails(syscall.EISDIR, func(s SQE) error { return s.PrepUnlinkat(dir, "sub", 0) })
	p.fails(syscall.ENOTEMPTY, func(s SQE) error { return s.PrepUnlinkat(dir, "sub", AtRemovedir) })
	for _, name := range []string{"sub/d", "sub/link", "b", "c"} {
		p.want(0, func(s SQE) error { return s.PrepUnlinkat(dir, name, 0) })
	}
	p.want(0, func(s SQE) error { return s.PrepUnlinkat(AtFDCWD, path+"/sub", AtRemovedir) })
	expect("e")
}

func TestPathsWithZeroBytesAreRefused(t *testing.T) {
	p := newTrip(t, Config{})
	for name, prep := range map[string]func(SQE) error{
		"open":       func(s SQE) error { return s.PrepOpenat(AtFDCWD, "a\x00b", 0, 0) },
		"rename":     func(s SQE) error { return s.PrepRenameat(AtFDCWD, "a", AtFDCWD, "b\x00", 0) },
		"xattr name": func(s SQE) error { return s.PrepFgetxattr(0, "user.\x00", nil) },
	} {
		if err := prep(p.next()); err == nil || !strings.Contains(err.Error(), "zero byte") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := p.Submit(); err != nil {
		t.Error(err)
	}
}

func TestExtendedAttributes(t *testing.T) {
	p := newTrip(t, Config{})
	f, path := p.file()
	fd := p.direct(FD(f.Fd()))
	user := "user."
	if err := syscall.Setxattr(path, "user.probe", nil, 0); err == syscall.EOPNOTSUPP {
		user = "trusted." // what an older tmpfs has
	}
	const create = 1 // XATTR_CREATE
	p.want(0, func(s SQE) error { return s.PrepSetxattr(path, user+"a", held([]byte("value a")), create) })
	p.fails(syscall.EEXIST, func(s SQE) error { return s.PrepSetxattr(path, user+"a", held([]byte("again")), create) })
	p.want(0, func(s SQE) error { return s.PrepFsetxattr(FD(f.Fd()), user+"b", held([]byte("value of b")), 0) })

	b := make([]byte, 20)
	n, err := syscall.Getxattr(path, user+"b", b)
	p.must(err)
	if string(b[:n]) != "value of b" {
		t.Errorf("fsetxattr set %q", b[:n])
	}
	n = p.do(func(s SQE) error { return s.PrepGetxattr(path, user+"a", b) })
	if string(b[:n]) != "value a" {
		t.Errorf("getxattr read %q", b[:n])
	}
	n = p.do(func(s SQE) error { return s.PrepFgetxattr(FD(f.Fd()), user+"b", b) })
	if string(b[:n]) != "value of b" {
		t.Errorf("fgetxattr read %q", b[:n])
	}
	p.want(10, func(s SQE) error { return s.PrepFgetxattr(FD(f.Fd()), user+"b", nil) })
	p.fails(syscall.ERANGE, func(s SQE) error { return s.PrepGetxattr(path, user+"a", b[:3]) })
	p.fails(syscall.ENODATA, func(s SQE) error { return s.PrepGetxattr(path, user+"c", b) })
	if p.older(6, 13) {
		p.fails(syscall.EBADF, func(s SQE) error { return s.PrepFsetxattr(fd, user+"d", held([]byte("d")), 0) })
		p.fails(syscall.EBADF, func(s SQE) error { return s.PrepFgetxattr(fd, user+"a", b) })
		return
	}
	p.want(0, func(s SQE) error { return s.PrepFsetxattr(fd, user+"d", held([]byte("d")), 0) })
	p.want(1, func(s SQE) error { return s.PrepFgetxattr(fd, user+"d", b) })
}
