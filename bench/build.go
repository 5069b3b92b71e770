package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// build makes all programs in b.bin.
func (b *bench) build() error {
	lib := b.library()
	if err := os.MkdirAll(b.bin, 0o755); err != nil {
		return err
	}
	sources, err := filepath.Glob(filepath.Join(b.root, "bench", "c", "*.c"))
	if err != nil {
		return err
	}
	for _, source := range sources {
		name := strings.TrimSuffix(filepath.Base(source), ".c")
		err := b.tool("bench", "gcc", "-O2", "-Wall", "-Wextra", "-D_GNU_SOURCE", "-I"+lib+"/include",
			"-o", b.program("c-"+name), source, "-L"+lib+"/lib", "-luring", "-lpthread")
		if err != nil {
			return err
		}
	}
	peers, err := os.ReadDir(filepath.Join(b.root, "bench", "peer"))
	if err != nil {
		return err
	}
	for _, p := range peers {
		// giouring reaches into package syscall.
		if err := b.tool("bench", "go", "build", "-buildvcs=false", "-ldflags=-checklinkname=0",
			"-o", b.program(p.Name()), "./peer/"+p.Name()); err != nil {
			return err
		}
	}
	if err := b.tool("contrib/pebble", "go", "build", "-buildvcs=false", "-o", b.program("pebble"), "./load"); err != nil {
		return err
	}
	if err := b.tool(".", "go", "build", "-buildvcs=false", "-o", b.program("uring"), "./cmd/uring"); err != nil {
		return err
	}
	return b.buildProxyC()
}

// library is where the pinned C library was built.
func (b *bench) library() string { return filepath.Join(b.root, "liburing", "build") }

func (b *bench) libraryVersion() (string, error) {
	stamp, err := os.ReadFile(filepath.Join(b.library(), "STAMP"))
	if err != nil {
		return "", fmt.Errorf("the pinned C library is missing, call make liburing: %w", err)
	}
	return strings.Fields(string(stamp))[0], nil
}

// buildProxyC builds the proxy among liburing's own examples with their own
// Makefile, beside the unpacked source and not in it.
func (b *bench) buildProxyC() error {
	source := filepath.Join(b.root, "liburing", "src", "liburing-"+b.liburing)
	if _, err := os.Stat(source); err != nil {
		source = filepath.Join(b.root, "liburing", "src", "local")
	}
	if _, err := os.Stat(filepath.Join(source, "examples", "proxy.c")); err != nil {
		return fmt.Errorf("the source of liburing is missing, call make clean liburing: %w", err)
	}
	dir := filepath.Join(b.bin, "liburing", "examples")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, name := range []string{"src", "config-host.mak"} {
		link := filepath.Join(b.bin, "liburing", name)
		_ = os.Remove(link)
		if err := os.Symlink(filepath.Join(source, name), link); err != nil {
			return err
		}
	}
	return b.tool("bench/bin/liburing/examples", "make", "--no-print-directory", "-s",
		"-f", filepath.Join(source, "examples", "Makefile"), "root="+source, "proxy")
}

// proxyC is the program that buildProxyC makes.
func (b *bench) proxyC() string {
	return filepath.Join(b.bin, "liburing", "examples", "proxy")
}

func (b *bench) program(name string) string { return filepath.Join(b.bin, name) }

// tool runs a build tool in a folder of the repository.
func (b *bench) tool(dir, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir = filepath.Join(b.root, dir)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1", "MAKEFLAGS=", "MAKELEVEL=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return nil
}
