package main

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const shippedFile = "../../../docker/seccomp.json"

// config is the configuration of a container with a profile.
func config(t *testing.T, p any) *bytes.Reader {
	t.Helper()
	b, err := json.Marshal(map[string]any{"linux": map[string]any{"seccomp": p}})
	if err != nil {
		t.Fatal(err)
	}
	return bytes.NewReader(b)
}

func shipped(t *testing.T) *profile {
	t.Helper()
	p, err := load(shippedFile)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// withoutRings is a default that forbids io_uring, as engines have it.
func withoutRings(t *testing.T) *profile {
	t.Helper()
	p := shipped(t)
	r, err := p.allow()
	if err != nil {
		t.Fatal(err)
	}
	r.Names = slices.DeleteFunc(r.Names, func(name string) bool { return strings.HasPrefix(name, "io_uring_") })
	return p
}

// The shipped profile is the default that it was made from and the three calls.
func TestShippedProfileIsADefaultAndTheCallsOfRings(t *testing.T) {
	p, err := read(config(t, withoutRings(t)))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.addRings(); err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := p.write(&got); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(shippedFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("-shipped +made:\n%s", diff)
	}
}

// docker-test takes a profile away from the shipped one line by line.
func TestShippedProfileHasEachCallOfRingsOnceOnALine(t *testing.T) {
	b, err := os.ReadFile(shippedFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range ringCalls {
		if n := strings.Count(string(b), "\n\t\t\t\t\""+name+"\",\n"); n != 1 {
			t.Errorf("%s is on %d lines, want one", name, n)
		}
	}
}

func TestShippedProfileForbidsTheRest(t *testing.T) {
	p := shipped(t)
	if p.DefaultAction != "SCMP_ACT_ERRNO" {
		t.Errorf("what it does not name is %s", p.DefaultAction)
	}
	for _, r := range p.Syscalls {
		for _, name := range []string{"mount", "unshare", "setns", "bpf", "kexec_load", "init_module", "reboot", "keyctl"} {
			if r.Action == "SCMP_ACT_ALLOW" && slices.Contains(r.Names, name) {
				t.Errorf("%s is allowed", name)
			}
		}
	}
}

func TestDifferencesAreFound(t *testing.T) {
	engine := withoutRings(t)
	r, err := engine.allow()
	if err != nil {
		t.Fatal(err)
	}
	r.Names = append(r.Names, "mind_reading")
	got, err := differences(engine, shipped(t))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"the engine's default forbids io_uring_enter",
		"the engine's default forbids io_uring_register",
		"the engine's default forbids io_uring_setup",
		"docker/seccomp.json forbids mind_reading",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestWhatHasNoProfileIsRefused(t *testing.T) {
	for _, c := range []string{"", "{}", `{"linux":{}}`} {
		if p, err := read(strings.NewReader(c)); err == nil {
			t.Errorf("%q has the profile %v", c, p)
		}
	}
	if err := new(profile).addRings(); err == nil {
		t.Error("added calls to an empty profile")
	}
}
