//go:build linux && cgo

package cgo

import (
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
)

// Entries that Go adds leave the same bytes as those that liburing adds,
// wherever the tail is and however often it has gone round.
func TestRefillIsLiburings(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, entries := range []int{1, 2, 8, 256, 32768} {
		for _, tail := range []uint16{0, 1, 7, 255, 32767, 32768, 65535} {
			direct, ids, c := ring(entries, tail), ring(entries, tail), ring(entries, tail)
			for range 20 {
				base, size := rnd.Uint64()>>16, rnd.Uint32()
				added, bids := make([]Slot, rnd.IntN(entries+1)), []uint16(nil)
				for i := range added {
					bid := uint16(rnd.Uint32())
					added[i] = Slot{Addr: base + uint64(bid)*uint64(size), Len: size, BID: 7 + bid}
					bids = append(bids, bid)
				}
				mask := uint32(entries - 1)
				OracleRefill(unsafe.Pointer(&c[0]), mask, added)
				Refill(unsafe.Pointer(&direct[0]), mask, added)
				RefillIDs(unsafe.Pointer(&ids[0]), mask, base, size, 7, bids)
				for name, got := range map[string][]Slot{"Refill": direct, "RefillIDs": ids} {
					if !slices.Equal(c, got) { // Diff takes long
						t.Fatalf("%s of %d entries from tail %d on (-liburing +Go):\n%s", name, entries, tail, cmp.Diff(c, got, cmp.AllowUnexported(Slot{})))
					}
				}
			}
		}
	}
}

// ring returns the memory of a buffer ring, with something in each entry.
func ring(entries int, tail uint16) []Slot {
	slots := make([]Slot, entries)
	for i := range slots {
		slots[i] = Slot{Addr: uint64(i) * 0x0101_0101, Len: uint32(i), BID: uint16(^i)}
	}
	slots[0].tail = tail
	return slots
}
