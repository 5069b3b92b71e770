#!/usr/bin/env bash
# Installs what building and testing need and this machine lacks, from the system's own apt sources.
# Silent when nothing is missing. Without root it says what to install.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
source "$root/liburing/debian.sh"
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

install() {
	[ "$(id -u)" = 0 ] || die "missing here, and only root can install it: apt-get install $*"
	DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

# install_go: from the configured suites, or else from Debian trixie, whose Go packages depend on nothing but each other.
install_go() {
	local candidate dir=$root/liburing/state/trixie-package
	candidate=$(apt-cache policy golang-go | awk '$1 == "Candidate:" { sub(/^[0-9]+:/, "", $2); print $2 }')
	if at_least "${candidate%%[!0-9.]*}" $oldest_go; then
		install golang-go
		return
	fi
	[ "$(id -u)" = 0 ] || die "Go >= $oldest_go is missing: install it, put it in PATH, and run this again"
	debian_open "$dir" trixie deb
	rm -f "$dir"/golang-*.deb
	(cd "$dir" && apt-get -c apt.conf download golang-go golang-src golang-1.24-go golang-1.24-src) ||
		die "no configured apt suite has Go >= $oldest_go, and it could not be had from Debian trixie.
Install it from your distribution's backports or from the Go project, put it in PATH, and run this again."
	install "$dir"/golang-*.deb
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
has_go || install_go
hash -r
has_go || die "golang-go is installed, but the go that PATH finds ($(command -v go)) is older than $oldest_go: remove that one"
