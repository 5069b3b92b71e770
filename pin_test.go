//go:build linux

package uring

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What builds liburing takes its version and checksum from the file PIN. It
// refuses what is no pin, and a tarball that is not the one that was pinned,
// before it unpacks or fetches anything.
func TestPinFile(t *testing.T) {
	const sum = "57e9b36e4ac1e46b8e0351dfb1694dc59638fc25e384b4ba36d87b800b16db1a"
	for name, c := range map[string]struct{ pin, version, want string }{
		"no such version":          {"2.9 " + sum, "2.8", "PIN does not list version 2.8"},
		"empty":                    {"", "2.9", "PIN does not list version 2.9"},
		"comments only":            {"# 2.9 " + sum + "\n\n", "2.9", "PIN does not list version 2.9"},
		"no checksum":              {"# pins\n2.9", "2.9", "PIN line 2: 2.9: want a version and the SHA-256 of its tarball"},
		"another one has none":     {"2.15\n2.9 " + sum, "2.9", "PIN line 1: 2.15: want"},
		"more than two words":      {"2.9 " + sum + " x", "2.9", "PIN line 1: 2.9 " + sum + " x: want"},
		"short checksum":           {"2.9 " + sum[1:], "2.9", "PIN line 1: "},
		"checksum in capitals":     {"2.9 " + strings.ToUpper(sum), "2.9", "PIN line 1: "},
		"version is a path":        {"2.9/../../x " + sum, "2.9", "PIN line 1: "},
		"version is an option":     {"-x " + sum, "2.9", "PIN line 1: "},
		"carriage returns":         {"2.9 " + sum + "\r\n", "2.9", "PIN line 1: "},
		"another tarball":          {"2.9 " + sum, "2.9", "but PIN says\n  " + sum + ". Refused and removed."},
		"another tarball, comment": {"# a\n\n2.15 " + sum + "\n2.9 " + sum, "2.9", "Refused and removed."},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "liburing")
			tarball := filepath.Join(dir, "state", "liburing_2.9.orig.tar.gz")
			write := func(path, text string) {
				t.Helper()
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			for _, script := range []string{"build.sh", "debian.sh"} {
				text, err := os.ReadFile(filepath.Join("liburing", script))
				if err != nil {
					t.Fatal(err)
				}
				write(filepath.Join(dir, script), string(text))
			}
			write(filepath.Join(dir, "PIN"), c.pin)
			write(tarball, "not liburing")
			prefix := filepath.Join(dir, "out")
			out, err := exec.Command("bash", filepath.Join(dir, "build.sh"), "--version", c.version, "--prefix", prefix).CombinedOutput()
			if err == nil || !strings.Contains(string(out), c.want) {
				t.Errorf("%v, %s, want %q", err, out, c.want)
			}
			if _, err := os.Stat(prefix); err == nil {
				t.Error("something was built")
			}
			_, err = os.Stat(tarball)
			equal(t, "tarball removed", os.IsNotExist(err), strings.Contains(c.want, "Refused"))
		})
	}
}
