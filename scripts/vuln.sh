#!/usr/bin/env bash
# Asks the Go vulnerability database about what the module and Go's own packages use. Without a network there is no database:
# the script says so, and fails only where CI is set.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
govulncheck=golang.org/x/vuln/cmd/govulncheck@v1.9.0

status=0
out=$(go run $govulncheck ./... 2>&1) || status=$?
echo "$out"
if [ $status != 0 ] && grep -qE 'dial tcp|no such host|i/o timeout|connection refused|fetching vulnerabilities|proxyconnect|403 Forbidden' <<<"$out"; then
	echo "vuln: NOT CHECKED: the vulnerability database cannot be reached from here"
	[ -n "${CI:-}" ] || exit 0
fi
exit $status
