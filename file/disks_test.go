//go:build linux

package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/uring-go/uring"
	"github.com/uring-go/uring/internal/core"
	"github.com/uring-go/uring/internal/testutil"
)

// run runs a program, and skips the test if it is not there.
func run(t *testing.T, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(args[0]); err != nil {
		t.Skipf("needs the program %s: %v", args[0], err)
	}
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// A disk is a file system of the test's own.
type disk struct {
	t      *testing.T
	kind   string
	device string // empty for those without
	dir    string
}

// newDisk makes a file system on a loop device, or of memory, and mounts it.
func newDisk(t *testing.T, kind string) *disk {
	t.Helper()
	if os.Geteuid() != 0 {
		testutil.Lacks(t, testutil.LoopDevices, "not root")
	}
	known, err := os.ReadFile("/proc/filesystems")
	must(t, err)
	name := strings.TrimSuffix(kind, "fs")
	if kind == "tmpfs" {
		name = kind
	}
	_, lookErr := exec.LookPath("mkfs." + kind)
	if !strings.Contains(string(known), "\t"+name) && lookErr != nil {
		t.Skipf("the kernel has no %s now, and there is no mkfs.%s", kind, kind)
	}
	d := &disk{t: t, kind: kind, dir: t.TempDir()}
	switch kind {
	case "tmpfs":
		mount(t, "tmpfs", d.dir, "tmpfs", "size=400m")
	case "overlayfs":
		layers := newDisk(t, "tmpfs").dir
		for _, l := range []string{"lower", "upper", "work"} {
			must(t, os.Mkdir(filepath.Join(layers, l), 0o755))
		}
		mount(t, "overlay", d.dir, "overlay", fmt.Sprintf("lowerdir=%[1]s/lower,upperdir=%[1]s/upper,workdir=%[1]s/work", layers))
	default:
		image := filepath.Join(t.TempDir(), "image")
		f, err := os.Create(image)
		must(t, err)
		must(t, f.Truncate(512<<20))
		must(t, f.Close())
		if _, err := os.Stat("/dev/loop-control"); err != nil {
			testutil.Lacks(t, testutil.LoopDevices, err)
		}
		run(t, "mkfs."+kind, "-q", image)
		d.device = run(t, "losetup", "--find", "--show", image)
		t.Cleanup(func() { run(t, "losetup", "--detach", d.device) })
		mount(t, d.device, d.dir, kind, "")
	}
	return d
}

func mount(t *testing.T, what, dir, kind, options string) {
	t.Helper()
	if err := syscall.Mount(what, dir, kind, 0, options); err != nil {
		testutil.Lacks(t, testutil.LoopDevices, fmt.Errorf("mount %s: %w", kind, err))
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil && err != syscall.EINVAL {
			t.Errorf("unmount %s: %v", kind, err)
		}
	})
}

// free returns how many bytes can be written.
func (d *disk) free() int64 {
	var st syscall.Statfs_t
	must(d.t, syscall.Statfs(d.dir, &st))
	return int64(st.Bavail) * st.Bsize
}

// sync has the file system write what it holds.
func (d *disk) sync() bool { return exec.Command("sync", "-f", d.dir).Run() == nil }

func TestFileSystems(t *testing.T) {
	for _, kind := range []string{"ext4", "xfs", "btrfs", "tmpfs", "overlayfs"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			d := newDisk(t, kind)
			empty := d.free()
			for _, c := range engines {
				t.Run(c.name, func(t *testing.T) {
					// The kernel may put the last reference to a removed file back later,
					// and Btrfs frees space when it commits.
					wait(t, "the space of the engine before is free", func() bool {
						return d.free() > empty-empty/10 || d.sync() && d.free() > empty-empty/10
					})
					e := start(t, c.config)
					dir := filepath.Join(d.dir, c.name)
					must(t, os.Mkdir(dir, 0o755))
					steps := 50
					if testing.Short() {
						steps = 20
					}
					runModel(t, e, dir, steps)
					name, want := filepath.Join(dir, "direct"), random(300_001)
					must(t, os.WriteFile(name, want, 0o600))
					t.Run("direct", func(t *testing.T) { testDirect(t, e, name, want) })
					d.fillUp(t, e, dir)
					must(t, os.RemoveAll(dir)) // make room for the next one
					t.Log(e.Stats())
				})
			}
		})
	}
}

// fillUp writes until there is no space left: all that was written before is
// there, and the error says why it ended.
func (d *disk) fillUp(t *testing.T, e *Engine, dir string) {
	t.Helper()
	name := filepath.Join(dir, "full")
	f, err := e.Create(name)
	must(t, err)
	// A little space is enough: the test takes the rest.
	if free := d.free(); free > 8<<20 {
		if err := f.Allocate(0, 1<<30, free-6<<20); err != nil && !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EOPNOTSUPP) {
			t.Errorf("Allocate: %v", err)
		}
	}
	p := random(256 << 10)
	total := int64(0)
	for {
		n, err := f.WriteAt(p, total)
		total += int64(n)
		var pe *fs.PathError
		if err != nil {
			if !errors.Is(err, syscall.ENOSPC) || !errors.As(err, &pe) || pe.Path != name {
				t.Errorf("the disk is full: %v", err)
			}
			break
		}
		if total > 600<<20 {
			t.Error("the disk is never full")
			break
		}
	}
	data := make([]byte, total)
	if n, err := f.ReadAt(data, 0); int64(n) != total || err != nil {
		t.Errorf("read %d of %d: %v", n, total, err)
	}
	for off := 0; off < len(data); off += len(p) {
		if part := data[off:min(off+len(p), len(data))]; !bytes.Equal(part, p[:len(part)]) {
			t.Errorf("the bytes at %d differ", off)
			break
		}
	}
	must(t, f.Close())
	must(t, e.Remove(name))
}

// The file system stops, as when the power fails: what was acknowledged is
// there, and was written by the device.
func TestAcknowledgedWritesOutliveThePower(t *testing.T) {
	for _, kind := range []string{"ext4", "xfs"} {
		for _, way := range []string{"default", "ring only", "no ring"} {
			t.Run(kind+" "+way, func(t *testing.T) {
				d := newDisk(t, kind)
				name := filepath.Join(d.dir, "log")
				acks := runAndKill(t, name, way, d.stop)
				// The kernel lets go of a killed process's ring in the background.
				wait(t, "unmounted", func() bool { return syscall.Unmount(d.dir, 0) == nil })
				must(t, syscall.Mount(d.device, d.dir, kind, 0, ""))
				data, err := os.ReadFile(name)
				must(t, err)
				checkAcknowledged(t, data, acks)
			})
		}
	}
}

// stop makes the file system write nothing more: not what is in memory, and not
// its journal.
func (d *disk) stop() {
	f, err := os.Open(d.dir)
	if err != nil {
		d.t.Error(err)
		return
	}
	defer f.Close()
	const goDown, noLogFlush = 0x8004587d, 2 // FS_IOC_SHUTDOWN
	flags := uint32(noLogFlush)
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), goDown, addressOf(&flags)); errno != 0 {
		d.t.Errorf("stop the file system: %v", errno)
	}
}

// Goroutines end while locked to their threads, which then end too, with cold
// reads on their way that they submitted for others: no read fails.
func TestColdReadsOfThreadsThatEnd(t *testing.T) {
	d := newDisk(t, "ext4")
	name, want := filepath.Join(d.dir, "f"), random(32<<20)
	must(t, os.WriteFile(name, want, 0o600))
	var faults atomic.Int64
	e := start(t, Config{ringOnly: true, inject: func(r *core.Request, c uring.CQE) uring.CQE {
		if c.Res == -int32(syscall.EFAULT) || c.Res == -int32(syscall.ECANCELED) {
			faults.Add(1)
		}
		return c
	}})
	f := opened(t, e, name, os.O_RDONLY)
	must(t, f.Advise(Random, 0, 0))
	end := time.Now().Add(2 * time.Second)
	var reads atomic.Int64
	read := func() {
		off := rand.IntN(len(want)/4096) * 4096
		p := make([]byte, 4096)
		if n, err := f.ReadAt(p, int64(off)); n != len(p) || err != nil || !bytes.Equal(p, want[off:off+n]) {
			t.Errorf("read at %d: %d, %v", off, n, err)
		}
		reads.Add(1)
	}
	var wg sync.WaitGroup
	for range 32 {
		wg.Add(2)
		go func() {
			defer wg.Done()
			for time.Now().Before(end) && !t.Failed() {
				read()
			}
		}()
		go func() {
			defer wg.Done()
			for time.Now().Before(end) && !t.Failed() {
				done := make(chan struct{})
				go func() {
					defer close(done)
					runtime.LockOSThread()
					read()
				}()
				<-done
			}
		}()
	}
	go func() {
		for time.Now().Before(end) {
			_ = f.Advise(DontNeed, 0, 0) // the file is read cold again
			time.Sleep(20 * time.Millisecond)
		}
	}()
	wg.Wait()
	t.Logf("%d reads, %d errors of ended threads", reads.Load(), faults.Load())
}

// Thousands of goroutines write files of their own and sync them, with few
// threads.
func TestThousandsOfFilesTakeFewThreads(t *testing.T) {
	needDescriptors(t, 4000)
	const files = 3000
	d := newDisk(t, "ext4")
	e := start(t, Config{})
	most := 50
	if !e.Stats().Ring {
		most = 64 + 30 // Config.Threads, tokens, and Go's own
	}
	var wg sync.WaitGroup
	watch := watchThreads()
	for i := range files {
		wg.Add(1)
		go func() {
			defer wg.Done()
			f, err := e.Create(filepath.Join(d.dir, strconv.Itoa(i)))
			if err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			for k := range 2 {
				if _, err := f.WriteAt([]byte(fmt.Sprintf("%8d %d", i, k)), int64(k)*4096); err != nil {
					t.Error(err)
				}
				if err := f.Datasync(); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	wg.Wait()
	threads := watch()
	t.Logf("%d threads; %v", threads, e.Stats())
	if threads > most && !raceOn {
		t.Errorf("%d threads, want at most %d", threads, most)
	}
	for i := range files {
		data, err := os.ReadFile(filepath.Join(d.dir, strconv.Itoa(i)))
		if err != nil || string(data[4096:]) != fmt.Sprintf("%8d 1", i) {
			t.Fatalf("file %d: %q, %v", i, data, err)
		}
	}
}

func needDescriptors(t *testing.T, n uint64) {
	t.Helper()
	var limit syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	if limit.Cur < n {
		t.Skipf("may open %d files only, the test needs %d", limit.Cur, n)
	}
}

// watchThreads returns a function that says how many threads there were at
// most.
func watchThreads() func() int {
	stop, most := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		for {
			select {
			case <-stop:
				most <- n
				return
			case <-time.After(5 * time.Millisecond):
				tasks, _ := os.ReadDir("/proc/self/task")
				n = max(n, len(tasks))
			}
		}
	}()
	return func() int {
		close(stop)
		return <-most
	}
}

// 12,000 goroutines read a slow disk: package os would need a thread for each,
// and at 10,000 the program would crash.
func TestThousandsOfReadersTakeFewThreads(t *testing.T) {
	const readers = 12_000
	if dir := os.Getenv("URING_TEST_SLOW_DISK"); dir != "" {
		readSlowDisk(t, dir, readers)
		return
	}
	d := newDisk(t, "ext4")
	must(t, os.WriteFile(filepath.Join(d.dir, "f"), random(8<<20), 0o600))
	syscall.Sync()
	group := throttle(t, d.device, 4000)
	cmd := exec.Command("/bin/sh", "-c", `echo $$ > "$0" && exec "$@"`, group, "/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	exe, err := os.Executable()
	must(t, err)
	cmd.Args[4] = exe
	cmd.Env = append(os.Environ(), "URING_TEST_SLOW_DISK="+d.dir)
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS")) {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

// throttle makes a group of processes whose reads of a device are limited to so
// many a second, and returns the file to write their numbers to.
func throttle(t *testing.T, device string, reads int) string {
	t.Helper()
	var st syscall.Stat_t
	must(t, syscall.Stat(device, &st))
	number := fmt.Sprintf("%d:%d", st.Rdev>>8&0xfff, st.Rdev&0xff|st.Rdev>>12&^0xff)
	name := "uring-test-" + strconv.Itoa(os.Getpid())
	dir, file, rule := filepath.Join("/sys/fs/cgroup/blkio", name), "blkio.throttle.read_iops_device", fmt.Sprintf("%s %d", number, reads)
	if _, err := os.Stat("/sys/fs/cgroup/blkio"); err != nil {
		dir, file, rule = filepath.Join("/sys/fs/cgroup", name), "io.max", fmt.Sprintf("%s riops=%d", number, reads)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Skipf("may not make a control group, to slow a disk down: %v", err)
	}
	t.Cleanup(func() {
		// The last process may still be on its way out.
		wait(t, "the control group is empty", func() bool { return os.Remove(dir) == nil })
	})
	if err := os.WriteFile(filepath.Join(dir, file), []byte(rule), 0); err != nil {
		t.Skipf("cannot slow a disk down: %v", err)
	}
	return filepath.Join(dir, "cgroup.procs")
}

func readSlowDisk(t *testing.T, dir string, readers int) {
	e := start(t, Config{})
	name := filepath.Join(dir, "f")
	want, err := os.ReadFile(name)
	must(t, err)
	f := opened(t, e, name, os.O_RDONLY|syscall.O_DIRECT)
	watch := watchThreads()
	var wg sync.WaitGroup
	for i := range readers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			off := i * 7919 % (len(want) / 4096) * 4096
			b, err := f.ReadBuf(context.Background(), 4096, int64(off))
			if err != nil {
				t.Error(err)
				return
			}
			if !bytes.Equal(b.Bytes(), want[off:off+4096]) {
				t.Errorf("the bytes at %d differ", off)
			}
			b.Release()
		}()
	}
	wg.Wait()
	threads := watch()
	t.Logf("%d threads; %v", threads, e.Stats())
	most := runtime.GOMAXPROCS(0) + 10
	if !e.Stats().Ring {
		most += 64 + 20 // Config.Threads and tokens
	}
	if threads > most && !raceOn {
		t.Errorf("%d threads, want at most %d", threads, most)
	}
}
