#!/usr/bin/env bash
# Runs golangci-lint and actionlint, and builds them in bin/tools where they are missing. Building golangci-lint takes some
# minutes, too long for every `make lint`: it gives up after LINT_TOOLS_TIME, and the next run goes on from there.
#
#   scripts/lint-tools.sh build   only build, and fail if that fails
#   scripts/lint-tools.sh         run what is there or can be built in time, say what cannot
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
golangci=github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
actionlint=github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
tools=$PWD/bin/tools

say() { echo "lint-tools: $*"; }
program() { echo "$tools/$(basename "${1%@*}")-${1##*@}"; }

# get PACKAGE@VERSION TIME: builds the program unless it is there.
get() {
	local program
	program=$(program "$1")
	[ ! -x "$program" ] || return 0
	CGO_ENABLED=0 GOBIN=$tools/new timeout "$2" go install "$1" >"$program.log" 2>&1 || return
	mv "$tools/new/$(basename "${1%@*}")" "$program"
	rm "$program.log"
}

mkdir -p "$tools"
if [ "${1:-}" = build ]; then
	for tool in $actionlint $golangci; do
		get $tool 30m || { cat "$(program $tool).log" >&2; say "could not build $tool" >&2; exit 1; }
	done
	exit
fi
status=0
for tool in $actionlint $golangci; do
	get $tool "${LINT_TOOLS_TIME:-75s}" || {
		say "NOT RUN: $tool is not here, and could not be built in ${LINT_TOOLS_TIME:-75s} (make lint-tools takes the time): $(tail -n 1 "$(program $tool).log")"
		continue
	}
	case $tool in
	$actionlint) "$(program $tool)" || status=1 ;;
	$golangci)   "$(program $tool)" run --allow-parallel-runners ./... || status=1 ;;
	esac
done
exit $status
