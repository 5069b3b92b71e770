//go:build linux

package uring

import (
	"testing"
)

func TestToken(t *testing.T) {
	for _, c := range []struct {
		kind             uint8
		generation, slot uint32
		want             Token
	}{
		{0, 0, 0, 0},
		{0xab, 0x123456, 0x789abcde, 0xab123456789abcde},
		{0xff, 0xffffff, 0xffffffff, 0xffffffffffffffff},
		{1, 0xff000002, 3, 0x0100000200000003}, // 24 bits of the generation
	} {
		token := MakeToken(c.kind, c.generation, c.slot)
		equal(t, "token", token, c.want)
		equal(t, "kind", token.Kind(), c.kind)
		equal(t, "generation", token.Generation(), c.generation&0xffffff)
		equal(t, "slot", token.Slot(), c.slot)
		equal(t, "token of a completion", CQE{UserData: uint64(token)}.Token(), token)
	}
}
