//go:build !uring_debug

// Package invariant checks rules that are too costly to check in production.
// Build with the tag uring_debug to turn it on.
package invariant

// On reports whether invariants are checked. It is a constant, so that
// `if invariant.On { … }` vanishes from ordinary builds.
const On = false

// Check does nothing.
func Check(bool, string, ...any) {}
