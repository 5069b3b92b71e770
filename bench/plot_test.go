package main

import (
	"html"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gonum.org/v1/plot/vg"
)

// TestStoredResultsAreDrawn draws what is stored, and looks for all that a
// reader needs: names of lines and axes, and what ran.
func TestStoredResultsAreDrawn(t *testing.T) {
	dir := t.TempDir()
	data, err := os.ReadFile("results/results.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "results.json"), data, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "plots"), 0o755); err != nil {
		t.Fatal(err)
	}
	b := &bench{options: options{out: dir, disturbed: 1}}
	if err := b.drawAgain(); err != nil {
		t.Fatal(err)
	}
	stored, err := filepath.Glob("results/plots/*.svg")
	if err != nil || len(stored) == 0 {
		t.Fatalf("%d stored plots: %v", len(stored), err)
	}
	charts := make(map[string]chart)
	for _, make := range experiments {
		for _, c := range make(b).plots {
			charts[c.file+".svg"] = c
		}
	}
	for _, file := range stored {
		name := filepath.Base(file)
		c, ok := charts[name]
		if !ok {
			t.Errorf("%s: no experiment draws it", name)
			continue
		}
		svg, err := os.ReadFile(filepath.Join(dir, "plots", name))
		if err != nil {
			t.Error(err)
		}
		for _, text := range []string{c.title, c.note, c.axis, c.unit, legend} {
			if text == "" || !strings.Contains(html.UnescapeString(string(svg)), text) {
				t.Errorf("%s does not say %q", name, text)
			}
		}
	}
}

func TestLabelsAreApart(t *testing.T) {
	for _, c := range []struct{ heights, want []vg.Length }{
		{[]vg.Length{20, 50}, []vg.Length{20, 50}},
		{[]vg.Length{50, 50, 50}, []vg.Length{40, 50, 60}},
		{[]vg.Length{1, 2, 80}, []vg.Length{0, 10, 80}},
		{[]vg.Length{20, 98, 99}, []vg.Length{20, 90, 100}},
	} {
		got := apart(c.heights, 10, 0, 100)
		for i := range c.want {
			if got[i] != c.want[i] {
				t.Errorf("apart(%v) = %v, want %v", c.heights, got, c.want)
				break
			}
		}
	}
}
