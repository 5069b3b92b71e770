//go:build linux

package uring_test

import (
	"errors"
	"fmt"
	"log"
	"syscall"

	"github.com/uring-go/uring"
)

// What the kernel knows by number is one question since Linux 6.18; before, a
// probe counts the opcodes.
func ExampleQueryKernel() {
	info, err := uring.QueryKernel()
	if errors.Is(err, uring.ErrNotSupported) {
		var probe *uring.OpProbe
		if probe, err = uring.ProbeOps(); err == nil {
			info.Ops = probe.Known()
		}
	}
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("knows how to send:", info.Ops > int(uring.OpSend))
	// Output: knows how to send: true
}

// A restricted ring can be given to code that is to do no more than that.
func ExampleRing_RegisterRestrictions() {
	ring, err := uring.New(uring.Config{Flags: uring.SetupRDisabled})
	if err != nil {
		log.Fatal(err)
	}
	defer ring.Close()
	err = ring.RegisterRestrictions(
		uring.AllowOp(uring.OpNop),
		uring.AllowRegister(uring.RegisterEnableRings),
		uring.AllowRegister(uring.RegisterSyncCancel)) // for Close
	if err != nil {
		log.Fatal(err)
	}
	if err := ring.Enable(); err != nil {
		log.Fatal(err)
	}

	for _, prep := range []func(uring.SQE){
		uring.SQE.PrepNop,
		func(sqe uring.SQE) { sqe.PrepShutdown(0, syscall.SHUT_RDWR) },
	} {
		sqe, err := ring.NextSQE()
		if err != nil {
			log.Fatal(err)
		}
		prep(sqe)
		cqe, err := ring.Wait()
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(cqe.Err())
	}
	// Output:
	// <nil>
	// permission denied
}
