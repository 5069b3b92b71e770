#!/usr/bin/env bash
# Installs what building and testing need and this machine lacks, from the system's own apt sources.
# Silent when nothing is missing. Without root it says what to install.
set -euo pipefail

oldest_go=1.24

die() { echo "deps: $*" >&2; exit 1; }

# at_least VERSION MINIMUM
at_least() { printf '%s\n%s\n' "$2" "$1" | sort -CV; }

has_go() {
	local version
	version=$(go env GOVERSION 2>/dev/null) || return 1
	version=${version#go}
	at_least "${version%%[!0-9.]*}" $oldest_go
}

has_libc_headers() { echo '#include <stdio.h>' | gcc -E - >/dev/null 2>&1; }

missing_packages() {
	command -v gcc >/dev/null || echo gcc
	command -v make >/dev/null || echo make
	has_libc_headers || echo libc6-dev
	[ -e /etc/ssl/certs/ca-certificates.crt ] || echo ca-certificates
}

# go_in_apt: "version suite" of a golang-go that is new enough, nothing if no configured suite has one.
go_in_apt() {
	local version suite
	while IFS='| ' read -r _ version _ suite _; do
		version=${version#*:}
		at_least "${version%%[!0-9.]*}" $oldest_go || continue
		echo "$version ${suite%%/*}"
		return
	done < <(apt-cache madison golang-go)
}

install() {
	[ "$(id -u)" = 0 ] || die "missing here, and only root can install it: apt-get install $*"
	DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

missing=$(missing_packages | paste -sd' ')
if [ -z "$missing" ] && has_go; then
	exit
fi
command -v apt-get >/dev/null ||
	die "no apt-get here: install Go >= $oldest_go and what provides ${missing:-nothing else} with your package manager"
[ "$(id -u)" != 0 ] || apt-get update
# Unquoted on purpose: a list of package names.
[ -z "$missing" ] || install $missing
if has_go; then
	exit
fi
found=$(go_in_apt)
[ -n "$found" ] || die "Go >= $oldest_go is needed, and no configured apt suite has it.
Install it from your distribution's backports or from the Go project, put it in PATH, and run this again."
install -t "${found#* }" golang-go
hash -r
has_go || die "golang-go is installed, but the go that PATH finds ($(command -v go)) is older than $oldest_go: remove that one"
