// Package file reads and writes files from thousands of goroutines with a few
// threads, where package os takes a thread for each call that waits for a disk.
//
//	f, err := file.Open("data")
//	...
//	n, err := f.ReadAt(p, off)
//
// A [File] has the methods of [os.File], and the functions of the package those
// of os: [Open], [Create], [OpenFile], [Stat], [ReadFile], [WriteFile], [Remove],
// [Rename], [Mkdir], [MkdirAll], [ReadDir], and [FS] for what takes an [fs.FS].
// [Wrap] makes a File of an open one. Beyond os there are batches,
// [File.ReadBatch] and [File.WriteBatch]; reads into memory of the engine's that
// need not be waited for, [File.ReadBuf]; forms with a context; [File.Datasync],
// [File.Allocate] and [File.Advise].
//
// # How
//
// Each request goes the cheapest way, chosen as the program runs:
//
//   - A read whose data is in the page cache is a call that does not wait. Each
//     file keeps a score of how often that is so.
//   - A few requests at a time are plain system calls, as in os: so a program
//     with one reader is as fast as with os.
//   - The rest goes to the kernel through io_uring, in batches, a limited number
//     at a time. What waits for its turn waits in Go.
//
// Calls of [File.Sync] at the same time share a sync of the disk. Files of file
// systems that cannot tell whether they would have to wait, as tmpfs and
// overlayfs, and of systems without io_uring, as most containers are by default,
// are read and written by plain calls, a limited number at a time: [Stats] says
// which way an engine goes, and why.
//
// # When it helps
//
// From about ten goroutines on that wait for a disk at the same time. With fewer,
// or with data in the page cache, it costs what os does. docs/files.md has
// figures, and says how to tune an [Engine].
//
// # Memory
//
// A buffer given to a method is the kernel's until the method returns, and not
// longer: no method returns before, even when its context ends. A disk cannot be
// told to stop reading, so the end of a context ends the wait for a turn only;
// [File.ReadBuf], whose memory is the engine's, returns at once.
//
// Threads that end take requests with them that others wait for: the kernel
// cancels those. They are carried out again, and nobody notices.
package file
