#!/usr/bin/env bash
# Makes a minimal Debian image with debootstrap, for machines whose docker reaches no image registry. It uses the mirror, the
# proxy and other download options of this machine's apt, and copies the certificate authorities that its owner added. Needs
# root; gets debootstrap if it is missing.
#
#   scripts/docker/base.sh SUITE IMAGE
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
source "$root/scripts/docker/engine.sh"

die() { echo "docker-base: $*" >&2; exit 1; }

[ $# = 2 ] || die "usage: scripts/docker/base.sh SUITE IMAGE"
need_engine
[ "$(id -u)" = 0 ] || die "debootstrap needs root"
command -v debootstrap >/dev/null ||
	{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends debootstrap; } ||
	die "debootstrap is missing: apt-get install debootstrap"

codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
mirror=$(apt-get indextargets --no-release-info --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' |
	awk -v codename="$codename" '$1 == codename { print $2; exit }')
[ -n "$mirror" ] || die "apt's sources name no mirror of $codename"

tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
debootstrap --variant=minbase "$1" "$tree" "$mirror" >"$tree.log" 2>&1 ||
	die "debootstrap failed, see $tree.log"
rm "$tree.log"
apt-config dump | grep -iE '^Acquire::(Check-|https?::)' >"$tree/etc/apt/apt.conf.d/90acquire" || true
added=/usr/local/share/ca-certificates # read when the package ca-certificates is installed
[ ! -d $added ] || cp -R $added "$tree/usr/local/share/"
rm -rf "$tree"/var/cache/apt/* "$tree"/var/lib/apt/lists/* "$tree"/var/log/*
tar -C "$tree" -c . | docker import --change 'CMD ["bash"]' - "$2"
