//go:build linux

package uring

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/uring-go/uring/internal/invariant"
)

// What builds liburing takes its version and checksum from the file PIN. It
// refuses what is no pin, and a tarball that is not the one that was pinned,
// before it unpacks or fetches anything.
func TestPinFile(t *testing.T) {
	testsAScript(t)
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
			out, dir, err := buildWithPin(t, c.pin, c.version)
			if err == nil || !strings.Contains(out, c.want) {
				t.Errorf("%v, %s, want %q", err, out, c.want)
			}
			_, err = os.Stat(filepath.Join(dir, tarball))
			equal(t, "tarball removed", os.IsNotExist(err), strings.Contains(c.want, "Refused"))
		})
	}
}

// testsAScript leaves a test of a shell script to the plain build: it is the same
// in all, and its many processes take long on a busy machine.
func testsAScript(tb testing.TB) {
	tb.Helper()
	if raceOn || invariant.On {
		tb.Skip("a script is the same in every build, and the plain one tests it")
	}
}

// tarball is where buildWithPin puts one that is not liburing's.
const tarball = "state/liburing_2.9.orig.tar.gz"

// buildWithPin builds a version with a PIN, of a tarball that no PIN can be of,
// in a folder of its own, where nothing must be built.
func buildWithPin(t *testing.T, pin, version string) (out, dir string, err error) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "liburing")
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
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
		write(script, string(text))
	}
	write("PIN", pin)
	write(tarball, "not liburing")
	prefix := filepath.Join(dir, "out")
	b, err := exec.Command("bash", filepath.Join(dir, "build.sh"), "--version", version, "--prefix", prefix).CombinedOutput()
	if _, err := os.Stat(prefix); err == nil {
		t.Error("something was built")
	}
	if files, _ := os.ReadDir(filepath.Join(dir, "src")); len(files) > 0 {
		t.Errorf("%v was unpacked", files[0])
	}
	return string(b), dir, err
}

// FuzzPinFile builds with any PIN. It refuses the file, or finds no version 2.9
// there, or that its checksum is not the tarball's.
func FuzzPinFile(f *testing.F) {
	testsAScript(f)
	const sum = "57e9b36e4ac1e46b8e0351dfb1694dc59638fc25e384b4ba36d87b800b16db1a"
	for _, pin := range []string{
		"2.9 " + sum, "# 2.9\n2.9 " + sum, "2.9 " + sum + "\n2.9 " + sum, "2.9\t" + sum + "\r\n", "2.9", "", "\x00", "2.9 $(touch x)",
		"2.9 " + sum + "\n../x " + sum, "2.9 " + sum + "\n*", "-v 2.9", "2.9 " + strings.ToUpper(sum), " 2.9  " + sum + " ", "\\\n2.9",
	} {
		f.Add(pin)
	}
	f.Fuzz(func(t *testing.T, pin string) {
		out, dir, err := buildWithPin(t, pin, "2.9")
		if err == nil {
			t.Fatalf("%q: built: %s", pin, out)
		}
		refused := strings.Contains(out, "liburing: PIN line ")
		none := strings.Contains(out, "liburing: PIN does not list version 2.9")
		other := strings.Contains(out, "Refused and removed.")
		if !refused && !none && !other {
			t.Fatalf("%q: %s", pin, out)
		}
		files, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if !slices.Contains([]string{"PIN", "build.sh", "debian.sh", "src", "state"}, file.Name()) {
				t.Errorf("%q: made %v", pin, file)
			}
		}
	})
}
