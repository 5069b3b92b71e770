package uring

import (
	"errors"
	"fmt"
	"math/bits"
	"strings"
	"time"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/kernel"
)

// SetupFlags select how a ring works. See io_uring_setup(2).
type SetupFlags uint32

// The setup flags. Those that go with a value are set by the value's field in
// [Config]: CQEntries, AttachTo.
const (
	// SetupIOPoll polls for completions of block I/O instead of interrupts.
	SetupIOPoll SetupFlags = cgo.SetupIOPoll
	// SetupSQPoll gives the ring a kernel thread that submits.
	SetupSQPoll SetupFlags = cgo.SetupSQPoll
	// SetupSQAff binds that thread to the CPU Config.SQThreadCPU.
	SetupSQAff SetupFlags = cgo.SetupSQAff
	// SetupClamp lowers too large queue lengths instead of refusing them.
	SetupClamp SetupFlags = cgo.SetupClamp
	// SetupRDisabled makes a ring that does nothing until [Ring.Enable], and
	// then belongs to the thread that called it.
	SetupRDisabled SetupFlags = cgo.SetupRDisabled
	// SetupSubmitAll goes on submitting after a request that failed at once. It
	// is set without asking, see Config.NoSubmitAll. Linux 5.18.
	SetupSubmitAll SetupFlags = cgo.SetupSubmitAll
	// SetupCoopTaskrun saves interrupting the submitting thread for
	// completions: they wait until it enters the kernel. Linux 5.19.
	SetupCoopTaskrun SetupFlags = cgo.SetupCoopTaskrun
	// SetupTaskrunFlag shows the program that completions wait for that. It is
	// set with SetupCoopTaskrun and SetupDeferTaskrun without asking. Linux 5.19.
	SetupTaskrunFlag SetupFlags = cgo.SetupTaskrunFlag
	// SetupSQE128 makes submission entries 128 bytes long. Linux 5.19.
	SetupSQE128 SetupFlags = cgo.SetupSQE128
	// SetupCQE32 makes completions 32 bytes long. Linux 5.19.
	SetupCQE32 SetupFlags = cgo.SetupCQE32
	// SetupSingleIssuer promises that one thread alone uses the ring: the one
	// that opens it, or enables it. See [Serve]. Linux 6.0.
	SetupSingleIssuer SetupFlags = cgo.SetupSingleIssuer
	// SetupDeferTaskrun runs completion work only when the owner waits for
	// completions: the fastest mode. Needs SetupSingleIssuer. Linux 6.1.
	SetupDeferTaskrun SetupFlags = cgo.SetupDeferTaskrun
	// SetupNoMMap keeps the queues in memory of the program, allocated by
	// liburing: a page for each queue that fits into one, which is 64 entries,
	// and a reserved huge page otherwise. Linux 6.5.
	SetupNoMMap SetupFlags = cgo.SetupNoMMap
	// SetupRegisteredFDOnly makes a ring without a file descriptor, known only
	// to the thread that opens it. Needs SetupNoMMap. Linux 6.5.
	SetupRegisteredFDOnly SetupFlags = cgo.SetupRegisteredFDOnly
	// SetupNoSQArray drops the submission queue's index array; liburing tries
	// it first anyway. Linux 6.6.
	SetupNoSQArray SetupFlags = cgo.SetupNoSQArray
	// SetupHybridIOPoll sleeps before it polls. Needs SetupIOPoll. Linux 6.13.
	SetupHybridIOPoll SetupFlags = cgo.SetupHybridIOPoll
	// SetupCQEMixed allows completions of 16 and 32 bytes in one queue. Those of
	// 32 count as two where completions are waited for or counted. Linux 6.18.
	SetupCQEMixed SetupFlags = cgo.SetupCQEMixed
	// SetupSQEMixed allows entries of 64 and 128 bytes in one queue. Linux 6.19.
	SetupSQEMixed SetupFlags = cgo.SetupSQEMixed
	// SetupSQRewind fills the submission queue from its start after each
	// submit; entries that a failed submit leaves are lost. Needs
	// SetupNoSQArray. Linux 7.0.
	SetupSQRewind SetupFlags = cgo.SetupSQRewind
)

// setupSince names each optional flag and the kernel that has it, newest
// first.
var setupSince = []struct {
	flag  SetupFlags
	name  string
	since kernel.Version
}{
	{SetupSQRewind, "SetupSQRewind", kernel.V(7, 0)},
	{SetupSQEMixed, "SetupSQEMixed", kernel.V(6, 19)},
	{SetupCQEMixed, "SetupCQEMixed", kernel.V(6, 18)},
	{SetupHybridIOPoll, "SetupHybridIOPoll", kernel.V(6, 13)},
	{SetupNoSQArray, "SetupNoSQArray", kernel.V(6, 6)},
	{SetupRegisteredFDOnly, "SetupRegisteredFDOnly", kernel.V(6, 5)},
	{SetupNoMMap, "SetupNoMMap", kernel.V(6, 5)},
	{SetupDeferTaskrun, "SetupDeferTaskrun", kernel.V(6, 1)},
	{SetupSingleIssuer, "SetupSingleIssuer", kernel.V(6, 0)},
	{SetupCQE32, "SetupCQE32", kernel.V(5, 19)},
	{SetupSQE128, "SetupSQE128", kernel.V(5, 19)},
	{SetupTaskrunFlag, "SetupTaskrunFlag", kernel.V(5, 19)},
	{SetupCoopTaskrun, "SetupCoopTaskrun", kernel.V(5, 19)},
	{SetupSubmitAll, "SetupSubmitAll", kernel.V(5, 18)},
	{SetupRDisabled, "SetupRDisabled", kernel.V(5, 10)},
	{SetupClamp, "SetupClamp", kernel.V(5, 6)},
	{SetupSQAff, "SetupSQAff", kernel.V(5, 1)},
	{SetupSQPoll, "SetupSQPoll", kernel.V(5, 1)},
	{SetupIOPoll, "SetupIOPoll", kernel.V(5, 1)},
}

// String returns the names of the flags, joined by "|".
func (f SetupFlags) String() string {
	var names []string
	for _, s := range setupSince {
		if f&s.flag != 0 {
			names = append(names, s.name)
			f &^= s.flag
		}
	}
	if f != 0 || len(names) == 0 {
		names = append(names, fmt.Sprintf("%#x", uint32(f)))
	}
	return strings.Join(names, "|")
}

// A Config says what ring to open. The zero value is a good default: 256
// entries, usable from any goroutine.
type Config struct {
	// Entries is the length of the submission queue, rounded up to a power of
	// two. 0 means 256; the most is 32768.
	Entries int
	// CQEntries is the length of the completion queue, rounded up to a power
	// of two and at least Entries. 0 means twice Entries. Multishot receives
	// want one entry per buffer, zero-copy sends two each.
	CQEntries int
	// Flags select how the ring works. SetupSubmitAll is always set, unless
	// NoSubmitAll is.
	Flags SetupFlags
	// NoSubmitAll opens a ring without SetupSubmitAll: a submit ends after a
	// request that failed at once, and leaves those after it queued. It is for
	// programs that were written for that, the default of the kernel.
	NoSubmitAll bool
	// SQThreadCPU is where the thread of SetupSQPoll runs, with SetupSQAff.
	SQThreadCPU int
	// SQThreadIdle is how long that thread looks for work before it sleeps,
	// rounded up to milliseconds. 0 means the kernel's default, a second.
	SQThreadIdle time.Duration
	// AttachTo shares the io-wq workers, and with SetupSQPoll the thread, of
	// another ring.
	AttachTo *Ring
	// Memory is where the queues lie, from MemoryOffset on, a multiple of the
	// page size: see [MemorySize] and [Ring.MemoryUsed]. Several rings may
	// share an arena, which cannot be closed before them. It sets SetupNoMMap.
	// Before Linux 6.14 queues larger than a page need an arena of reserved huge
	// pages. Linux 6.5. See io_uring_queue_init_mem(3).
	Memory       *Arena
	MemoryOffset int
}

const (
	defaultEntries = 256
	maxEntries     = 32768
)

// normalize returns c with defaults filled in, or says what is wrong with it.
func (c Config) normalize() (Config, error) {
	if c.Entries == 0 {
		c.Entries = defaultEntries
	}
	if c.Flags&SetupClamp != 0 {
		c.Entries, c.CQEntries = min(c.Entries, maxEntries), min(c.CQEntries, 2*maxEntries)
	}
	if c.Entries < 1 || c.Entries > maxEntries {
		return c, fmt.Errorf("uring: Config.Entries is %d, want 1 to %d", c.Entries, maxEntries)
	}
	c.Entries = roundUpPow2(c.Entries)
	if c.CQEntries < 0 || c.CQEntries > 2*maxEntries {
		return c, fmt.Errorf("uring: Config.CQEntries is %d, want 1 to %d, or 0 for twice Entries", c.CQEntries, 2*maxEntries)
	}
	if c.CQEntries > 0 && c.CQEntries < c.Entries {
		return c, fmt.Errorf("uring: Config.CQEntries is %d, want at least Entries, %d", c.CQEntries, c.Entries)
	}
	if c.Flags&(SetupCoopTaskrun|SetupDeferTaskrun) != 0 {
		c.Flags |= SetupTaskrunFlag
	}
	if !c.NoSubmitAll {
		c.Flags |= SetupSubmitAll
	}
	if c.Memory != nil {
		c.Flags |= SetupNoMMap
	}
	return c, c.check()
}

func (c Config) check() error {
	if unknown := c.Flags &^ allFlags(); unknown != 0 {
		return fmt.Errorf("uring: Config.Flags has %v, which is no Setup flag", unknown)
	}
	for _, rule := range setupRules {
		if c.Flags&rule.when == rule.when && c.Flags&rule.needs == 0 && rule.needs != 0 {
			return fmt.Errorf("uring: %v needs %v", rule.when, rule.needs)
		}
		if clash := c.Flags & rule.excludes; c.Flags&rule.when == rule.when && clash != 0 {
			return fmt.Errorf("uring: %v does not go with %v", rule.when, clash)
		}
	}
	if err := c.checkMemory(); err != nil {
		return err
	}
	switch {
	case c.NoSubmitAll && c.Flags&SetupSubmitAll != 0:
		return errors.New("uring: Config.NoSubmitAll does not go with SetupSubmitAll")
	case c.SQThreadCPU != 0 && c.Flags&SetupSQAff == 0:
		return errors.New("uring: Config.SQThreadCPU needs SetupSQAff")
	case c.SQThreadCPU < 0:
		return fmt.Errorf("uring: Config.SQThreadCPU is %d", c.SQThreadCPU)
	case c.SQThreadIdle != 0 && c.Flags&SetupSQPoll == 0:
		return errors.New("uring: Config.SQThreadIdle needs SetupSQPoll")
	case c.SQThreadIdle < 0:
		return fmt.Errorf("uring: Config.SQThreadIdle is %v", c.SQThreadIdle)
	case c.AttachTo == nil:
		return nil
	case c.AttachTo.closed:
		return wrapf("Config.AttachTo: %w", ErrClosed)
	case c.AttachTo.FD() < 0:
		return errors.New("uring: Config.AttachTo is a ring with SetupRegisteredFDOnly: it has no descriptor to name it by")
	case c.Flags&SetupSQPoll != 0 && c.AttachTo.flags&SetupSQPoll == 0:
		return errors.New("uring: Config.AttachTo is a ring without SetupSQPoll: it has no thread to share")
	}
	return nil
}

func allFlags() (all SetupFlags) {
	for _, s := range setupSince {
		all |= s.flag
	}
	return all
}

// setupRules says in words what the kernel answers with a bare EINVAL: flags
// that need one of others, and flags that exclude others.
var setupRules = []struct{ when, needs, excludes SetupFlags }{
	{when: SetupDeferTaskrun, needs: SetupSingleIssuer, excludes: SetupSQPoll},
	{when: SetupCoopTaskrun, excludes: SetupSQPoll},
	{when: SetupTaskrunFlag, needs: SetupCoopTaskrun | SetupDeferTaskrun},
	{when: SetupSQAff, needs: SetupSQPoll},
	{when: SetupHybridIOPoll, needs: SetupIOPoll},
	{when: SetupRegisteredFDOnly, needs: SetupNoMMap},
	{when: SetupSQRewind, needs: SetupNoSQArray, excludes: SetupSQPoll},
	{when: SetupCQE32, excludes: SetupCQEMixed},
	{when: SetupSQE128, excludes: SetupSQEMixed},
}

func roundUpPow2(n int) int { return 1 << bits.Len(uint(n-1)) }
