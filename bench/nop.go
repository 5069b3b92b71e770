package main

import (
	"strconv"
	"time"
)

const nopNote = "In one process, without a network."

// nopExperiment measures what a request costs beyond the work it asks for.
func nopExperiment(b *bench) *experiment {
	e := &experiment{
		name: "nop", title: "A request that does nothing", rounds: 9, budget: b.long(6 * time.Minute),
		tables: []table{{title: "ns of processor time for a request, by requests in a batch", value: "cpu_ns"}},
		plots: []chart{
			{file: "nop-default", title: "A request that does nothing, default ring", note: nopNote, value: "cpu_ns", axis: "requests in a batch", unit: "processor time for a request in ns", log: true, groups: []string{"default ring"}},
			{file: "nop-defer", title: "A request that does nothing, single issuer with deferred work", note: nopNote, value: "cpu_ns", axis: "requests in a batch", unit: "processor time for a request in ns", log: true, groups: []string{"single issuer, deferred work"}},
		},
		notes: []string{
			"A ring of 256 entries. One call submits a batch and waits for it; then the completions are read.",
			"Processor time is that of the whole process, user and system. Nothing blocks here: on a quiet machine it is the time by the clock, and on a busy one it says more.",
			"The difference at batch 1 is the way into the kernel: from Go that is a call into C, or Go's own system call.",
			"Where the rest lies, by perf record -e cpu-clock on an Intel processor: one at a time, C spends 106 ns of a request outside of the kernel and this package 164, 80 of either on the way in. The 58 are bookkeeping on both sides of the call, and count once for a batch. Of what counts for each request, filling an entry takes 3.7 ns in memory alone and 2.0 in C, whose compiler leaves out stores that are overwritten; taking a completion takes 3.6 and 5.4.",
		},
	}
	if b.quick {
		e.rounds = 3
	}
	for _, mode := range []struct{ group, arg string }{{"default ring", "default"}, {"single issuer, deferred work", "defer"}} {
		for _, batch := range []int{1, 8, 32, 128} {
			for _, peer := range []struct{ name, program string }{
				{"C liburing", "c-nop"}, {"giouring", "giouring"}, {"this package", "nop"},
			} {
				e.cells = append(e.cells, cell{mode.group, strconv.Itoa(batch), peer.name, func() (values, error) {
					return output(b.cores.server, b.program(peer.program), mode.arg, strconv.Itoa(batch), seconds(b.long(400*time.Millisecond)))
				}})
			}
		}
	}
	return e
}
