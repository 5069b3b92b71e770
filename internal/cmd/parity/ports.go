package main

import (
	"fmt"
	"go/types"
	"regexp"
	"slices"
	"strings"
)

// A portNote says where something here differs from what it stands for in C, as far
// as a program that is carried over can notice. names are functions, macros and
// constants of liburing, test is a test of the root package that shows it.
type portNote struct{ names, text, test string }

var portNotes = []portNote{
	{
		names: "io_uring_submit_and_wait io_uring_submit_and_wait_timeout io_uring_wait_cqes io_uring_wait_cqe_nr io_uring_submit_and_wait_min_timeout io_uring_wait_cqes_min_timeout io_uring_submit_and_wait_reg",
		text:  "Signals, such as those of Go's scheduler, do not end a wait: it goes on until as many completions are ready, or the time is up. A request of SQE.PrepTimeout that expires ends it early, as in the kernel, except Ring.Await: without an error, or with os.ErrDeadlineExceeded if the wait has a limit of time. One that ends by its count does not, and one of SQE.PrepLinkTimeout does on a ring that has had a PrepTimeout: the completion does not tell which it is.",
		test:  "TestTimeoutRequestEndsWaits",
	},
	{
		names: "io_uring_submit_and_wait_timeout io_uring_wait_cqe_timeout io_uring_submit_and_wait_min_timeout io_uring_submit_and_wait_reg",
		text:  "When the time is up with fewer completions than asked for, the error is os.ErrDeadlineExceeded even if some are ready, where C returns the first of them. With a least time one is enough.",
		test:  "TestSubmitAndWaitTimeout",
	},
	{
		names: "io_uring_submit_and_wait_min_timeout io_uring_wait_cqes_min_timeout",
		text:  "As in the kernel, a least time above the most is both: a wait without a completion ends after the least time.",
		test:  "TestLeastTimeAboveTheMost",
	},
	{
		names: "io_uring_wait_cqes io_uring_wait_cqe_timeout io_uring_wait_cqe_nr",
		text:  "Ring.WaitReady submits nothing, as liburing since kernels with IORING_FEAT_EXT_ARG. The SubmitAndWait methods, Ring.Await and Ring.Wait submit.",
		test:  "TestWaitReadySubmitsNothing",
	},
	{
		names: "io_uring_wait_cqe io_uring_wait_cqe_timeout",
		text:  "Ring.Wait submits what is queued, takes the completion from the queue, and has no limit of time. Ring.WaitTimeout has one.",
		test:  "TestWaitTimeout",
	},
	{
		names: "IORING_ENTER_ABS_TIMER io_uring_register_clock",
		text:  "liburing has no helper. Ring.SubmitAndWaitUntil waits until a time of the ring's clock, which Clock.Now tells.",
		test:  "TestSubmitAndWaitUntil",
	},
	{
		names: "io_uring_submit_and_wait_timeout io_uring_submit_and_wait_reg io_uring_register_region",
		text:  "Signals are given as those to block besides what the thread blocks, not as the mask in place of the thread's: Ring.SubmitAndWaitSignals and RegWait.Block. Block SIGURG, which Go's scheduler uses.",
		test:  "TestRegisteredWaitForSignals",
	},
	{
		names: "io_uring_submit",
		text:  "The number is of the entries that the kernel took, also where liburing leaves out some or counts them twice.",
		test:  "TestSubmitCounts",
	},
	{
		names: "io_uring_queue_init io_uring_queue_init_params IORING_SETUP_SUBMIT_ALL",
		text:  "IORING_SETUP_SUBMIT_ALL is set, whatever other flags are, unless Config.NoSubmitAll is: a failed request does not end a submit.",
		test:  "TestSetupSubmitAll",
	},
	{
		names: "IORING_SETUP_SINGLE_ISSUER",
		text:  "With a thread of the kernel's, SetupSQPoll, other threads may submit and wait, in debug builds, too. What they register fails with ErrWrongThread, as in C.",
		test:  "TestKernelsThreadServesOtherThreads",
	},
	{
		names: "io_uring_queue_exit",
		text:  "Ring.Close waits until the kernel has let go of memory and files, or says what it waits for. A single issuer's ring whose thread has ended with requests in flight is closed, but Close says ErrBusy: nothing tells when the kernel is done with their memory.",
		test:  "TestCloseOfARingWithoutItsThread",
	},
	{
		names: "io_uring_get_sqe io_uring_initialize_sqe",
		text:  "A Prep method may refuse its request. The entry then stays in the queue, does nothing, posts no completion and takes no flags until another Prep method fills it. A chain ends before it.",
		test:  "TestRefusedEntryHasOneState",
	},
	{
		names: "io_uring_sqe_set_flags",
		text:  "Flags add up, and may be set before the Prep method or after it. IOSQE_FIXED_FILE and IOSQE_BUFFER_SELECT follow from the descriptor, such as DirectSlot(3).FD(), and from the method; their names are for restrictions. What the kernel would get wrong is refused.",
		test:  "TestSetFlagsRefusals",
	},
	{
		names: "io_uring_prep_send_zc io_uring_prep_send_zc_fixed io_uring_prep_sendmsg_zc io_uring_prep_sendmsg_zc_fixed",
		text:  "May start a chain, but not follow in one: if a request before it fails, the kernel posts the notification without having announced it. IOSQE_CQE_SKIP_SUCCESS is refused, as by the kernel.",
		test:  "TestScenario44_ZeroCopySendsMayStartAChain",
	},
	{
		names: "io_uring_prep_cmd_sock",
		text:  "SQE.PrepSetsockopt copies the value to memory of the entry, and so must start at once: no chain, no IOSQE_ASYNC, no drain before it. SQE.PrepSetsockoptHeld takes memory that the caller holds, and may start late.",
		test:  "TestSocketOptionThatStartsLate",
	},
	{
		names: "io_uring_prep_recv_multishot io_uring_prep_read_multishot",
		text:  "IOSQE_ASYNC into incremental buffers goes with multishot receives, which wait outside of worker threads. Multishot reads refuse it: whether they do so depends on O_NONBLOCK of the descriptor when the worker starts, and a read that waits in a worker uses up the whole buffer.",
		test:  "TestLateRequestsAreRefused",
	},
	{
		names: "IORING_RECVSEND_POLL_FIRST",
		text:  "SQE.SetIOFlags sets it for sends and receives whose methods have no flags of the kind. Multishot receives into a BufRing refuse it: kernels miss the end of the stream.",
		test:  "TestSetIOFlags",
	},
	{
		names: "io_uring_prep_recv io_uring_sqe_set_buf_group",
		text:  "SQE.PrepRecvProvided is, where the kernel has the limit, a multishot receive that ends with its first completion: so it never takes a buffer in a worker thread.",
		test:  "TestNoWrongBytesWhereReceivesMoveToWorkers",
	},
	{
		names: "io_uring_setup_buf_ring io_uring_buf_ring_init io_uring_buf_ring_add io_uring_buf_ring_mask",
		text:  "A BufRing makes its buffers, gives them all to the kernel and keeps account of them: hand each completion to it, failed ones too. A RawBufRing leaves sizes, numbers, memory and account to the program.",
		test:  "TestRawBufRingReceives",
	},
	{
		names: "io_uring_buf_ring_advance io_uring_buf_ring_cq_advance",
		text:  "Buffers of a BufRing that were released go back at the next submit or wait, those handed over meanwhile end with ENOBUFS. Ring.ReturnBuffers gives them back at once.",
		test:  "TestReturnBuffers",
	},
	{
		names: "io_uring_prep_send_bundle",
		text:  "A SendQueue has groups of its own. SQE.PrepSendBundle, or SQE.SetBufGroup after SQE.PrepSend, sends from a RawBufRing.",
		test:  "TestRawBufRingSends",
	},
	{
		names: "io_uring_prep_provide_buffers",
		text:  "Multishot requests into such groups have methods of their own: SQE.PrepRecvMultishotGroup, SQE.PrepRecvMsgMultishotGroup and SQE.PrepReadMultishotGroup.",
		test:  "TestMultishotIntoOlderGroups",
	},
	{
		names: "io_uring_prep_recvmsg_multishot io_uring_recvmsg_name io_uring_recvmsg_payload",
		text:  "Msg.WantAddr makes room for an address of any kind, 128 bytes of each buffer. Msg.WantAddrLen makes as much as is asked for.",
		test:  "TestWantAddrLen",
	},
	{
		names: "io_uring_prep_read",
		text:  "With provided buffers SQE.PrepReadProvided reads at the file's own position, and SQE.PrepReadProvidedAt from an offset.",
		test:  "TestReadProvidedAt",
	},
	{
		names: "io_uring_prep_cancel64 io_uring_prep_cancel_fd IORING_ASYNC_CANCEL_USERDATA",
		text:  "Several conditions at once, such as user data and descriptor, are a Match: SQE.PrepCancelMatch. Kernels that ignore one of them give ErrNotSupported.",
		test:  "TestPrepCancelMatch",
	},
	{
		names: "io_uring_peek_batch_cqe io_uring_for_each_cqe io_uring_cq_advance",
		text:  "Completions are copies. Ring.CompletionsBig and Ring.PeekBig have both halves of large ones. Ring.Advance counts completions, not slots of the queue.",
		test:  "TestPeekBig",
	},
	{
		names: "io_uring_cq_has_overflow",
		text:  "The kernel's counters of what it dropped are Ring.Dropped.",
		test:  "TestDropped",
	},
	{
		names: "io_uring_register_buffers io_uring_register_buffers_update_tag",
		text:  "Memory is registered as an Arena. Arena.Part is one of less than the whole, and ArenaOf one of memory that the program has mapped. Memory of the Go heap is not registered: it is pinned for longer than Go knows of its use.",
		test:  "TestPartOfAnArena",
	},
	{
		names: "io_uring_clone_buffers io_uring_clone_buffers_offset",
		text:  "Ring.CloneBuffersAt always replaces, also within one ring, and Ring.CloneBuffers wants a ring without a table.",
		test:  "TestClonedBuffers",
	},
	{
		names: "io_uring_register_restrictions",
		text:  "An empty list allows nothing, as in C. Ring.Close waits for running requests only with AllowRegister(RegisterSyncCancel), and a refused request posts EACCES unless OpNop is allowed.",
		test:  "TestNothingIsAllowed",
	},
	{
		names: "io_uring_prep_nop IORING_NOP_INJECT_RESULT",
		text:  "SQE.PrepNopFlags has the flags by name, those too that liburing's header lacks. SQE.PrepNopResult and SQE.PrepNopBig are the usual ones.",
		test:  "TestNopFlags",
	},
	{
		names: "io_uring_prep_uring_cmd SOCKET_URING_OP_SIOCINQ BLOCK_URING_CMD_DISCARD",
		text:  "Commands that have Prep methods have names, too: SocketCmdSIOCINQ, BlockCmdDiscard and so on.",
		test:  "TestNamedCommands",
	},
}

// notesOf returns the numbers of the notes about a function, macro or constant.
func notesOf(name string) string {
	var numbers []string
	for i, n := range portNotes {
		if slices.Contains(strings.Fields(n.names), name) {
			numbers = append(numbers, fmt.Sprintf("[%d](#what-a-port-must-know)", i+1))
		}
	}
	return strings.Join(numbers, " ")
}

// checkPorts refuses notes about what is not there, in C or in Go, and tests that are
// not.
func (r *report) checkPorts(notes []portNote, symbols []symbol, tests *types.Scope) {
	for _, n := range notes {
		for _, name := range strings.Fields(n.names) {
			if !r.known(name) {
				r.wrong = append(r.wrong, fmt.Sprintf("ports.go names %s, which liburing 2.15 does not have", name))
			}
		}
		for _, m := range goName.FindAllString(n.text, -1) {
			if !slices.ContainsFunc(symbols, func(s symbol) bool { return s.name == m }) {
				r.wrong = append(r.wrong, fmt.Sprintf("ports.go names %s, which is not there", m))
			}
		}
		if _, ok := tests.Lookup(n.test).(*types.Func); !ok {
			r.wrong = append(r.wrong, fmt.Sprintf("ports.go names %s, which is no test", n.test))
		}
	}
}

// goName finds the names of methods and fields of the package.
var goName = regexp.MustCompile(`\b(?:SQE|Ring|Arena|Msg|RegWait|Config|Clock|Match|BufRing)\.[A-Z]\w*`)

// known reports whether liburing has a function, macro or constant of that name.
func (r *report) known(name string) bool {
	return slices.ContainsFunc(r.functions, func(f function) bool { return f.name == name }) ||
		slices.ContainsFunc(r.constants, func(c constant) bool { return c.name == name }) ||
		name == "BLOCK_URING_CMD_DISCARD" // of another header
}
