#!/usr/bin/env bash
# Makes docker/seccomp.json: the profile that this machine's engine applies by default, with io_uring allowed.
#
# An engine has its default profile built in. The configuration of a running container shows it: the engine hands it to its
# runtime in a file that root can read on the engine's machine.
#
#   scripts/docker/seccomp.sh            write docker/seccomp.json
#   scripts/docker/seccomp.sh -compare   say how the engine's default differs from it
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
source "$root/scripts/docker/engine.sh"

die() { echo "docker-seccomp: $*" >&2; exit 1; }

need_engine
docker image inspect uring >/dev/null 2>&1 || die "the image uring is missing: make docker"
id=$(docker run -d --rm --entrypoint /usr/local/bin/uring uring sink -listen 127.0.0.1:0)
trap 'docker rm -f "$id" >/dev/null' EXIT
config=$(find /run/docker /run/containerd -path "*$id/config.json" -readable 2>/dev/null | head -n 1) || true
[ -n "$config" ] || die "the configuration of container $id was not found below /run: is the engine on another machine, or are you not root?"

cd "$root"
if [ "${1:-}" = -compare ]; then
	go run ./internal/cmd/seccomp -compare docker/seccomp.json <"$config"
else
	go run ./internal/cmd/seccomp <"$config" >docker/seccomp.json.new
	mv docker/seccomp.json.new docker/seccomp.json
fi
