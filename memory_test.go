package uring

import "github.com/uring-go/uring/cgo"

// memory is a ring's shared memory without a kernel: the test plays the kernel.
type memory struct {
	sqTail, sqFlags, cqHead, cqTail uint32
	sqes                            [16]cgo.SQE
	cqes                            [16]cgo.CQE
}
