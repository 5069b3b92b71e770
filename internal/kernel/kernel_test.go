package kernel

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	for s, want := range map[string]Version{
		"6.12.107-amd64":                     {6, 12, 107},
		"6.1.0-56-amd64":                     {6, 1, 0},
		"6.18":                               {6, 18, 0},
		"7.3-rc1":                            {7, 3, 0},
		"7.3.0-rc1-next-20260801":            {7, 3, 0},
		"5.15.0-1051-azure":                  {5, 15, 0},
		"5.15.167.4-microsoft-standard-WSL2": {5, 15, 167},
		"4.18.0-553.el8_10.x86_64":           {4, 18, 0},
		"6.6.87+":                            {6, 6, 87},
	} {
		got, err := Parse(s)
		if err != nil {
			t.Errorf("%s: %v", s, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", s, diff)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, s := range []string{"", "linux", "6", "6.", "6-12", "v6.12", "x6.12.1"} {
		if v, err := Parse(s); err == nil {
			t.Errorf("%q: got %v, want an error", s, v)
		} else if !strings.Contains(err.Error(), "6.12.1") {
			t.Errorf("%q: %v does not say what it should look like", s, err)
		}
	}
}

func TestLess(t *testing.T) {
	order := []Version{V(5, 19), V(6, 1), {6, 1, 192}, V(6, 12), {6, 12, 43}, {6, 12, 107}, V(6, 18), V(7, 0)}
	for i, v := range order {
		for j, w := range order {
			if got, want := v.Less(w), i < j; got != want {
				t.Errorf("%v.Less(%v) is %v, want %v", v, w, got, want)
			}
		}
	}
}

func TestString(t *testing.T) {
	for want, v := range map[string]Version{"6.12": V(6, 12), "6.12.107": {6, 12, 107}, "7.0": V(7, 0)} {
		if diff := cmp.Diff(want, v.String()); diff != "" {
			t.Error(diff)
		}
	}
}

func TestRunningIsWhatTheSystemSays(t *testing.T) {
	v, err := Running()
	if err != nil {
		t.Fatal(err)
	}
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(release), V(v.Major, v.Minor).String()) {
		t.Errorf("got %v, the system says %s", v, release)
	}
}

// FuzzParse reads any text as a version. An accepted version, written again,
// reads as the same version.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"6.1.0-56-amd64", "7.3", "6.12.1+", "6", "6.-1", "-6.1", "6.1.-2", "99999999999.1", " 6.1", "6.1\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := Parse(s)
		if err != nil {
			if v != (Version{}) {
				t.Fatalf("%q: %v, and it is %v", s, err, v)
			}
			return
		}
		if v.Major < 0 || v.Minor < 0 || v.Patch < 0 {
			t.Fatalf("%q is %+v", s, v)
		}
		if back, err := Parse(v.String()); back != v || err != nil {
			t.Fatalf("%q is %v, which reads as %v, %v", s, v, back, err)
		}
	})
}
