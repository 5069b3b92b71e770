//go:build !uring_debug

// Package invariant checks rules that are too costly to check in production.
// Build with the tag uring_debug to turn it on.
package invariant

// On reports whether invariants are checked. It is a constant, so ordinary
// builds leave `if invariant.On { … }` out.
const On = false

// Check does nothing.
func Check(bool, string, ...any) {}
