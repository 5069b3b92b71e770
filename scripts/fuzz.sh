#!/usr/bin/env bash
# Runs every fuzz target for a time, such as 30s, one after the other, and says how many inputs each was given. Little of the
# time goes into making new inputs shorter: the coverage of one is seldom the same twice. Inputs that fail are kept in the
# package's testdata/fuzz, and are tests from then on.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
fuzztime=${1:?fuzz: want a time, such as 30s}

targets() { go test -list '^Fuzz' "$1" | grep '^Fuzz' || true; }

printf '%-28s %-28s %12s %8s\n' package target executions corpus
for package in $(go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./...); do
	for target in $(targets "$package"); do
		out=$(go test -run '^$' -fuzz "^$target\$" -fuzztime "$fuzztime" -fuzzminimizetime 20x "$package" 2>&1) || {
			echo "$out" >&2
			echo "fuzz: $target of $package failed" >&2
			exit 1
		}
		last=$(grep 'execs: ' <<<"$out" | tail -n 1)
		[[ $last =~ execs:\ ([0-9]+) ]] && execs=${BASH_REMATCH[1]} || execs=0
		[[ $last =~ total:\ ([0-9]+) ]] && corpus=${BASH_REMATCH[1]} || corpus=0
		printf '%-28s %-28s %12s %8s\n' "${package#*/*/}" "$target" "$execs" "$corpus"
		[ "$execs" -gt 0 ] || { echo "fuzz: $target ran no input" >&2; exit 1; }
	done
done
