// Package uring wraps liburing, the library for Linux's io_uring: rings, every
// request type, provided buffers with incremental consumption, receive and
// send bundles, zero-copy sends and receives.
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
// # Rings, by subject
//
//   - Opening: [New] and [Serve] with a [Config] and its [SetupFlags]; [Setup] and
//     [OpenFD] for a ring that one process opens and another uses. [Ring.Enable],
//     [Ring.ResizeRings], [Ring.DontFork], [Ring.Close].
//   - What it is: [Ring.FD], [Ring.Flags], [Ring.Features], [Ring.Entries],
//     [Ring.MemoryUsed]; before it is there, [MemorySize] and [LockedSize].
//   - Entries: [Ring.Request], [Ring.NextSQE], [Ring.NextSQE128], [Ring.MakeRoom],
//     [Ring.SQSpace], [Ring.Queued], [Ring.WaitSQ].
//   - Requests in flight, with their memory: [InFlight], made with [NewInFlight].
//   - Submitting: [Ring.Submit], [Ring.SubmitAndGetEvents].
//   - Submitting and waiting: [Ring.SubmitAndWait], [Ring.SubmitAndWaitTimeout],
//     [Ring.SubmitAndWaitMin], [Ring.SubmitAndWaitSignals] with [Signals],
//     [Ring.SubmitAndWaitReg] with a [RegWait] from a [Region],
//     [Ring.SubmitAndWaitUntil] a point in time of a [Clock]; for one completion,
//     [Ring.Wait] and [Ring.WaitTimeout].
//   - Waiting only: [Ring.WaitReady], [Ring.WaitReadyMin], [Ring.GetEvents];
//     without a thread, and with a context, [Ring.Await].
//   - Completions: [Ring.Completions], [Ring.CompletionsBig], [Ring.Peek],
//     [Ring.PeekBig], [Ring.Ready], [Ring.Advance], [Ring.Overflowed],
//     [Ring.Dropped]; those that are to come, [Ring.InFlight]. A [CQE] carries the
//     request's UserData, which may be a [Token] of [MakeToken].
//   - Notifying: [Ring.RegisterEventFD], [Ring.SetEventFDEnabled],
//     [Ring.EventFDEnabled]; from any goroutine, [Ring.SyncMsg] and [SyncMsg].
//   - Direct descriptors, [Direct] and [DirectSlot]: [Ring.RegisterFiles],
//     [Ring.RegisterFDs], [Ring.RegisterFDsTagged], [Ring.UpdateFile],
//     [Ring.UpdateFiles], [Ring.UpdateFilesTagged], [Ring.SetFileAllocRange].
//   - Registered memory, [Arena] and [RegBuf]: [NewArena], [ArenaOf] what is mapped,
//     a part of one by [Arena.Part]; [Ring.RegisterArena],
//     [Ring.RegisterArenas], [Ring.RegisterArenasTagged], [Ring.RegisterBuffers],
//     [Ring.ReplaceArena], [Ring.CloneBuffers], [Ring.CloneBuffersAt].
//   - Memory shared with the kernel: [Ring.RegisterRegion], [Config.Memory].
//   - How it waits: [Ring.RegisterClock], [Ring.SetIOWait]; busy polling,
//     [Ring.RegisterNAPI], [Ring.AddNAPI], [Ring.RemoveNAPI].
//   - Its descriptor: [Ring.RegisterRingFD], [Ring.CloseRingFD].
//   - Worker threads: [Ring.RegisterIOWQAff], [Ring.RegisterIOWQMaxWorkers],
//     [Config.AttachTo].
//   - Limits and rights: [Ring.RegisterRestrictions] with [AllowOp],
//     [AllowRegister], [AllowFlags] and [RequireFlags]; [BPFFilter] with
//     [Ring.RegisterBPFFilter] and [RegisterTaskBPFFilter], of instructions such
//     as [BPFLoad], [BPFSkipUnless] and [BPFReturn]; [Ring.RegisterPersonality].
//   - Cancelling from outside of the queue: [Ring.SyncCancel] with a [Match].
//   - What the kernel can do: [Features], [KernelBugs] and the Have functions try
//     it; [ProbeOps], [Ring.ProbeOps], [QueryKernel], [QueryZCRX] and
//     [QueryQueues] ask; [KernelVersion] and [LiburingVersion] name it.
//
// The Unregister methods undo what the Register methods do.
//
// # Requests, by subject
//
//   - Any: [SQE.SetToken], [SQE.Token], [SQE.SetFlags], [SQE.Multishot]. Order is a
//     matter of [Link], [HardLink] and [Drain], after [Ring.MakeRoom] for all of a
//     chain.
//   - Files: [SQE.PrepRead], [SQE.PrepWrite], [SQE.PrepReadv], [SQE.PrepWritev],
//     [SQE.PrepFsync], [SQE.PrepSyncFileRange], [SQE.PrepFallocate],
//     [SQE.PrepFtruncate], [SQE.PrepFadvise], [SQE.PrepMadvise], [SQE.PrepClose].
//     With registered memory: [SQE.PrepReadFixed], [SQE.PrepWriteFixed],
//     [SQE.PrepReadvFixed], [SQE.PrepWritevFixed].
//   - Pipes: [SQE.PrepPipe], [SQE.PrepSplice], [SQE.PrepTee]; with buffers that the
//     kernel picks, [SQE.PrepReadMultishot], [SQE.PrepReadProvided],
//     [SQE.PrepReadProvidedAt].
//   - Paths: [SQE.PrepOpenat], [SQE.PrepOpenat2], [SQE.PrepStatx],
//     [SQE.PrepMkdirat], [SQE.PrepRenameat], [SQE.PrepLinkat],
//     [SQE.PrepSymlinkat], [SQE.PrepUnlinkat].
//   - Extended attributes: [SQE.PrepGetxattr], [SQE.PrepSetxattr],
//     [SQE.PrepFgetxattr], [SQE.PrepFsetxattr].
//   - Sockets: [SQE.PrepSocket], [SQE.PrepBind], [SQE.PrepListen],
//     [SQE.PrepConnect], [SQE.PrepShutdown], with a [Sockaddr] from [InetAddr] or
//     [UnixAddr]; [SQE.PrepGetsockname], [SQE.PrepGetpeername],
//     [SQE.PrepSetsockopt], [SQE.PrepSetsockoptHeld], [SQE.PrepGetsockopt],
//     [SQE.PrepSIOCINQ],
//     [SQE.PrepSIOCOUTQ], [SQE.PrepTxTimestampMultishot].
//   - Accepting: [SQE.PrepAccept], [SQE.PrepAcceptMultishot],
//     [SQE.PrepAcceptAddr]; [SQE.SetAcceptFlags].
//   - Receiving: [SQE.PrepRecv], [SQE.PrepRecvFixed]; into buffers that the kernel
//     picks, [SQE.PrepRecvProvided], [SQE.PrepRecvMultishot],
//     [SQE.PrepRecvMultishotLimit]; messages, [SQE.PrepRecvMsg],
//     [SQE.PrepRecvMsgMultishot]; without a copy, [SQE.PrepRecvZCMultishot];
//     [SQE.SetIOFlags].
//   - Sending: [SQE.PrepSend], [SQE.PrepSendTo], [SQE.PrepSendFixed],
//     [SQE.PrepSendVectorized], [SQE.PrepSendBundle], [SQE.PrepSendMsg]; without a
//     copy, [SQE.PrepSendZC], [SQE.PrepSendZCFixed], [SQE.PrepSendZCVectorized],
//     [SQE.PrepSendMsgZC], [SQE.PrepSendMsgZCFixed]. [SQE.PrepSendSetAddr] names
//     the receiver. A [Msg] comes from [NewMsg].
//   - Direct descriptors: the Prep methods that end in Direct;
//     [SQE.PrepCloseDirect], [SQE.PrepFilesUpdate], [SQE.PrepFixedFDInstall].
//   - Time: [SQE.PrepTimeout], [SQE.PrepTimeoutUpdate], [SQE.PrepTimeoutRemove],
//     [SQE.PrepLinkTimeout], [SQE.PrepLinkTimeoutUpdate].
//   - Readiness: [SQE.PrepPollAdd], [SQE.PrepPollAddMultishot],
//     [SQE.PrepPollUpdate], [SQE.PrepPollRemove]; of an epoll instance,
//     [SQE.PrepEpollCtl], [SQE.PrepEpollWait].
//   - Cancelling: [SQE.PrepCancel], [SQE.PrepCancelFD], [SQE.PrepCancelOp],
//     [SQE.PrepCancelFDOp], [SQE.PrepCancelMatch].
//   - Futexes and children: [SQE.PrepFutexWait], [SQE.PrepFutexWake],
//     [SQE.PrepFutexWaitv], [SQE.PrepWaitid].
//   - Other rings: [SQE.PrepMsgRing], [SQE.PrepMsgRingCQEFlags],
//     [SQE.PrepMsgRingFD].
//   - Many at once, with what servers need around them: an [Acceptor] of
//     [Ring.NewAcceptor], a [RecvStream] of [Ring.NewRecvStream], and a [SendQueue]
//     of [Ring.NewSendQueue]. [FDOf] takes descriptors from package net, and
//     [NetConn] gives them to it.
//   - Devices: [SQE.PrepUringCmd], [SQE.PrepUringCmd128],
//     [SQE.PrepUringCmdFixed], [SQE.PrepDiscard].
//   - Groups of buffers of which the program keeps account: a [RawBufRing], or
//     without a ring, the older way, [SQE.PrepProvideBuffers] and
//     [SQE.PrepRemoveBuffers]; [SQE.SetBufGroup], [SQE.PrepRecvMultishotGroup],
//     [SQE.PrepRecvMsgMultishotGroup], [SQE.PrepReadMultishotGroup].
//   - Nothing: [SQE.PrepNop], [SQE.PrepNop128]; [SQE.PrepNopResult],
//     [SQE.PrepNopFlags] and [SQE.PrepNopBig] for tests.
//
// # Memory
//
// The kernel uses a request's memory until the request's last completion, the
// one without [CQE.More]; for a zero-copy send that is the notification. Until
// then the memory must stay reachable, and unchanged. The kernel's address does
// not make it so: memory that nothing in the program leads to is collected, and
// the kernel writes into whatever gets it next, or sends that. Keep it in one of
// these:
//
//   - An [InFlight], a table of the requests in flight. The ring holds it until
//     [Ring.Close].
//   - An [Arena], a [BufRing] or a [SendQueue], whose memory lies outside the Go
//     heap and is kept by the package.
//   - A variable that is used after the completion, or after Close if the program
//     may return before. [runtime.KeepAlive] is such a use.
//
// Prep methods copy addresses, timeouts, paths, names, the values of socket
// options, the data of commands, and slices of parts, but not what the parts
// point at. All other memory is the caller's to keep: each []byte, part, [Msg]
// and futex, and what a request fills in, such as a [Statx]. A variable whose
// address or slice is given to a Prep method is allocated on the heap, where Go
// does not move it.
//
// Built with -tags uring_debug the package panics when it finds that such memory
// was collected too early, or that an entry was filled after its submit. Test
// with it.
//
// # Waiting
//
// A request waits for data, room or a connection, whether its descriptor is
// O_NONBLOCK, as those of packages net and os are, or not. What does not wait
// fails with EAGAIN:
//
//   - [SQE.PrepSplice] and [SQE.PrepTee], if a descriptor is O_NONBLOCK;
//   - requests with MSG_DONTWAIT, [RWNowait] or [SpliceNonblock];
//   - [SQE.PrepRecvMsg], [SQE.PrepRead] and the like, after they were woken 128
//     times in vain, as by datagrams that other receives on the same socket took:
//     the kernel then hands the request to a worker thread, which tries once if the
//     socket is O_NONBLOCK. [SQE.PrepRecv], [SQE.PrepRecvProvided] and multishot
//     receives go on waiting.
//
// # Refused requests
//
// A Prep method returns an error if the package may have to refuse its request: the
// arguments do not fit into an entry, they are about something that is closed or of
// another ring, or the kernel would do with them what nobody could account for. The
// others return none: whatever the kernel has against a request comes as the
// completion's error. [SQE.SetFlags] and the other Set methods refuse in the same way.
//
// The entry was taken, and stays in the queue. It is now a request that does nothing
// and posts no completion: the error was its answer. It keeps its UserData and has
// none of the flags that were set, so a chain ends before it, and what is queued
// after it starts by itself: do not go on with the chain. It does not count in
// [Ring.InFlight]; a value in an [InFlight] leaves by [InFlight.Drop]. Set methods
// return an error for it, and change nothing. Fill it with another Prep method, or
// leave it as it is. Only where [Ring.RegisterRestrictions] does not allow [OpNop] it
// has a completion, with EACCES.
//
// # Receiving
//
// A [BufRing], made with [Ring.NewBufRing], holds buffers from which the kernel
// picks when data arrives. [BufRing.Consume] and [BufRing.Segments] turn
// completions into bytes, and [Segment.Share] lets several holders keep the same
// ones. Hand over each completion of a receive, failed ones too, once, in the order in
// which they come: where bytes lie follows from the completions before. That account is
// compared with what the kernel says; if they disagree, the ring stops with
// [ErrAccount] instead of handing out the bytes of another connection. Buffers that
// were released go back with the next submit or wait, or with [Ring.ReturnBuffers].
//
// A [RawBufRing], made with [Ring.NewRawBufRing], leaves the account to the program.
//
// A [RecvStream] receives what comes in on one socket to its end: it arms the
// receives, stops while too much waits, and goes on when buffers are back. With
// [BufRingConfig.Spare], peers that do not read cannot keep all buffers: what waits
// for them is copied when buffers run short.
//
// Prefer multishot receives, above all into incremental buffers on Linux 6.12 to
// 6.16: see [SQE.PrepRecvProvided].
//
// A [ZCRX], made with [Ring.RegisterZCRX], is a queue of a network device whose
// data the card puts into the program's memory: [ZCRX.Segment] turns completions
// into bytes, and a [RefillRing] takes their memory back. [Ring.ImportZCRX]
// shares one between rings.
//
// # Sending
//
// A [SendQueue], made with [Ring.NewSendQueue], sends a stream of bytes, in
// order, with as few requests as the kernel allows; it can send received segments
// on without copying them.
//
// # Errors
//
// [Ring.Close] and [Ring.SyncCancel] return nil when the kernel has let go of
// memory and files, and [ErrBusy] when it has not in time. Then the caller must
// keep the memory that requests point at.
//
// A feature that the kernel lacks gives an error that matches
// [ErrNotSupported] and names the kernel that has it; the Have functions ask
// beforehand. Errors of completions are a [syscall.Errno], see [CQE.Err].
package uring

// The mock first: the page needs tests that compile.

//go:generate go run github.com/golang/mock/mockgen@v1.6.0 -source=driver.go -package=uring -mock_names=driver=mockDriver,registrar=mockRegistrar -destination=mock_driver_test.go
//go:generate go run ./internal/cmd/parity -o docs/parity.md
