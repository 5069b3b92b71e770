//go:build race

package uring

// raceOn says that the race detector watches, which takes ten times as long.
const raceOn = true
