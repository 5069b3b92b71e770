//go:build uring_debug

// Package invariant checks rules that are too costly to check in production.
package invariant

import "fmt"

// On reports whether invariants are checked.
const On = true

// Check panics with the message if ok is false.
func Check(ok bool, format string, args ...any) {
	if !ok {
		panic("uring: broken invariant: " + fmt.Sprintf(format, args...))
	}
}
