#!/usr/bin/env bash
# Builds the images and says how large they are.
#
#   scripts/docker/build.sh [TARGET...]   by default build, proxy and test; see Dockerfile
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
source "$root/scripts/docker/engine.sh"

die() { echo "docker-build: $*" >&2; exit 1; }

# image TARGET: the name of its image.
image() { if [ "$1" = proxy ]; then echo uring; else echo "uring-$1"; fi; }

need_engine
[ $# != 0 ] || set build proxy test
for target; do
	build "$target" "$(image "$target")"
done
for target; do
	docker image inspect --format '{{index .RepoTags 0}} {{.Size}}' "$(image "$target")"
done | awk '{ printf "docker-build: %-20s %6.1f MB\n", $1, $2 / 1e6 }'
