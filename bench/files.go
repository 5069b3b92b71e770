package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// The groups of the experiment with files.
const (
	cachedReads = "reads of cached data"
	mostlyHot   = "reads of data of which 98 % is cached"
	coldReads   = "reads past the page cache of the machine's disk, cold"
	directReads = "direct reads of the machine's disk"
	loopReads   = "direct reads of a loop device"
	slowReads   = "direct reads of a slow disk"
	batchReads  = "direct reads of the machine's disk by one goroutine, 64 at a time"
	syncWrites  = "writes of one file, each with a sync"
	manySyncs   = "writes of a file for each goroutine, each with a sync, on a loop device"
	asking      = "asking about files"
	opening     = "opening and closing files"
	pebbleGets  = "gets of a Pebble database on the machine's disk, cold"
	pebbleLoop  = "gets of a Pebble database on a loop device, cold"
	pebbleSyncs = "synced commits of a Pebble database on a loop device"
)

const (
	packageOS   = "package os"
	semaphore   = "os, semaphore of 64"
	packageFile = "package file"
	noRing      = "package file without a ring"
	liburingC   = "C liburing"
	fio         = "fio io_uring"
	iouringGo   = "iouring-go"
)

// filesExperiment measures reads and writes of many goroutines.
func filesExperiment(b *bench) *experiment {
	e := &experiment{
		name: "files", title: "Files and many goroutines", rounds: 5, budget: b.long(12 * time.Minute),
		tables: []table{
			{title: "µs of processor time for an operation, by goroutines", value: "cpu_us"},
			{title: "operations a second, by goroutines", value: "rate"},
			{title: "threads at most, by goroutines", value: "threads", plain: true},
			{title: "µs for 99 of 100 operations, by goroutines", value: "p99_us", groups: []string{cachedReads, mostlyHot, directReads}},
		},
		plots: []chart{
			{file: "files-cpu", title: "Direct reads of a loop device", note: "4 KiB at random places of an ext4 file on a loop device, which lies in memory; no network.", value: "cpu_us", axis: "goroutines", unit: "processor time for a read in µs", log: true, groups: []string{loopReads}},
			{file: "files-cold-cpu", title: "Cold reads of the machine's disk", note: "4 KiB at random places of a file that is not in the page cache; no network.", value: "cpu_us", axis: "goroutines", unit: "processor time for a read in µs", log: true, groups: []string{coldReads}},
			{file: "files-slow-cpu", title: "Direct reads of a slow disk", note: "4 KiB at random places of a loop device that is held to 4,000 reads a second; no network.", value: "cpu_us", axis: "goroutines", unit: "processor time for a read in µs", log: true, groups: []string{slowReads}},
			{file: "files-threads", title: "Direct reads of a slow disk", note: "4 KiB at random places of a loop device that is held to 4,000 reads a second; no network.", value: "threads", axis: "goroutines", unit: "threads at most", log: true, groups: []string{slowReads}},
		},
		notes: []string{
			"Reads and writes of 4 KiB at random places of a file of 1 GiB. C and fio keep as many reads on their way as there are goroutines; C waits for one of them at a time.",
			"The machine's disk is that of the repository. The loop device is on a file in memory, with ext4; the slow disk is the same, held to 4,000 reads a second by a control group.",
			"Everything runs on all processors: what a disk completes is interrupted for where it happens to run. Processor time is that of the process with the kernel's workers; threads are those of both.",
			"iouring-go is github.com/iceber/iouring-go of April 2023, its newest: each read is submitted by itself, under a lock.",
			"Pebble has 200,000 values of 1,000 bytes, and 8 MiB for its cache; ten times a second the page cache forgets the tables. Its own file system is package os.",
			"Package os crashes with 10,000 goroutines that wait for a disk: uring files shows it. It is left out there.",
		},
	}
	d := &disks{b: b}
	e.after = d.remove
	add := func(group string, n int, size string, peers ...string) {
		for _, peer := range peers {
			point := strconv.Itoa(n)
			if size != "" {
				point += " × " + size
			}
			e.cells = append(e.cells, cell{group, point, peer, func() (values, error) { return d.run(group, peer, n, size) }})
		}
	}
	for _, n := range []int{1, 64, 1000} {
		add(cachedReads, n, "4 KiB", packageOS, packageFile)
	}
	add(cachedReads, 64, "1 MiB", packageOS, packageFile)
	add(mostlyHot, 64, "", packageOS, packageFile)
	for _, n := range []int{1, 64, 1000} {
		add(coldReads, n, "", packageOS, semaphore, packageFile, noRing, liburingC, fio)
	}
	for _, n := range []int{1, 4, 64, 1000} {
		add(directReads, n, "", packageOS, semaphore, packageFile, liburingC, fio)
		add(loopReads, n, "", packageOS, semaphore, packageFile, noRing, iouringGo, liburingC, fio)
	}
	add(slowReads, 64, "", packageOS, semaphore, packageFile)
	add(slowReads, 1000, "", packageOS, semaphore, packageFile)
	add(slowReads, 12000, "", semaphore, packageFile)
	add(batchReads, 1, "", packageOS, packageFile, liburingC)
	for _, n := range []int{1, 64} {
		add(syncWrites, n, "", packageOS, packageFile)
		add(asking, n, "", packageOS, packageFile)
		add(opening, n, "", packageOS, packageFile)
	}
	add(manySyncs, 3000, "", packageOS, semaphore, packageFile)
	for _, n := range []int{1, 64, 1000} {
		add(pebbleGets, n, "", packageOS, packageFile)
		add(pebbleLoop, n, "", packageOS, packageFile)
	}
	for _, n := range []int{1, 64} {
		add(pebbleSyncs, n, "", packageOS, packageFile)
	}
	if b.quick {
		e.rounds = 2
		e.cells = slices.DeleteFunc(e.cells, func(c cell) bool {
			return c.peer == semaphore || c.peer == noRing || strings.HasPrefix(c.point, "1000")
		})
	}
	return e
}

// fileTargets are what package file is measured by.
func fileTargets() (all []target) {
	cpu := func(what, group string, most float64, points ...string) {
		all = append(all, target{what: what + ", CPU over package os", experiment: "files", group: group, points: points,
			value: "cpu_us", peer: packageFile, reference: packageOS, most: most})
	}
	cpu("cached reads", cachedReads, 1.00)
	cpu("98 % cached reads", mostlyHot, 1.05)
	all = append(all, target{what: "98 % cached reads, 99 of 100, over package os", experiment: "files", group: mostlyHot,
		value: "p99_us", peer: packageFile, reference: packageOS, most: 2})
	for _, group := range []string{coldReads, directReads, loopReads} {
		what := strings.Replace(group, "reads past the page cache of the machine's disk, cold", "cold reads of the machine's disk", 1)
		cpu(what, group, 1.05, "1")
		if group != coldReads {
			cpu(what, group, 1.10, "4")
		}
		cpu(what, group, 0.35, "64", "1000")
		all = append(all,
			target{what: what + ", reads a second over package os", experiment: "files", group: group, points: []string{"64", "1000"},
				value: "rate", peer: packageFile, reference: packageOS, least: 2.5},
			target{what: what + ", CPU over C", experiment: "files", group: group, points: []string{"64"},
				value: "cpu_us", peer: packageFile, reference: liburingC, most: 2.5})
		all = append(all, target{what: what + ", CPU over fio", experiment: "files", group: group, points: []string{"64"},
			value: "cpu_us", peer: packageFile, reference: fio, most: 1})
	}
	cpu("64 direct reads in a batch", batchReads, 0.10)
	all = append(all, target{what: "64 direct reads in a batch, CPU over C", experiment: "files", group: batchReads,
		value: "cpu_us", peer: packageFile, reference: liburingC, most: 2})
	cpu("a write with a sync", syncWrites, 1.05, "1")
	cpu("stat", asking, 1.05, "1")
	cpu("open and close", opening, 1.05, "1")
	for _, group := range []string{pebbleGets, pebbleLoop} {
		what := strings.Replace(strings.TrimSuffix(group, ", cold"), "gets of a Pebble database", "cold gets of Pebble", 1)
		cpu(what, group, 0.5, "64", "1000")
		all = append(all, target{what: what + ", threads", experiment: "files", group: group, points: []string{"64", "1000"},
			value: "threads", peer: packageFile, most: 20})
	}
	cpu("synced commits of Pebble", pebbleSyncs, 1.05)
	return append(all,
		target{what: "readers that wait for a slow disk, threads", experiment: "files", group: slowReads, points: []string{"12000"},
			value: "threads", peer: packageFile, most: 12},
		target{what: "files each written and synced, threads", experiment: "files", group: manySyncs,
			value: "threads", peer: packageFile, most: 50})
}

// disks are what the experiment works on. They are made when they are needed.
type disks struct {
	b       *bench
	made    bool
	data    string // file on the machine's disk
	tree    string // folder with small files
	mount   string // of the loop device, with a file and a folder
	image   string // of the loop device, in memory
	device  string
	pebble  string // folder of a database on the machine's disk
	looped  string // folder of one on the loop device
	group   string // control group for which the loop device is slow
	allCPUs unix.CPUSet
}

func (d *disks) make() error {
	if d.made {
		return nil
	}
	d.made = true // what was made is removed in any case
	if err := unix.SchedGetaffinity(0, &d.allCPUs); err != nil {
		return err
	}
	root := filepath.Join(d.b.bin, "disks")
	d.data, d.tree, d.mount = filepath.Join(root, "data"), filepath.Join(root, "tree"), filepath.Join(root, "mnt")
	d.image = fmt.Sprintf("/dev/shm/uring-bench-%d", os.Getpid())
	if err := os.MkdirAll(d.mount, 0o755); err != nil {
		return err
	}
	script := fmt.Sprintf(`set -e
for d in $(seq 100); do mkdir -p %[1]s/$d; for f in $(seq 50); do echo hello > %[1]s/$d/$f; done; done
dd if=/dev/urandom of=%[2]s bs=1M count=1024 status=none
truncate -s 2500M %[3]s
mkfs.ext4 -q -E lazy_itable_init=0,lazy_journal_init=0 %[3]s
mount -o loop %[3]s %[4]s
mkdir %[4]s/many
cp %[2]s %[4]s/data
sync`, d.tree, d.data, d.image, d.mount)
	if out, err := exec.Command("/bin/sh", "-c", script).CombinedOutput(); err != nil {
		return fmt.Errorf("make disks for the experiment: %w\n%s", err, out)
	}
	out, err := exec.Command("findmnt", "-n", "-o", "SOURCE,MAJ:MIN", d.mount).Output()
	if err != nil {
		return err
	}
	fields := strings.Fields(string(out))
	if len(fields) != 2 {
		return fmt.Errorf("findmnt says %q", out)
	}
	d.device = fields[0]
	d.pebble, d.looped = filepath.Join(root, "pebble"), filepath.Join(d.mount, "pebble")
	for _, dir := range []string{d.pebble, d.looped} {
		if out, err := exec.Command(d.b.program("pebble"), "-via", "default", "-work", "fill", "-dir", dir).CombinedOutput(); err != nil {
			return fmt.Errorf("fill a database: %w\n%s", err, out)
		}
	}
	return d.slow(fields[1])
}

// slow makes a control group that may read the device 4,000 times a second.
func (d *disks) slow(number string) error {
	name := fmt.Sprintf("uring-bench-%d", os.Getpid())
	file, rule := "blkio.throttle.read_iops_device", number+" 4000"
	d.group = filepath.Join("/sys/fs/cgroup/blkio", name)
	if _, err := os.Stat("/sys/fs/cgroup/blkio"); err != nil {
		d.group = filepath.Join("/sys/fs/cgroup", name)
		file, rule = "io.max", number+" riops=4000"
	}
	if err := os.Mkdir(d.group, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(d.group, file), []byte(rule), 0)
}

func (d *disks) remove() error {
	if !d.made {
		return nil
	}
	var errs []error
	if d.device != "" {
		errs = append(errs, exec.Command("umount", d.mount).Run())
	}
	if d.group != "" {
		errs = append(errs, os.Remove(d.group))
	}
	_ = os.Remove(d.image)
	return errors.Join(append(errs, os.RemoveAll(filepath.Join(d.b.bin, "disks")))...)
}

// run measures a peer.
func (d *disks) run(group, peer string, n int, size string) (values, error) {
	if err := d.make(); err != nil {
		return nil, err
	}
	path := d.data
	switch group {
	case loopReads, slowReads:
		path = filepath.Join(d.mount, "data")
	case manySyncs:
		path = filepath.Join(d.mount, "many")
	case asking, opening:
		path = d.tree
	}
	length := d.b.long(700 * time.Millisecond)
	switch peer {
	case liburingC:
		how := map[string]string{coldReads: "cold"}[group]
		if how == "" {
			how = "direct"
		}
		depth, each := n, "each"
		if group == batchReads {
			depth, each = 64, "batch"
		}
		return output(d.allCPUs, d.b.program("c-files"), path, how, strconv.Itoa(depth), "4096", strconv.Itoa(int(length.Milliseconds())), each)
	case fio:
		return d.fio(path, n, group != coldReads, length)
	}
	if group == pebbleGets || group == pebbleLoop || group == pebbleSyncs {
		return d.loadPebble(group, peer, n, length)
	}
	args := []string{"-work", map[string]string{cachedReads: "cached", mostlyHot: "cached", coldReads: "cold", directReads: "direct", loopReads: "direct",
		slowReads: "direct", batchReads: "batch", syncWrites: "writesync", manySyncs: "manysync", asking: "stat", opening: "open"}[group],
		"-via", map[string]string{packageOS: "os", semaphore: "sem", packageFile: "file", noRing: "noring", iouringGo: "iouring-go"}[peer],
		"-n", strconv.Itoa(n), "-path", path, "-time", length.String()}
	if size == "1 MiB" {
		args = append(args, "-size", strconv.Itoa(1<<20))
	}
	if group == mostlyHot {
		args = append(args, "-hot", "98")
	}
	if group == slowReads {
		// The shell goes to the slow group, and the program with it.
		script := fmt.Sprintf(`echo $$ > %s/cgroup.procs && exec "$0" "$@"`, d.group)
		return output(d.allCPUs, "/bin/sh", append([]string{"-c", script, d.b.program("files")}, args...)...)
	}
	return output(d.allCPUs, d.b.program("files"), args...)
}

// loadPebble works on the database, or a new one.
func (d *disks) loadPebble(group, peer string, n int, length time.Duration) (values, error) {
	work, dir := "gets", d.pebble
	switch group {
	case pebbleLoop:
		dir = d.looped
	case pebbleSyncs:
		work, dir = "commits", d.looped+"-commits"
		defer os.RemoveAll(dir)
	}
	via := map[string]string{packageOS: "default", packageFile: "file"}[peer]
	return output(d.allCPUs, d.b.program("pebble"), "-via", via, "-work", work, "-n", strconv.Itoa(n), "-dir", dir, "-time", length.String())
}

// fio runs fio, whose figures are named otherwise.
func (d *disks) fio(path string, depth int, direct bool, length time.Duration) (values, error) {
	if _, err := exec.LookPath("fio"); err != nil {
		return nil, fmt.Errorf("fio is not installed: %w", err)
	}
	out, err := exec.Command("fio", "--name=read", "--readonly", "--filename="+path, "--rw=randread", "--bs=4k", "--ioengine=io_uring",
		"--direct="+map[bool]string{true: "1", false: "0"}[direct], "--iodepth="+strconv.Itoa(depth), "--time_based", "--runtime="+strconv.Itoa(max(1, int(length.Seconds())))+"s", "--output-format=json").Output()
	if err != nil {
		return nil, fmt.Errorf("fio: %w", err)
	}
	var r struct {
		Jobs []struct {
			Read struct {
				IOPS float64 `json:"iops"`
			} `json:"read"`
			User   float64 `json:"usr_cpu"`
			System float64 `json:"sys_cpu"`
		} `json:"jobs"`
	}
	if err := json.Unmarshal(out, &r); err != nil || len(r.Jobs) != 1 || r.Jobs[0].Read.IOPS == 0 {
		return nil, fmt.Errorf("fio said %.200q: %w", out, err)
	}
	j := r.Jobs[0]
	return values{"rate": j.Read.IOPS, "cpu_us": (j.User + j.System) / 100 * 1e6 / j.Read.IOPS, "threads": 1}, nil
}
