package main

import (
	"strconv"
	"strings"
	"time"
)

// A proxyMode is a way to forward bytes. $size stands for the buffers' size,
// $from and $to for ports.
type proxyMode struct {
	group, peer string
	short       string // what plots call it
	program     string
	args        string
	sizes       []int // nil is all
}

// netGroup is the group of proxies that do not use io_uring.
const netGroup = "package net"

// proxyModes lists what is compared. proxy.c and ours get the same number of
// buffers; what else differs is said in the notes.
func proxyModes(b *bench) []proxyMode {
	c, ours, net := b.proxyC(), b.program("uring"), b.program("netproxy")
	const (
		theirFlags = "-H127.0.0.1 -r$from -p$to -B0 -m1 -f1 -d1 -b$size "
		ourFlags   = "proxy -listen 127.0.0.1:$from -to 127.0.0.1:$to -one-way -nagle -fixed-files -bufs 256 -buf-size $size "
		netFlags   = " $from $to $size"
	)
	return []proxyMode{
		{"one buffer at a time", "proxy.c -u1", "proxy.c, single buffers", c, theirFlags + "-u1", nil},
		{"one buffer at a time", "-send queue", "uring proxy, single buffers", ours, ourFlags + "-recv-bundle=false -send queue", nil},
		{"one buffer at a time", "-incremental -send queue", "uring proxy, incremental", ours, ourFlags + "-incremental -recv-bundle=false -send queue", nil},
		{"bundles", "proxy.c -u1 -C1 -c1", "proxy.c, bundles", c, theirFlags + "-u1 -C1 -c1", nil},
		{"bundles", "-recv-bundle -send bundle", "uring proxy, bundles", ours, ourFlags + "-recv-bundle -send bundle", nil},
		{"bundles", "-incremental -recv-bundle -send bundle", "uring proxy, incremental bundles", ours, ourFlags + "-incremental -recv-bundle -send bundle", nil},
		{"zero copy", "proxy.c -z1 -u0", "proxy.c", c, theirFlags + "-z1 -u0", nil},
		{"zero copy", "proxy.c -z1 -u0 -M1 -c1", "proxy.c, sendmsg", c, theirFlags + "-z1 -u0 -M1 -c1", nil},
		{"zero copy", "-send zc -zc-always", "uring proxy", ours, ourFlags + "-recv-bundle=false -send zc -zc-always", nil},
		{"zero copy", "-recv-bundle -send zc-gather -zc-always", "uring proxy, gathered", ours, ourFlags + "-recv-bundle -send zc-gather -zc-always", nil},
		{netGroup, "Read and Write", "package net, Read and Write", net, "rw" + netFlags, nil},
		{netGroup, "io.Copy", "package net, io.Copy", net, "copy" + netFlags, []int{32768}},
	}
}

const proxyNote = "TCP over loopback, one connection, 256 receive buffers."

// proxyExperiment forwards one connection as fast as it goes.
func proxyExperiment(b *bench) *experiment {
	names := make(map[string]string)
	for _, m := range proxyModes(b) {
		names[m.peer] = m.short
	}
	e := &experiment{
		name: "proxy", title: "A proxy with one connection", rounds: 7, budget: b.long(11 * time.Minute),
		tables: []table{
			{title: "MB/s, by size of the 256 receive buffers", value: "mbps"},
			{title: "processor seconds of the proxy for a GB", value: "cpu_s_per_gb"},
		},
		plots: []chart{
			{file: "proxy-mbps", title: "A proxy with one connection", note: proxyNote, value: "mbps", axis: "size of a receive buffer in bytes", unit: "throughput in MB/s", log: true, groups: []string{"one buffer at a time", "bundles", netGroup}, names: names},
			{file: "proxy-cpu", title: "Processor time of a proxy with one connection", note: proxyNote, value: "cpu_s_per_gb", axis: "size of a receive buffer in bytes", unit: "processor time for a GB in s", log: true, groups: []string{"one buffer at a time", "bundles", netGroup}, names: names},
			{file: "proxy-zc", title: "A proxy with zero-copy sends", note: "TCP over loopback, which copies the bytes of zero-copy sends after all.", value: "mbps", axis: "size of a receive buffer in bytes", unit: "throughput in MB/s", log: true, groups: []string{"zero copy"}, names: names},
		},
		notes: []string{
			"proxy.c is the one among liburing's own examples, with -m1 -f1 -d1 -B0; the others are modes of `uring proxy`, with -fixed-files and multishot receives, and for package net a program of a few lines. Nagle's algorithm is on in all of them.",
			"They do the same work, not the same steps: `uring proxy` sends buffers that were filled one after the other, and lie side by side, as one piece, where proxy.c -u1 comes down to one buffer for each turn of its loop. That, and not the language, makes the difference in that mode.",
			"MB/s and processor time, user and system of all threads, are those of a window in which bytes flow. With two processors the load generator sets the upper limit, about 5 GB/s, and shares the memory bandwidth.",
			"Under load TCP drops segments now and then when a receive buffer is full, and then waits 200 ms for its timer: no proxy's doing, but it widens the spread of MB/s. The processor time for a GB does not suffer from it.",
			"proxy.c stalls with incremental buffers and bundles together, and so has no figures for that.",
			"Loopback copies what a zero-copy send sends after all: these figures show what notifications cost, not what zero copy gains. -zc-always keeps `uring proxy` from changing over to copying by itself.",
			"With bundles and from 4096 bytes on, the kernel has 97 to 99 % of the processor time of either program, by perf record, and copying has two thirds of that: ratios near 1 say there how the caches and the memory were shared with the load just then.",
			"io.Copy lets the kernel move pages from socket to socket (splice), whatever the buffer size: it needs the least processor time.",
		},
	}
	sizes := []int{32, 80, 320, 1024, 4096, 32768}
	if b.quick {
		sizes, e.rounds = []int{32, 1024, 32768}, 2
	}
	for _, size := range sizes {
		for _, m := range proxyModes(b) {
			if m.sizes != nil && size != m.sizes[0] {
				continue
			}
			e.cells = append(e.cells, cell{m.group, strconv.Itoa(size), m.peer, func() (values, error) { return b.flood(m, size) }})
		}
	}
	return e
}

// flood starts a proxy, measures it and ends it.
func (b *bench) flood(m proxyMode, size int) (values, error) {
	from, to := strconv.Itoa(b.nextPort()), strconv.Itoa(b.nextPort())
	args := strings.Fields(strings.NewReplacer("$size", strconv.Itoa(size), "$from", from, "$to", to).Replace(m.args))
	p, err := start(b.cores.server, m.program, args...)
	if err != nil {
		return nil, err
	}
	v, err := output(b.cores.load, b.program("c-flood"), to, from, strconv.Itoa(p.pid()),
		seconds(b.long(300*time.Millisecond)), seconds(b.long(1200*time.Millisecond)))
	p.kill()
	if err != nil {
		return nil, p.failed(err)
	}
	return v, nil
}

// nextPort returns a port that was not used for long: connections of ports that
// were linger for a while. Those that the kernel picks itself are higher.
func (b *bench) nextPort() int {
	b.ports++
	return 10000 + b.ports%20000
}
