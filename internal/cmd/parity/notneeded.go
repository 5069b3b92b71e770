package main

// notNeeded lists what of liburing Go has no use for, and why. The names are
// separated by spaces.
var notNeeded = []struct{ names, because string }{
	{
		names:   "IO_URING_WRITE_ONCE",
		because: "What is shared with the kernel is written with Go's sync/atomic, inside the package.",
	},
	{
		names:   "uring_likely uring_unlikely",
		because: "Hints for a C compiler.",
	},
	{
		names:   "uring_ptr_to_u64",
		because: "A cast that C's prep functions share. No address is handed to or from Go code.",
	},
	{
		names:   "__NR_io_uring_setup __NR_io_uring_enter __NR_io_uring_register",
		because: "Numbers of the system calls, for C libraries older than io_uring. liburing makes the calls.",
	},
	{
		names:   "io_uring_register_wait_reg",
		because: "Always fails in liburing 2.15, which replaced it by io_uring_register_region.",
	},
	{
		names:   "io_uring_enter io_uring_enter2 io_uring_register",
		because: "The bare system calls. liburing makes them, under functions that are covered; behind their back, a Ring's account of its queues and memory would be wrong.",
	},
	{
		names:   "LIBURING_HAVE_DATA64",
		because: "Tells C programs that the header is of 2.2 or later. The package needs 2.9.",
	},
}

// instead says of constants, and of groups of them, why programs do without
// them. The names are separated by spaces.
var instead = map[string]string{
	"sqe flag bit numbers": "The flags below are made of them.",
	"mmap offsets":         "liburing maps the queues and rings of buffers.",
	"sq ring flags":        "Submit wakes the kernel's thread, and Completions fetches what waits in the kernel.",
	"enter flags":          "liburing sets them for the Submit and Wait methods of Ring.",
	"register opcodes":     "liburing sets them for the methods of Ring that register something.",
	"probe op flags":       "liburing reads them in a probe's answer.",
	"query ops":            "Each Query function asks its own question, and the kernel answers how many there are.",
	"io-wq worker types":   "Arguments of Ring.RegisterIOWQMaxWorkers, in this order.",

	"IORING_OP_LAST IORING_REGISTER_LAST IORING_RESTRICTION_LAST __ZCRX_CTRL_LAST": "Lengths of tables in C.",
	"IORING_URING_CMD_MASK IORING_TIMEOUT_CLOCK_MASK IORING_TIMEOUT_UPDATE_MASK":   "What the kernel accepts, for itself.",

	"IORING_RW_ATTR_FLAG_PI":         "liburing has no helper either, and block devices must be formatted for it: the fields Addr3 and Pad2 of the entry are the attributes' address and kind.",
	"IORING_TIMEOUT_IMMEDIATE_ARG":   "Spares C programs memory for the time. The Prep methods take a time.Duration, and copy it to memory that the ring has anyway.",
	"IORING_POLL_ADD_LEVEL":          "The kernel refuses it: a test asks. Polls with one completion are triggered by level anyway.",
	"IORING_CQE_F_SKIP":              "Completions passes over what it marks.",
	"IORING_CQ_EVENTFD_DISABLED":     "liburing sets it for Ring.SetEventFDEnabled.",
	"IORING_RSRC_REGISTER_SPARSE":    "liburing sets it for Ring.RegisterFiles and for tables of buffers.",
	"IORING_REGISTER_SRC_REGISTERED": "liburing sets it for Ring.CloneBuffers, if the other ring has a registered descriptor.",
	"IO_URING_BPF_CMD_FILTER":        "The only kind of BPF program: Ring.RegisterBPFFilter sets it.",
}
