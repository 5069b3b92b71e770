// Package cgo is the raw layer under package uring: the calls into liburing,
// the constants and memory layouts of the kernel's headers, and the Go view of
// a ring's shared memory. It is the only package of the module that talks to C.
//
// Nothing here checks arguments, retries or explains: calls return what
// liburing returns, a negative errno or a result. Use package uring.
//
// Without C (another operating system, or CGO_ENABLED=0) every call returns
// -ENOSYS, so that programs that import uring still compile.
package cgo
