package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/uring-go/uring/cmd/internal/command"
)

// A collector makes metrics of a proxy's figures when it is asked for them.
type collector struct {
	figures func() command.Figures
}

// desc describes a metric of a proxy.
func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("uring_proxy_"+name, help, labels, nil)
}

// The metrics with labels.
var (
	descEnded  = desc("connections_ended_total", "Connections that are over, by how they ended.", "how")
	descTarget = desc("target_up", "Whether connections go to the target: 0 after one was refused, until one succeeds.", "target")
)

// simple are the others.
var simple = []struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(*command.Figures) float64
}{
	counter("connections_total", "Connections accepted.", func(f *command.Figures) uint64 { return f.Connections }),
	gauge("connections_open", "Connections that are open.", func(f *command.Figures) int { return f.Open }),
	counter("connect_retries_total", "Attempts to connect to a target that failed.", func(f *command.Figures) uint64 { return f.Retries }),
	counter("received_bytes_total", "Bytes received, from clients and targets.", func(f *command.Figures) uint64 { return f.Received }),
	counter("sent_bytes_total", "Bytes sent, to clients and targets.", func(f *command.Figures) uint64 { return f.Sent }),
	counter("completions_total", "Completions of the ring.", func(f *command.Figures) uint64 { return f.Completions }),
	counter("starved_total", "Receives that found no buffer.", func(f *command.Figures) uint64 { return f.Starved }),
	counter("held_back_total", "Times that a sender was held back because its receiver is slow.", func(f *command.Figures) uint64 { return f.Held }),
	gauge("buffers", "Receive buffers.", func(f *command.Figures) int { return f.Buffers }),
	gauge("buffers_lent", "Receive buffers with bytes that are still to be sent.", func(f *command.Figures) int { return f.BuffersOut }),
	gauge("slices_lent", "Pieces of receive buffers that are still to be sent.", func(f *command.Figures) int { return f.SlicesOut }),
	counter("buffers_used_total", "Receive buffers used up.", func(f *command.Figures) uint64 { return f.BuffersUsed }),
	counter("copied_out_bytes_total", "Bytes copied out of receive buffers because their receivers are slow.", func(f *command.Figures) uint64 { return f.CopiedOut }),
	counter("copy_memory_full_total", "Times that there was no memory for such copies.", func(f *command.Figures) uint64 { return f.CopyFull }),
	gauge("copy_memory_bytes", "Memory that such copies take.", func(f *command.Figures) int { return f.CopyMemory }),
	counter("sends_total", "Sends, of connections that are over.", func(f *command.Figures) uint64 { return f.Sends }),
	counter("zerocopy_sends_total", "Sends without a copy, of connections that are over.", func(f *command.Figures) uint64 { return f.ZeroCopy }),
	counter("zerocopy_copied_total", "Sends without a copy that the kernel copied, of connections that are over.", func(f *command.Figures) uint64 { return f.Copied }),
	counter("log_lines_left_out_total", "Lines of the log that were left out.", func(f *command.Figures) uint64 { return f.LinesLeft }),
	gauge("draining", "1 while the proxy accepts nothing and lets connections end.", func(f *command.Figures) int {
		if f.Draining {
			return 1
		}
		return 0
	}),
}

type metric = struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(*command.Figures) float64
}

func counter(name, help string, of func(*command.Figures) uint64) metric {
	return metric{desc(name, help), prometheus.CounterValue, func(f *command.Figures) float64 { return float64(of(f)) }}
}

func gauge(name, help string, of func(*command.Figures) int) metric {
	return metric{desc(name, help), prometheus.GaugeValue, func(f *command.Figures) float64 { return float64(of(f)) }}
}

// Describe is for package prometheus.
func (c collector) Describe(to chan<- *prometheus.Desc) {
	for _, m := range simple {
		to <- m.desc
	}
	to <- descEnded
	to <- descTarget
}

// Collect is for package prometheus.
func (c collector) Collect(to chan<- prometheus.Metric) {
	f := c.figures()
	for _, m := range simple {
		to <- prometheus.MustNewConstMetric(m.desc, m.kind, m.of(&f))
	}
	for how, n := range f.Ended {
		to <- prometheus.MustNewConstMetric(descEnded, prometheus.CounterValue, float64(n), how)
	}
	for name, up := range f.Targets {
		value := 0.0
		if up {
			value = 1
		}
		to <- prometheus.MustNewConstMetric(descTarget, prometheus.GaugeValue, value, name)
	}
}
