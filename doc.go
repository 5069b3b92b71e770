// Package uring wraps liburing, the library for Linux's io_uring: rings, every
// request type, provided buffers with incremental consumption, receive and
// send bundles, and zero-copy sends.
//
// # Rings
//
// A [Ring] is opened by [New], or by [Serve] on a thread of its own, which is
// the fastest. Requests are taken with [Ring.NextSQE], filled by a Prep method
// of [SQE], and given to the kernel by [Ring.Submit] or one of the calls that
// also wait. [Ring.Completions] yields what came back.
//
// # Memory
//
// The kernel uses a request's memory until the request's last completion; for
// a zero-copy send that is the notification. Until then the memory must stay
// reachable, and unchanged. A []byte given to a Prep method is allocated on
// the heap, where Go does not move it; keeping it reachable is up to the
// caller. Memory of an [Arena], a [BufRing] or a [SendQueue] lies outside the
// Go heap and is kept by the package. Addresses, timeouts and descriptors are
// copied.
//
// # Receiving
//
// A [BufRing] holds buffers from which the kernel picks when data arrives.
// [BufRing.Consume] and [BufRing.Segments] turn completions into bytes.
//
// # Sending
//
// A [SendQueue] sends a stream of bytes, in order, with as few requests as the
// kernel allows; it can send received segments on without copying them.
//
// # Errors
//
// A feature that the kernel lacks gives an error that matches
// [ErrNotSupported] and names the kernel that has it; the Have functions ask
// beforehand. Errors of completions are a [syscall.Errno], see [CQE.Err].
package uring

//go:generate go run ./internal/parity -o docs/parity.md
