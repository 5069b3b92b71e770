//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

const (
	tableBegin = "<!-- written by make test-clients -->\n"
	tableEnd   = "<!-- end of what make test-clients writes -->\n"
)

// writeTable writes the table: between its marks if the file has them, else as
// the whole file.
func (s *suite) writeTable() error {
	if s.table == "" {
		return nil
	}
	text := tableBegin + s.markdown() + tableEnd
	old, err := os.ReadFile(s.table)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	if before, rest, ok := bytes.Cut(old, []byte(tableBegin)); ok {
		if _, after, ok := bytes.Cut(rest, []byte(tableEnd)); ok {
			text = string(before) + text + string(after)
		}
	}
	return os.WriteFile(s.table, []byte(text), 0o644)
}

func (s *suite) markdown() string {
	var b strings.Builder
	release, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	fmt.Fprintf(&b, "Linux %s, all on loopback", bytes.TrimSpace(release))
	if s.quick {
		b.WriteString(", small sizes")
	}
	fmt.Fprintf(&b, "; %s.\n", versions())
	s.part(&b, "programs", "Programs of others, with the same bytes as directly, or their figures:", []front{direct, haproxy})
	s.part(&b, "hardships", "Bad days:", []front{haproxy})
	s.part(&b, "processor", "Processor seconds of the proxy, with those of the kernel's threads for it, and over haproxy's: medians of "+pick(s, "one", "five")+" in turns:", []front{haproxy, socat})
	return b.String()
}

func (s *suite) part(b *strings.Builder, part, title string, others []front) {
	columns := append(others, s.modes()...)
	fmt.Fprintf(b, "\n%s\n\n| |", title)
	for _, f := range columns {
		fmt.Fprintf(b, " %s |", f.name)
	}
	fmt.Fprintf(b, "\n|%s\n", strings.Repeat(" --- |", len(columns)+1))
	for _, r := range s.rows {
		if r.part != part {
			continue
		}
		fmt.Fprintf(b, "| %s |", r.name)
		for _, f := range columns {
			c, ok := r.cells[f.name]
			switch {
			case !ok:
				b.WriteString(" |")
			case c.err != nil:
				b.WriteString(" **fails** |")
			case r.same:
				b.WriteString(" same |")
			default:
				fmt.Fprintf(b, " %s |", c.text)
			}
		}
		b.WriteByte('\n')
	}
}

// versions names the programs that ran.
func versions() string {
	var all []string
	for _, c := range [][]string{
		{"haproxy", "-v"}, {"redis-server", "--version"}, {"nginx", "-v"}, {"psql", "--version"}, {"iperf3", "--version"},
		{"ssh", "-V"}, {"curl", "--version"},
	} {
		out, err := exec.Command(c[0], c[1:]...).CombinedOutput()
		if err != nil {
			continue
		}
		line, _, _ := strings.Cut(string(out), "\n")
		all = append(all, c[0]+" "+number(line))
	}
	return strings.Join(all, ", ")
}

// number is the first word of a line that has a version in it.
func number(line string) string {
	for _, w := range strings.FieldsFunc(line, func(r rune) bool { return !strings.ContainsRune("0123456789.p", r) }) {
		if strings.Contains(w, ".") {
			return strings.Trim(w, ".p")
		}
	}
	return "?"
}
