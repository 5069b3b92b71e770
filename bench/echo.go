package main

import (
	"strconv"
	"time"
)

// An echoServer is a program that sends back what it receives.
type echoServer struct {
	name string
	args []string // before the port
}

func (b *bench) echoServers() []echoServer {
	return []echoServer{
		{"C liburing", []string{b.program("c-echo")}},
		{"package net", []string{b.program("echo"), "net"}},
		{"this package, callbacks", []string{b.program("echo"), "callbacks"}},
		{"this package, coroutines", []string{b.program("echo"), "coroutines"}},
		{"this package, goroutines", []string{b.program("echo"), "goroutines"}},
	}
}

const echoNote = "TCP over loopback, requests and answers of 64 bytes."

// echoExperiment measures short requests with short answers.
func echoExperiment(b *bench) *experiment {
	e := &experiment{
		name: "echo", title: "Requests and answers of 64 bytes", rounds: 7, budget: b.long(4 * time.Minute),
		tables: []table{
			{title: "µs of the server's processor time for a request, by connections", value: "cpu_us"},
			{title: "requests a second", value: "rps"},
			{title: "median time of a round trip in µs", value: "p50_us"},
			{title: "99th percentile of a round trip in µs", value: "p99_us"},
		},
		plots: []chart{
			{file: "echo-cpu", title: "Processor time of an echo server", note: echoNote, value: "cpu_us", axis: "connections", unit: "server's processor time for a request in µs", log: true},
			{file: "echo-rps", title: "An echo server", note: echoNote, value: "rps", axis: "connections", unit: "requests per second"},
		},
		notes: []string{
			"Each connection sends a request when the answer to the last one is there. The client is a C program on io_uring. With two processors it is as busy as the server, and limits the requests a second at 64 and 512 connections: compare the server's processor time.",
			"The servers on io_uring use multishot receives and a ring of 2048 buffers of 4 KiB, and send from the buffers. Callbacks run on the ring's own thread. So do coroutines, one for each connection, made with iter.Pull: code that reads as if it waited, but switches to the ring's loop. Goroutines get what was received over a channel and answer over a list: two turns of Go's scheduler for a request, whose share is largest when there is one at a time: by perf record, with one connection 14 % of the processor time is the scheduler's monitor, which wakes up all the time when a program is now asleep and now not, and 5 % the scheduler's own.",
		},
	}
	if b.quick {
		e.rounds = 2
	}
	for _, conns := range []int{1, 64, 512} {
		for _, s := range b.echoServers() {
			e.cells = append(e.cells, cell{"echo", strconv.Itoa(conns), s.name, func() (values, error) {
				return b.withServer(s, "c-client", strconv.Itoa(conns), "64",
					seconds(b.long(300*time.Millisecond)), seconds(b.long(1200*time.Millisecond)))
			}})
		}
	}
	return e
}

// withServer runs a client with the server's port and process, and args.
func (b *bench) withServer(s echoServer, client string, args ...string) (values, error) {
	port := strconv.Itoa(b.nextPort())
	p, err := start(b.cores.server, s.args[0], append(s.args[1:len(s.args):len(s.args)], port)...)
	if err != nil {
		return nil, err
	}
	v, err := output(b.cores.load, b.program(client), append([]string{port, strconv.Itoa(p.pid())}, args...)...)
	p.kill()
	if err != nil {
		return nil, p.failed(err)
	}
	return v, nil
}
