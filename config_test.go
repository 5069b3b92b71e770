//go:build linux

package uring

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/uring-go/uring/internal/testutil"
)

func TestConfigIsRefusedWithASentence(t *testing.T) {
	closed, err := New(Config{Entries: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	plain := newRig(t, Config{Entries: 1}).Ring
	nameless := &Ring{flags: SetupNoMMap | SetupRegisteredFDOnly}
	nameless.fd.Store(-1)

	for want, c := range map[string]Config{
		"uring: Config.Entries is -1, want 1 to 32768":                                        {Entries: -1},
		"uring: Config.Entries is 32769, want 1 to 32768":                                     {Entries: 32769},
		"uring: Config.Entries is -5, want 1 to 32768":                                        {Entries: -5, Flags: SetupClamp},
		"uring: Config.CQEntries is -1, want 1 to 65536, or 0 for twice Entries":              {CQEntries: -1},
		"uring: Config.CQEntries is 65537, want 1 to 65536, or 0 for twice Entries":           {CQEntries: 65537},
		"uring: Config.CQEntries is 255, want at least Entries, 256":                          {CQEntries: 255},
		"uring: Config.CQEntries is 5, want at least Entries, 8":                              {Entries: 5, CQEntries: 5},
		"uring: Config.Flags has 0x8, which is no Setup flag":                                 {Flags: 1 << 3},
		"uring: Config.Flags has 0x80000020, which is no Setup flag":                          {Flags: 1<<31 | 1<<5 | SetupSubmitAll},
		"uring: Config.NoSubmitAll does not go with SetupSubmitAll":                           {NoSubmitAll: true, Flags: SetupSubmitAll},
		"uring: Config.SQThreadCPU needs SetupSQAff":                                          {SQThreadCPU: 1, Flags: SetupSQPoll},
		"uring: Config.SQThreadCPU is -1":                                                     {SQThreadCPU: -1, Flags: SetupSQPoll | SetupSQAff},
		"uring: Config.SQThreadIdle needs SetupSQPoll":                                        {SQThreadIdle: time.Second},
		"uring: Config.SQThreadIdle is -1s":                                                   {SQThreadIdle: -time.Second, Flags: SetupSQPoll},
		"uring: Config.AttachTo: use after Close":                                             {AttachTo: closed},
		"uring: Config.AttachTo is a ring with SetupRegisteredFDOnly: it has no descriptor":   {AttachTo: nameless},
		"uring: Config.AttachTo is a ring without SetupSQPoll: it has no thread to share":     {AttachTo: plain, Flags: SetupSQPoll},
		"uring: SetupDeferTaskrun needs SetupSingleIssuer":                                    {Flags: SetupDeferTaskrun},
		"uring: SetupDeferTaskrun does not go with SetupSQPoll":                               {Flags: SetupDeferTaskrun | SetupSingleIssuer | SetupSQPoll},
		"uring: SetupCoopTaskrun does not go with SetupSQPoll":                                {Flags: SetupCoopTaskrun | SetupSQPoll},
		"uring: SetupTaskrunFlag needs SetupDeferTaskrun|SetupCoopTaskrun":                    {Flags: SetupTaskrunFlag},
		"uring: SetupSQAff needs SetupSQPoll":                                                 {Flags: SetupSQAff},
		"uring: SetupHybridIOPoll needs SetupIOPoll":                                          {Flags: SetupHybridIOPoll},
		"uring: SetupRegisteredFDOnly needs SetupNoMMap":                                      {Flags: SetupRegisteredFDOnly},
		"uring: SetupSQRewind needs SetupNoSQArray":                                           {Flags: SetupSQRewind},
		"uring: SetupSQRewind does not go with SetupSQPoll":                                   {Flags: SetupSQRewind | SetupNoSQArray | SetupSQPoll},
		"uring: SetupCQE32 does not go with SetupCQEMixed":                                    {Flags: SetupCQE32 | SetupCQEMixed},
		"uring: SetupSQE128 does not go with SetupSQEMixed":                                   {Flags: SetupSQE128 | SetupSQEMixed},
		"is CPU 100000, Config.SQThreadCPU, there and allowed?":                               {Flags: SetupSQPoll | SetupSQAff, SQThreadCPU: 100000},
		"uring: open ring: invalid argument: is CPU 2147483647, Config.SQThreadCPU, there an": {Flags: SetupSQPoll | SetupSQAff, SQThreadCPU: math.MaxInt32},
	} {
		r, err := New(c)
		if err == nil {
			r.Close()
			t.Errorf("%+v opens a ring, want: %s", c, want)
			continue
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%+v\ngives %v\n want %s", c, err, want)
		}
	}
}

// Each rule says in words what the kernel would answer with EINVAL, and no more
// than that.
func TestSetupRulesAreTheKernels(t *testing.T) {
	for _, rule := range setupRules {
		broken := []SetupFlags{}
		if rule.needs != 0 && rule.when != SetupSQRewind { // liburing adds what that needs
			broken = append(broken, rule.when)
		}
		if rule.excludes != 0 {
			broken = append(broken, rule.when|rule.excludes|lowest(rule.needs))
		}
		for _, flags := range broken {
			raw, _, rc := open(Config{Entries: 1, Flags: flags}, nil)
			if rc >= 0 {
				closeRaw(raw)
			}
			equal(t, flags.String(), rc, -int(syscall.EINVAL))
		}
	}
}

func TestConfigDefaults(t *testing.T) {
	testutil.NeedLockedMemory(t, 16<<20) // since Linux 6.14 queues count
	for _, c := range []struct {
		in     Config
		sq, cq int
	}{
		{in: Config{}, sq: 256, cq: 512},
		{in: Config{Entries: 1}, sq: 1, cq: 2},
		{in: Config{Entries: 3}, sq: 4, cq: 8},
		{in: Config{Entries: 257}, sq: 512, cq: 1024},
		{in: Config{Entries: 4, CQEntries: 4}, sq: 4, cq: 4},
		{in: Config{Entries: 4, CQEntries: 100}, sq: 4, cq: 128},
		{in: Config{Entries: 1 << 20, Flags: SetupClamp}, sq: 32768, cq: 65536},
		{in: Config{Entries: 1 << 20, CQEntries: 40000, Flags: SetupClamp}, sq: 32768, cq: 65536},
		{in: Config{Entries: 8, CQEntries: 1 << 20, Flags: SetupClamp}, sq: 8, cq: 65536},
	} {
		r := newRig(t, c.in)
		sq, cq := r.Entries()
		equal(t, "submission queue", sq, c.sq)
		equal(t, "completion queue", cq, c.cq)
	}
	if r := newRig(t, Config{}); r.Flags()&SetupSubmitAll == 0 {
		t.Errorf("flags of the default ring are %v", r.Flags())
	}
}

// Each setup flag opens a ring that works, or says which kernel it takes.
func TestSetupFlags(t *testing.T) {
	for _, c := range []struct {
		flags SetupFlags
		need  func() error
	}{
		{flags: SetupIOPoll},
		{flags: SetupIOPoll | SetupHybridIOPoll, need: have(SetupHybridIOPoll)},
		{flags: SetupSQPoll},
		{flags: SetupSQPoll | SetupSQAff},
		{flags: SetupClamp},
		{flags: SetupRDisabled},
		{flags: SetupSubmitAll},
		{flags: SetupCoopTaskrun},
		{flags: SetupCoopTaskrun | SetupTaskrunFlag},
		{flags: SetupSQE128},
		{flags: SetupCQE32},
		{flags: SetupSingleIssuer},
		{flags: SetupSingleIssuer | SetupDeferTaskrun},
		{flags: SetupNoMMap, need: have(SetupNoMMap)},
		{flags: SetupNoMMap | SetupRegisteredFDOnly | SetupSingleIssuer, need: have(SetupNoMMap | SetupRegisteredFDOnly)},
		{flags: SetupNoSQArray, need: have(SetupNoSQArray)},
		{flags: SetupCQEMixed, need: have(SetupCQEMixed)},
		{flags: SetupSQEMixed, need: have(SetupSQEMixed)},
		{flags: SetupNoSQArray | SetupSQRewind, need: have(SetupSQRewind)},
	} {
		t.Run(c.flags.String(), func(t *testing.T) {
			if c.flags&SetupNoMMap != 0 {
				needSmallNoMMap(t)
			}
			if c.need != nil {
				testutil.Need(t, c.need)
			}
			g := newRig(t, Config{Entries: 8, Flags: c.flags})
			equal(t, "flags", g.Flags()&c.flags, c.flags)
			if c.flags&(SetupCoopTaskrun|SetupDeferTaskrun) != 0 {
				equal(t, "says that work is put off", g.Flags()&SetupTaskrunFlag, SetupTaskrunFlag)
			}
			equal(t, "has a descriptor", g.FD() >= 0, c.flags&SetupRegisteredFDOnly == 0)
			if c.flags&SetupRDisabled != 0 {
				if err := g.Enable(); err != nil {
					t.Fatal(err)
				}
			}
			for i := range uint64(30) { // several times around the queues
				g.queue(i, func(s SQE) { s.PrepNop() })
				equal(t, "completion", g.await(1), []CQE{{UserData: i}})
			}
		})
	}
}

func TestSetupNoMMapSaysThatItNeedsHugePages(t *testing.T) {
	r, err := New(Config{Entries: 32768, Flags: SetupNoMMap | SetupCQE32})
	if err == nil {
		r.Close()
		t.Fatal("a queue of 4 MiB fits into one huge page")
	}
	if !errors.Is(err, syscall.ENOMEM) || !strings.Contains(err.Error(), "vm.nr_hugepages") {
		t.Errorf("error is %v", err)
	}
}

func TestSetupFlagsString(t *testing.T) {
	for want, f := range map[string]SetupFlags{
		"0x0":                                 0,
		"SetupSQPoll":                         SetupSQPoll,
		"SetupDeferTaskrun|SetupSingleIssuer": SetupSingleIssuer | SetupDeferTaskrun,
		"SetupIOPoll|0x80000008":              SetupIOPoll | 1<<31 | 1<<3,
	} {
		equal(t, "text", f.String(), want)
	}
	if n := len(strings.Split(allFlags().String(), "|")); n != len(setupSince) {
		t.Errorf("%d flags have %d names", len(setupSince), n)
	}
}

// The kernel submits what is behind a request that fails at once, whatever else a
// ring is opened with, and leaves it queued if that is asked for.
func TestSetupSubmitAll(t *testing.T) {
	bad := func(s SQE) { s.Opcode = 250 }
	nop := func(s SQE) { s.PrepNop() }
	queue := func(t *testing.T, c Config) *rig {
		g := newRig(t, c)
		g.queue(1, nop)
		g.queue(2, bad)
		g.queue(3, nop)
		return g
	}
	want := map[uint64]CQE{
		1: {UserData: 1}, 2: {UserData: 2, Res: -int32(syscall.EINVAL)}, 3: {UserData: 3},
	}
	for _, flags := range []SetupFlags{0, SetupSubmitAll, SetupCoopTaskrun, SetupSQE128, SetupSingleIssuer | SetupDeferTaskrun} {
		for _, without := range []bool{false, true} {
			if without && flags&SetupSubmitAll != 0 {
				continue
			}
			first := 3
			if without {
				first = 2
			}
			t.Run(fmt.Sprintf("%v, NoSubmitAll %v", flags, without), func(t *testing.T) {
				g := queue(t, Config{Entries: 4, Flags: flags, NoSubmitAll: without})
				n, err := g.Submit()
				equal(t, "error", err, nil)
				equal(t, "taken at first", n, first)
				equal(t, "left", g.Queued(), 3-first)
				n, err = g.Submit()
				equal(t, "error", err, nil)
				equal(t, "taken then", n, 3-first)
				// In any order: older kernels report at once what fails at once.
				equal(t, "completions", g.byUserData(3), want)
			})
		}
	}
	for name, wait := range map[string]func(*rig) (int, error){
		"SubmitAndWait":        func(g *rig) (int, error) { return g.SubmitAndWait(3) },
		"SubmitAndWaitTimeout": func(g *rig) (int, error) { return g.SubmitAndWaitTimeout(3, patience) },
		"SubmitAndWaitSignals": func(g *rig) (int, error) { return g.SubmitAndWaitSignals(3, patience, Signals(syscall.SIGURG)) },
		"Await":                func(g *rig) (int, error) { return g.Await(soon(g), 3) },
	} {
		t.Run(name+" submits the rest", func(t *testing.T) {
			g := queue(t, Config{Entries: 4, NoSubmitAll: true})
			n, err := wait(g)
			equal(t, "error", err, nil)
			equal(t, "taken", n, 3)
			equal(t, "ready", g.Ready(), 3)
			equal(t, "completions", g.byUserData(3), want)
		})
	}
}

// sqThreads counts the kernel's submitting threads.
func sqThreads(t *testing.T) int {
	t.Helper()
	names, err := filepath.Glob("/proc/self/task/*/comm")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, name := range names {
		if b, err := os.ReadFile(name); err == nil && strings.HasPrefix(string(b), "iou-sqp-") {
			n++
		}
	}
	return n
}

func TestAttachTo(t *testing.T) {
	t.Run("shares the kernel's thread", func(t *testing.T) {
		for deadline := time.Now().Add(patience); sqThreads(t) > 0 && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond) // those of other tests go when the kernel gets to it
		}
		nop := func(g *rig) { equal(t, "result", g.do(func(s SQE) { s.PrepNop() }), 0) }
		a := newRig(t, Config{Entries: 4, Flags: SetupSQPoll})
		nop(a)
		equal(t, "threads of one ring", sqThreads(t), 1)
		b := newRig(t, Config{Entries: 4, Flags: SetupSQPoll, AttachTo: a.Ring})
		nop(b)
		nop(a)
		equal(t, "threads of two rings", sqThreads(t), 1)
	})
	t.Run("shares workers", func(t *testing.T) {
		a := newRig(t, Config{Entries: 4})
		b := newRig(t, Config{Entries: 4, AttachTo: a.Ring})
		equal(t, "flags", b.Flags()&^SetupNoSQArray, SetupSubmitAll)
		equal(t, "result", b.do(func(s SQE) { s.PrepNop() }), 0)
	})
}
