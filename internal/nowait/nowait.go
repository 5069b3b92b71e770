// Package nowait reads and writes files as far as that is possible without
// waiting: from the page cache and to it.
package nowait

import "syscall"

// Missing reports whether an error means that the file, the file system, the
// kernel or a sandbox cannot do it at all, while ordinary calls may.
func Missing(errno syscall.Errno) bool {
	switch errno {
	case syscall.EOPNOTSUPP, syscall.ENOSYS, syscall.EINVAL, syscall.EPERM, syscall.ESPIPE:
		return true
	}
	return false
}
