//go:build race

package file

const raceOn = true
