package command

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// A slowDisk is a loop device on a file in memory, and a control group that
// limits how often its processes may read it in a second.
type slowDisk struct {
	dir     string
	image   string
	mounted bool
	group   string
	procs   string // file that takes the numbers of processes
	file    string // to read
}

func (d *slowDisk) make(reads int) (err error) {
	if os.Geteuid() != 0 {
		return errors.New("only root may mount")
	}
	if d.dir, err = os.MkdirTemp("", "uring-files-"); err != nil {
		return err
	}
	memory := "/dev/shm"
	if _, err := os.Stat(memory); err != nil {
		memory = d.dir
	}
	d.image = filepath.Join(memory, filepath.Base(d.dir))
	if err := os.WriteFile(d.image, nil, 0o600); err != nil {
		return err
	}
	if err := os.Truncate(d.image, 96<<20); err != nil {
		return err
	}
	if err := tool("mkfs.ext4", "-q", d.image); err != nil {
		return err
	}
	if err := tool("mount", "-o", "loop", d.image, d.dir); err != nil {
		return err
	}
	d.mounted = true
	d.file = filepath.Join(d.dir, "data")
	if err := os.WriteFile(d.file, make([]byte, 64<<20), 0o600); err != nil {
		return err
	}
	if err := tool("sync", "-f", d.file); err != nil {
		return err
	}
	return d.slow(reads)
}

// slow makes the control group.
func (d *slowDisk) slow(reads int) error {
	device, err := exec.Command("findmnt", "-n", "-o", "MAJ:MIN", d.dir).Output()
	if err != nil {
		return fmt.Errorf("findmnt: %w", err)
	}
	number := strings.TrimSpace(string(device))
	name := "uring-files-" + strconv.Itoa(os.Getpid())
	group, file, rule := filepath.Join("/sys/fs/cgroup/blkio", name), "blkio.throttle.read_iops_device", fmt.Sprintf("%s %d", number, reads)
	if _, err := os.Stat("/sys/fs/cgroup/blkio"); err != nil {
		group, file, rule = filepath.Join("/sys/fs/cgroup", name), "io.max", fmt.Sprintf("%s riops=%d", number, reads)
	}
	if err := os.Mkdir(group, 0o755); err != nil {
		return err
	}
	d.group, d.procs = group, filepath.Join(group, "cgroup.procs")
	return os.WriteFile(filepath.Join(group, file), []byte(rule), 0)
}

// remove removes what was made.
func (d *slowDisk) remove() error {
	var err error
	if d.group != "" {
		err = errors.Join(err, os.Remove(d.group))
	}
	if d.mounted {
		err = errors.Join(err, tool("umount", d.dir))
	}
	if d.image != "" {
		err = errors.Join(err, os.Remove(d.image))
	}
	if d.dir != "" {
		err = errors.Join(err, os.Remove(d.dir))
	}
	return err
}

// tool runs a program. If it fails, its output is in the error.
func tool(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(string(out)))
	}
	return nil
}
