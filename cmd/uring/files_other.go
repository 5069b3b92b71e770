//go:build !linux

package main

// directFlag is not there: the page cache answers.
const directFlag = 0
