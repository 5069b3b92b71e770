package file

import "unsafe"

// addressOf is for arguments of system calls.
func addressOf[T any](p *T) uintptr { return uintptr(unsafe.Pointer(p)) }
