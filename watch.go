//go:build !uring_debug

package uring

import "github.com/uring-go/uring/cgo"

// What watch_debug.go does in debug builds is nothing in others.

type (
	ringWatch  struct{} //lint:ignore U1000 a field of Ring
	entryWatch struct{}
)

func (SQE) watch(*byte)  {}
func (SQE) prepared()    {}
func (SQE) checkQueued() {}

func (*Ring) taken(*cgo.SQE) (w entryWatch) { return w }
func (*Ring) submitting()                   {}
func (*Ring) completed(CQE)                 {}
func (*Ring) cancelled()                    {}
func (*Ring) checkHeld()                    {}
func (*Ring) checkSubmitted()               {}
func (*Ring) forgetPlaces()                 {}
