//go:build !race

package file

const raceOn = false
