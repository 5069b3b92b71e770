package uring

import "fmt"

// An FD is what a request works on: an ordinary file descriptor, FD(n), or a
// direct one, [Direct.FD].
type FD int32

// directBit marks a direct descriptor. Ordinary descriptors never get this
// large, and it leaves -1 what it is: not a descriptor.
const directBit FD = 1 << 30

// A Direct is a direct descriptor: a slot in the ring's own table of files,
// which no other ring and no system call knows. See [Ring.RegisterFiles].
type Direct struct{ slot uint32 }

// DirectSlot returns the direct descriptor in slot n of the ring's table.
func DirectSlot(n int) Direct {
	if n < 0 || n >= int(directBit) {
		panic(fmt.Sprintf("uring: no direct descriptor has slot %d", n))
	}
	return Direct{uint32(n)}
}

// Slot returns the slot's number.
func (d Direct) Slot() int { return int(d.slot) }

// FD returns the descriptor for use in requests.
func (d Direct) FD() FD { return FD(d.slot) | directBit }

// String returns "direct 3".
func (d Direct) String() string { return fmt.Sprintf("direct %d", d.slot) }

// IsDirect reports whether fd is a direct descriptor.
func (fd FD) IsDirect() bool { return fd >= directBit }

// String returns "fd 3" or "direct 3".
func (fd FD) String() string {
	if fd.IsDirect() {
		return fmt.Sprintf("direct %d", fd&^directBit)
	}
	return fmt.Sprintf("fd %d", int32(fd))
}

// Direct returns the direct descriptor that fd is. It panics if fd is an
// ordinary one: see [FD.IsDirect].
func (fd FD) Direct() Direct {
	if !fd.IsDirect() {
		panic(fmt.Sprintf("uring: %v is not a direct descriptor", fd))
	}
	return Direct{uint32(fd &^ directBit)}
}
