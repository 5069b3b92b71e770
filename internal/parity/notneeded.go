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

// instead says of groups of constants why programs do without them.
var instead = map[string]string{
	"sqe flag bit numbers": "The flags below are made of them.",
	"mmap offsets":         "liburing maps the queues and rings of buffers.",
	"sq ring flags":        "Submit wakes the kernel's thread, and Completions fetches what waits in the kernel.",
	"enter flags":          "liburing sets them for the Submit and Wait methods of Ring.",
	"register opcodes":     "liburing sets them for the methods of Ring that register something.",
	"probe op flags":       "liburing reads them in a probe's answer.",
}
