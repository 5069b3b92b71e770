package main

import (
	"strconv"
	"time"
)

// bufferExperiment measures what memory receiving takes.
func bufferExperiment(b *bench) *experiment {
	e := &experiment{
		name: "buffers", title: "Memory", rounds: 3, budget: b.long(2 * time.Minute),
		tables: []table{
			{title: "bytes of buffer used up for a byte received", value: "used_per_byte", plain: true, groups: []string{messages}},
			{title: "completions with bytes", value: "completions", plain: true, groups: []string{messages}},
			{title: "times that a receive found no buffer", value: "starved", plain: true, groups: []string{messages}},
			{title: "µs of processor time for a message, the sending side included", value: "cpu_us", groups: []string{messages}},
			{title: "resident memory of the server in MiB", value: "mib", groups: []string{idle}},
		},
		plots: []chart{
			{file: "memory-idle", title: "Idle connections", note: "TCP over loopback; without the memory of the sockets, which is the kernel's.", value: "mib", axis: "connections", unit: "server's resident memory in MiB", groups: []string{idle}},
		},
		notes: []string{
			"Classic buffers are used up whole by every message; incremental ones only as far as the message reaches.",
			"The idle connections have each had one message of 100 bytes echoed. The memory of the sockets, which is the kernel's, is not in these figures. Go's collector lets the heap grow to twice what lives.",
		},
	}
	if b.quick {
		e.rounds = 1
	}
	for _, mode := range []string{"classic", "incremental"} {
		e.cells = append(e.cells, cell{messages, "1000", mode, func() (values, error) {
			return output(b.cores.server, b.program("buffers"), mode, "1000", "100", strconv.Itoa(1<<20), "64", "20")
		}})
	}
	for _, conns := range []int{1000, 10000} {
		for _, s := range b.echoServers() {
			e.cells = append(e.cells, cell{idle, strconv.Itoa(conns), s.name, func() (values, error) {
				return b.withServer(s, "c-idle", strconv.Itoa(conns), "100")
			}})
		}
	}
	return e
}

// The groups of bufferExperiment.
const (
	messages = "messages of 100 bytes over 1000 connections into 64 buffers of 1 MiB"
	idle     = "idle connections"
)
