package uring

import "fmt"

// A Token is a user_data made of three parts: what kind of request it is, the
// slot of a table that the request belongs to, and a generation that changes
// whenever the slot gets a new owner, so that a late completion of the
// previous owner is recognized.
//
//	63      56 55            32 31             0
//	|  kind  |   generation   |      slot      |
//
// Do not make an address user data, as C programs do: Go's collector does not see
// an address that only the kernel has. Keep the thing in a table, and its index,
// the slot, in the request. [InFlight] is such a table.
//
// Using tokens is a convention, not a rule: any 64-bit value but all ones may be
// the UserData of a request. All ones is LIBURING_UDATA_TIMEOUT, which
// liburing reserves.
//
//uring:covers io_uring_sqe_set_data io_uring_cqe_get_data
type Token uint64

// tokenGeneration is the part of user data that the generation takes up.
const tokenGeneration = uint64(0xffffff) << 32

// MakeToken returns the token of the three parts. Only the low 24 bits of
// generation count.
func MakeToken(kind uint8, generation, slot uint32) Token {
	return Token(kind)<<56 | Token(generation&0xffffff)<<32 | Token(slot)
}

// Kind returns the kind of request.
func (t Token) Kind() uint8 { return uint8(t >> 56) }

// Generation returns the 24 bits of generation.
func (t Token) Generation() uint32 { return uint32(t>>32) & 0xffffff }

// Slot returns the slot.
func (t Token) Slot() uint32 { return uint32(t) }

// SetToken makes t the request's UserData, which comes back in its completions:
// see [CQE.Token]. Prep methods leave it as it is.
func (s SQE) SetToken(t Token) {
	s.checkQueued()
	s.UserData = uint64(t)
}

// Token returns UserData as a [Token].
func (s SQE) Token() Token { return Token(s.UserData) }

// Request takes an entry for a request with the token t, as [Ring.NextSQE]
// does. When none is free it makes room first, see [Ring.MakeRoom], which
// submits what is queued: so call MakeRoom before a chain of linked requests.
func (r *Ring) Request(t Token) (SQE, error) {
	s, err := r.NextSQE()
	if err == ErrSQFull {
		if err = r.MakeRoom(1); err == nil {
			s, err = r.NextSQE()
		}
	}
	if err == nil {
		s.UserData = uint64(t)
	}
	return s, err
}

// tokenTaken reports whether something that tells its completions by their token
// has this one.
func (r *Ring) tokenTaken(t Token) bool {
	return r.streams[uint64(t)] != nil || r.queues[uint64(t)] != nil || r.acceptors[uint64(t)] != nil
}

func errTokenTaken(config string, t Token) error {
	return fmt.Errorf("uring: another queue, stream or acceptor of the ring has kind %d and slot %d in %s.Token; completions could not be told apart",
		t.Kind(), t.Slot(), config)
}

// freeToken returns a token of this kind for something that was given none, of which
// there are n.
func (r *Ring) freeToken(kind uint8, n int) Token {
	for slot := uint32(n); ; slot++ {
		if t := MakeToken(kind, 0, slot); !r.tokenTaken(t) {
			return t
		}
	}
}
