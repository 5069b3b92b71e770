package main

import (
	"fmt"
	"strconv"
	"time"
)

const zcNote = "TCP over loopback, which copies the bytes of zero-copy sends after all."

// zcExperiment measures zero-copy sends and what gathering saves.
func zcExperiment(b *bench) *experiment {
	e := &experiment{
		name: "zc", title: "Zero-copy sends", rounds: 5, budget: b.long(3 * time.Minute),
		tables: []table{
			{title: "µs of processor time for a MB", value: "cpu_us_per_mb"},
			{title: "MB/s", value: "mbps"},
			{title: "requests for a turn", value: "requests", plain: true, groups: []string{blocks}},
			{title: "notifications for a turn", value: "notifications", plain: true, groups: []string{blocks}},
			{title: "entries into the kernel for a turn", value: "enters", plain: true, groups: []string{blocks}},
		},
		plots: []chart{
			{file: "zc-blocks", title: "4 blocks from registered memory", note: zcNote, value: "cpu_us_per_mb", axis: "size of a block", unit: "sender's processor time for a MB in µs", log: true, groups: []string{blocks}},
			{file: "zc-size", title: "Plain and zero-copy sends", note: zcNote, value: "cpu_us_per_mb", axis: "size of a block", unit: "sender's processor time for a MB in µs", log: true, groups: []string{single}},
		},
		notes: []string{
			"A turn sends 4 blocks that do not lie side by side, in order. Several sends at once could be reordered by the kernel, so without gathering each waits for the one before it.",
			"Loopback copies what a zero-copy send sends after all, so here it only costs: the memory is looked up and held, and a notification comes. What a network device would save is not in these figures. Compare fixed with gathered, and registered memory with memory that is not.",
			"The processor time is the sender's, without the receiver's.",
		},
	}
	if b.quick {
		e.rounds = 1
	}
	add := func(group string, size, blocks int, peers ...string) {
		for _, peer := range peers {
			e.cells = append(e.cells, cell{group, fmt.Sprintf("%d KiB", size>>10), peer, func() (values, error) {
				return b.zcSend(peer, size, blocks)
			}})
		}
	}
	for _, size := range []int{4 << 10, 64 << 10, 256 << 10} {
		add(blocks, size, 4, "send", "sendmsg", "send_zc fixed", "sendmsg_zc fixed")
	}
	for _, size := range []int{1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20} {
		add(single, size, 1, "send", "send_zc", "send_zc fixed")
	}
	return e
}

// The groups of zcExperiment.
const (
	blocks = "4 blocks in a turn"
	single = "one block in a turn"
)

func (b *bench) zcSend(how string, size, blocks int) (values, error) {
	port := strconv.Itoa(b.nextPort())
	sink, err := start(b.cores.load, b.program("c-sink"), port)
	if err != nil {
		return nil, err
	}
	v, err := output(b.cores.server, b.program("zc"), how, port, strconv.Itoa(size), strconv.Itoa(blocks), seconds(b.long(600*time.Millisecond)))
	sink.kill()
	return v, err
}
