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
// Names are those of liburing without the prefix: io_uring_prep_recv is
// [SQE.PrepRecv], and io_uring_prep_multishot_accept_direct is
// [SQE.PrepAcceptMultishotDirect], as Multishot and Direct come last. Comments
// name the page of liburing's manual, and docs/parity.md lists what stands for
// what.
//
// The repository has programs to copy from in examples, and pages in docs:
// about incremental buffers, bundles, zero copy, threads and goroutines, and
// for those who come from giouring.
//
// # By subject
//
//   - Waiting: [Ring.SubmitAndWait], [Ring.SubmitAndWaitTimeout],
//     [Ring.SubmitAndWaitMin], [Ring.Wait]; without a thread, and with a
//     context, [Ring.Await].
//   - Files: [SQE.PrepRead], [SQE.PrepWrite], [SQE.PrepReadv], [SQE.PrepWritev],
//     [SQE.PrepFsync], [SQE.PrepFallocate]; pipes: [SQE.PrepSplice],
//     [SQE.PrepTee], [SQE.PrepReadMultishot].
//   - Paths: [SQE.PrepOpenat], [SQE.PrepStatx], [SQE.PrepMkdirat],
//     [SQE.PrepRenameat], [SQE.PrepUnlinkat], [SQE.PrepGetxattr].
//   - Sockets: [SQE.PrepSocket], [SQE.PrepBind], [SQE.PrepListen],
//     [SQE.PrepConnect], [SQE.PrepAccept], [SQE.PrepAcceptMultishot],
//     [SQE.PrepShutdown], [SQE.PrepSetsockopt], [SQE.PrepGetsockopt].
//   - Receiving: [SQE.PrepRecv], [SQE.PrepRecvMultishot], [SQE.PrepRecvProvided];
//     messages: [SQE.PrepRecvMsg], [SQE.PrepRecvMsgMultishot].
//   - Sending: [SQE.PrepSend], [SQE.PrepSendMsg]; without a copy:
//     [SQE.PrepSendZC], [SQE.PrepSendZCFixed], [SQE.PrepSendMsgZC]; streams:
//     [SendQueue].
//   - Time, readiness, cancelling: [SQE.PrepTimeout], [SQE.PrepLinkTimeout],
//     [SQE.PrepPollAdd], [SQE.PrepCancel], [SQE.PrepCancelFD],
//     [Ring.SyncCancel].
//   - Futexes, children, epoll, commands of a driver: [SQE.PrepFutexWait],
//     [SQE.PrepFutexWaitv], [SQE.PrepWaitid], [SQE.PrepEpollWait],
//     [SQE.PrepUringCmd].
//   - Order: [SQE.SetFlags] with [Link], [HardLink] or [Drain], after
//     [Ring.MakeRoom] for all of a chain.
//   - Other rings: [SQE.PrepMsgRing], [SQE.PrepMsgRingFD], [Config.AttachTo].
//   - Direct descriptors: [Ring.RegisterFiles], [Direct], and the Prep methods
//     that end in Direct.
//   - Limits and rights: [Ring.RegisterRestrictions], [Ring.RegisterPersonality],
//     [Ring.RegisterIOWQMaxWorkers].
//   - Registered memory: [Arena], [Ring.RegisterArena], [RegBuf], and the Prep
//     methods that end in Fixed.
//   - What the kernel can do: [Features], [KernelBugs], [ProbeOps],
//     [Ring.Features], and the Have functions.
//
// # Memory
//
// The kernel uses a request's memory until the request's last completion; for
// a zero-copy send that is the notification. Until then the memory must stay
// reachable, and unchanged. A []byte given to a Prep method is allocated on
// the heap, where Go does not move it; keeping it reachable is up to the
// caller. Memory of an [Arena], a [BufRing] or a [SendQueue] lies outside the
// Go heap and is kept by the package. Addresses, timeouts, paths, names and
// slices of parts are copied, but not the parts; what a request fills in, such
// as a [Statx], is the caller's to keep.
//
// # Receiving
//
// A [BufRing] holds buffers from which the kernel picks when data arrives.
// [BufRing.Consume] and [BufRing.Segments] turn completions into bytes, and
// [Segment.Share] lets several holders keep the same ones.
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
