package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/uring-go/uring"
	"github.com/uring-go/uring/file"
)

// A report is what "uring probe -json" prints. Its keys must not change.
type report struct {
	Kernel   string    `json:"kernel"`
	Liburing liburing  `json:"liburing"`
	Usable   bool      `json:"usable"`
	Reason   string    `json:"reason,omitempty"` // why not, and what to do
	Files    string    `json:"files"`            // how package file works
	Features []feature `json:"features"`
	Bugs     []bug     `json:"bugs"`
	Limits   limits    `json:"limits"`
	Rights   []right   `json:"rights"`
}

type liburing struct {
	Header string `json:"header"`
	Linked string `json:"linked"`
}

type feature struct {
	Name   string `json:"name"`
	Since  string `json:"since"`
	Have   answer `json:"have"`
	Reason string `json:"reason,omitempty"`
	Advice string `json:"advice,omitempty"`
}

type bug struct {
	Name        string `json:"name"`
	Seen        answer `json:"seen"`
	Answer      string `json:"answer,omitempty"`
	Consequence string `json:"consequence,omitempty"`
}

// An answer is what a probe found out: yes, no or unknown. In JSON it is true, false
// or null.
type answer string

const (
	yes     answer = "yes"
	no      answer = "no"
	unknown answer = "unknown"
)

// MarshalJSON is for package json.
func (a answer) MarshalJSON() ([]byte, error) {
	switch a {
	case yes:
		return []byte("true"), nil
	case no:
		return []byte("false"), nil
	}
	return []byte("null"), nil
}

// UnmarshalJSON is for package json.
func (a *answer) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case "true":
		*a = yes
	case "false":
		*a = no
	case "null":
		*a = unknown
	default:
		return fmt.Errorf("%s is neither true nor false nor null", b)
	}
	return nil
}

// A shortReport is what "uring probe -short -json" prints.
type shortReport struct {
	Kernel   string   `json:"kernel"`
	Liburing liburing `json:"liburing"`
	Usable   bool     `json:"usable"`
	Reason   string   `json:"reason,omitempty"`
	Files    string   `json:"files"`
	Rights   []right  `json:"rights"`
	Features int      `json:"features"` // how many there could be
	Missing  []string `json:"missing"`
	Unknown  []string `json:"unknown"`
	Bugs     []string `json:"bugs"` // seen, or perhaps there
}

func probe(args []string) int {
	fs := newFlags("probe")
	asJSON := fs.Bool("json", false, "print JSON for programs, with -short too")
	short := fs.Bool("short", false, "print one screen: what is allowed here, and what is missing")
	if status, over := parse(fs, args); over {
		return status
	}
	write := report.print
	switch {
	case *asJSON && *short:
		write = report.shortJSON
	case *asJSON:
		write = report.json
	case *short:
		write = report.summary
	}
	return newReport().show(os.Stdout, write)
}

// show writes the report and returns the exit status.
func (r report) show(w io.Writer, write func(report, io.Writer) error) int {
	if err := write(r, w); err != nil {
		return failed("probe", err)
	}
	if !r.Usable {
		return exitFailed
	}
	return 0
}

func newReport() report {
	r := report{Kernel: uring.KernelVersion(), Usable: true, Features: []feature{}, Bugs: []bug{}, Limits: readLimits()}
	r.Liburing.Header, r.Liburing.Linked = uring.LiburingVersion()
	if err := tryRing(); err != nil {
		// Without a ring nothing else can be found out.
		r.Usable, r.Reason = false, err.Error()
	}
	r.Files = filesWay()
	r.Rights = rights(r.Limits, r.Usable)
	if !r.Usable {
		return r
	}
	for _, f := range uring.Features() {
		r.Features = append(r.Features, describe(f))
	}
	for _, b := range uring.KernelBugs() {
		r.Bugs = append(r.Bugs, describeBug(b))
	}
	return r
}

// filesWay returns how package file reads and writes here.
func filesWay() string {
	e, err := file.New(file.Config{})
	if err != nil {
		return err.Error()
	}
	s := e.Stats()
	if err := e.Close(); err != nil {
		return err.Error()
	}
	if s.Ring {
		return "by io_uring"
	}
	return "by a limited number of threads"
}

func tryRing() error {
	ring, err := uring.New(uring.Config{Entries: 4})
	if err != nil {
		return err
	}
	return ring.Close()
}

func describe(f uring.Feature) feature {
	switch {
	case f.Err == nil:
		return feature{Name: f.Name, Since: f.Since, Have: yes}
	case errors.Is(f.Err, uring.ErrNotSupported):
		return feature{Name: f.Name, Since: f.Since, Have: no, Reason: f.Err.Error(), Advice: f.Advice}
	}
	return feature{Name: f.Name, Since: f.Since, Have: unknown, Reason: f.Err.Error()}
}

func describeBug(b uring.KernelBug) bug {
	switch {
	case b.Err != nil:
		return bug{Name: b.Name, Seen: unknown, Answer: b.Err.Error()}
	case b.Seen:
		return bug{Name: b.Name, Seen: yes, Answer: b.Answer, Consequence: b.Consequence}
	}
	return bug{Name: b.Name, Seen: no}
}

func (r report) json(w io.Writer) error { return writeJSON(w, r) }

func (r report) shortJSON(w io.Writer) error { return writeJSON(w, r.shorten()) }

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// shorten leaves out what is as it should be.
func (r report) shorten() shortReport {
	s := shortReport{
		Kernel: r.Kernel, Liburing: r.Liburing, Usable: r.Usable, Reason: r.Reason, Files: r.Files, Rights: r.Rights,
		Features: len(r.Features), Missing: []string{}, Unknown: []string{}, Bugs: []string{},
	}
	for _, f := range r.Features {
		switch f.Have {
		case no:
			s.Missing = append(s.Missing, f.Name)
		case unknown:
			s.Unknown = append(s.Unknown, f.Name)
		}
	}
	for _, b := range r.Bugs {
		if b.Seen != no {
			s.Bugs = append(s.Bugs, b.Name)
		}
	}
	return s
}

// summary writes what fits on a screen.
func (r report) summary(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	r.head(t)
	if s := r.shorten(); r.Usable {
		fmt.Fprintf(t, "\nfeatures\t%d of %d here\n", s.Features-len(s.Missing)-len(s.Unknown), s.Features)
		list(t, "missing", s.Missing)
		list(t, "unknown", s.Unknown)
		list(t, "kernel bugs", s.Bugs)
	}
	return t.Flush()
}

// list writes names in lines of at most 100 columns.
func list(w io.Writer, title string, names []string) {
	const room = 100 - len("kernel bugs  ")
	line := ""
	for i, name := range names {
		if i < len(names)-1 {
			name += ","
		}
		if line != "" && len(line)+1+len(name) > room {
			fmt.Fprintf(w, "%s\t%s\n", title, line)
			title, line = "", ""
		}
		line = strings.TrimSpace(line + " " + name)
	}
	if line != "" {
		fmt.Fprintf(w, "%s\t%s\n", title, line)
	}
}

// head writes what stands at the top of both forms.
func (r report) head(w io.Writer) {
	fmt.Fprintf(w, "kernel\t%s\n", known(r.Kernel))
	fmt.Fprintf(w, "liburing\theader %s, linked %s\n", known(r.Liburing.Header), known(r.Liburing.Linked))
	if r.Usable {
		fmt.Fprintf(w, "io_uring\tusable\n")
	} else {
		fmt.Fprintf(w, "io_uring\tnot usable: %s\n", r.Reason)
	}
	fmt.Fprintf(w, "package file\tworks %s\n", r.Files)
	for _, right := range r.Rights {
		fmt.Fprintf(w, "%s\t%s\n", right.Name, right.Here)
		if right.Advice != "" {
			fmt.Fprintf(w, "\t  %s\n", right.Advice)
		}
	}
}

// print writes the report for people.
func (r report) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	r.head(t)
	if len(r.Features) > 0 {
		fmt.Fprintf(t, "\nfeature\there\tsince Linux\n")
	}
	for _, f := range r.Features {
		fmt.Fprintf(t, "%s\t%s\t%s\n", f.Name, f.Have, f.Since)
	}
	if len(r.Bugs) > 0 {
		fmt.Fprintf(t, "\nkernel bug\there\n")
	}
	for _, b := range r.Bugs {
		fmt.Fprintf(t, "%s\t%s\n", b.Name, b.Seen)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(w, r.explain())
	return err
}

// explain says more about what is missing, unknown or wrong.
func (r report) explain() string {
	var s strings.Builder
	for _, f := range r.Features {
		if f.Have != yes {
			fmt.Fprintf(&s, "\n%s\n    why not:    %s\n", f.Name, f.Reason)
		}
		if f.Advice != "" {
			fmt.Fprintf(&s, "    without it: %s\n", f.Advice)
		}
	}
	for _, b := range r.Bugs {
		if b.Seen != no {
			fmt.Fprintf(&s, "\n%s\n    the kernel: %s\n", b.Name, b.Answer)
		}
		if b.Consequence != "" {
			fmt.Fprintf(&s, "    this means: %s\n", b.Consequence)
		}
	}
	return s.String()
}

func known(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}
