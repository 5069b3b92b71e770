package uring

// A SendQueue is an outgoing sequence of bytes for one stream.
type SendQueue struct{}

func (q *SendQueue) usesGroup(uint16) bool     { return false }
func (q *SendQueue) abandon()                  {}
func (q *SendQueue) Unnotified() int           { return 0 }
func (q *SendQueue) Owns(CQE) bool             { return false }
func (q *SendQueue) Complete(CQE) (int, error) { return 0, nil }
