package uring

// A fifo is a queue of values that allocates only when it grows.
type fifo[T any] struct {
	ring  []T // a power of two long
	first uint32
	n     uint32
}

func (f *fifo[T]) at(i uint32) *T { return &f.ring[(f.first+i)&uint32(len(f.ring)-1)] }

func (f *fifo[T]) push(v T) {
	if int(f.n) == len(f.ring) {
		old := *f
		f.ring, f.first = make([]T, max(2*len(old.ring), 8)), 0
		for i := range old.n {
			f.ring[i] = *old.at(i)
		}
	}
	*f.at(f.n) = v
	f.n++
}

// pop takes the oldest value; there must be one.
func (f *fifo[T]) pop() T {
	var none T
	at := f.at(0)
	v := *at
	*at = none
	f.first++
	f.n--
	return v
}

// keep drops the values that ok refuses. The others stay in order.
func (f *fifo[T]) keep(ok func(T) bool) {
	for range f.n {
		if v := f.pop(); ok(v) {
			f.push(v)
		}
	}
}
