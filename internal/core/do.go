package core

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/uring-go/uring"
)

// Do carries out a request that fill fills in. See shared.Ring.Do, which is
// this for everybody.
func (c *Core) Do(ctx context.Context, fill func(uring.SQE) error) (uring.CQE, error) {
	r := Get()
	r.Prep, r.Fill = prepByCaller, fill
	err := c.Run(ctx, r)
	cqe := r.CQE
	r.Free() // not deferred: a goroutine that ends in Run leaves it to the core
	if p, ok := err.(*fillPanic); ok {
		panic(p.Error())
	}
	if err != nil {
		return uring.CQE{}, err
	}
	cqe.UserData = 0
	return cqe, cqe.Err()
}

// prepByCaller calls the caller's function, which may be wrong in any way: it
// is called by the goroutine that leads.
func prepByCaller(s uring.SQE, r *Request) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &fillPanic{v, debug.Stack()}
		}
	}()
	if err := r.Fill(s); err != nil {
		return err
	}
	return checkShared(s)
}

// A fillPanic is the panic of a function that fills an entry.
type fillPanic struct {
	value any
	stack []byte
}

func (p *fillPanic) Error() string { return fmt.Sprintf("%v\n\n%s", p.value, p.stack) }

// checkShared refuses what would touch requests of others on the ring, or
// could not be answered by one result.
func checkShared(s uring.SQE) error {
	if f := uring.SQEFlags(s.Flags) & (uring.Link | uring.HardLink | uring.Drain | uring.SkipSuccess); f != 0 {
		return errors.New("uring: Do: a refused request, or one with Link, HardLink, Drain or SkipSuccess, which do not go with a ring that others use too: return the error of the Prep method, and call Do for each request in turn")
	}
	switch op := uring.Op(s.Opcode); op {
	case uring.OpAsyncCancel, uring.OpPollRemove, uring.OpTimeoutRemove:
		return fmt.Errorf("uring: Do: %v could hit requests of others: end the context of the request instead", op)
	case uring.OpProvideBuffers, uring.OpRemoveBuffers, uring.OpFilesUpdate, uring.OpLinkTimeout:
		return fmt.Errorf("uring: Do: %v does not go with a ring that others use too", op)
	}
	if s.Multishot() {
		return errors.New("uring: Do: a multishot request has many results, and Do returns one: use the request that completes once")
	}
	return nil
}
