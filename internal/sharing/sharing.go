// Package sharing is what package core may ask of a ring and users may not, as it
// is right only for a ring that goroutines share under a lock. Package uring
// sets it.
package sharing

// Submit is Submit of a *uring.Ring that lets no other goroutines run before:
// they may wait for the lock. Go's scheduler is told of the call as always if tell
// is set. If it is not, the call keeps one of Go's processors until it is over,
// so it must be short.
var Submit func(ring any, tell bool) (int, error)
