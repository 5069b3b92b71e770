package command

import (
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"
)

// The page about the proxy knows each of its flags, and no other.
func TestPageOfTheProxyHasItsFlags(t *testing.T) {
	page, err := os.ReadFile("../../../docs/proxy.md")
	if err != nil {
		t.Fatal(err)
	}
	flags, _, _ := strings.Cut(string(page), "\n## Clients") // which has those of a test
	named := map[string]bool{}
	for _, m := range regexp.MustCompile("`[^`]*`|(?m)^    uring.*$").FindAllString(flags, -1) {
		for _, f := range regexp.MustCompile(`(?:^|[ \x60])-([a-z][a-z-]+)`).FindAllStringSubmatch(m, -1) {
			named[f[1]] = true
		}
	}
	var c proxyConfig
	fs := newFlags("proxy")
	c.define(fs)
	fs.VisitAll(func(f *flag.Flag) {
		if !named[f.Name] {
			t.Errorf("the page lacks -%s", f.Name)
		}
		delete(named, f.Name)
	})
	for name := range named {
		t.Errorf("the page has -%s, which is no flag", name)
	}
}
