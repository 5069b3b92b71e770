#!/usr/bin/env bash
# Runs the compiled tests in three kinds of container:
#
#   privileged       with everything the engine can give
#   unprivileged     no root, no capability, no way to get one, the profile docker/seccomp.json
#   engine default   with the engine's own profile, and the one of engines that forbid io_uring: the error must say what to do
#
# Prints what each run skipped for lack of a right. Privileged runs must skip nothing.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
source "$root/scripts/docker/engine.sh"

say() { echo "docker-test: $*"; }
die() { echo "docker-test: $*" >&2; exit 1; }

profile=$root/docker/seccomp.json
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# run FLAG... -- COMMAND... in the image of the tests: on a volume, because tests of files want a real file system, and with IPv6.
run() { docker run --rm --volume /tmp --sysctl net.ipv6.conf.all.disable_ipv6=0 "${@:1:$(($# - 1))}" uring-test bash -c "${!#}"; }

# lacking prints the capabilities that process 1 of the engine's machine lacks, as the headers of the image uring-build name them.
lacking() {
	docker run --rm --pid=host uring-build sh -c '
		awk "/^CapBnd:/ { print \$2 }" /proc/1/status
		awk "\$1 == \"#define\" && \$2 ~ /^CAP_[A-Z_]+\$/ && \$3 ~ /^[0-9]+\$/ { print \$3, \$2 }" /usr/include/linux/capability.h' |
		{
			read -r set
			while read -r bit name; do
				(((16#$set >> bit) & 1)) || echo "${name#CAP_}"
			done
		}
}

# privileged sets flags to those of a privileged container, or to the closest that the engine allows.
privileged() {
	local error name missing
	flags=(--privileged)
	error=$(docker run --rm --privileged uring-test true 2>&1) && return
	missing=$(lacking | paste -sd' ')
	[ -n "$missing" ] || die "the engine starts no privileged container: $error"
	say "the engine starts no privileged container here, because it lacks itself: $missing"
	say "given instead: all other capabilities, no seccomp profile, all of /proc and /sys, the devices of the host"
	flags=(--cap-add ALL --security-opt seccomp=unconfined --security-opt apparmor=unconfined
		--security-opt systempaths=unconfined --volume /dev:/dev --device-cgroup-rule 'a *:* rwm')
	for name in $missing; do flags+=(--cap-drop "$name"); done
}

run_privileged() {
	privileged
	run "${flags[@]}" 'docker/run-tests --may-lack "the go command" --may-lack "the C examples"'
}

unprivileged=(--user 65532:65532 --cap-drop ALL --security-opt no-new-privileges)

run_unprivileged() {
	run "${unprivileged[@]}" --security-opt "seccomp=$profile" docker/run-tests
}

# probe FLAG...: runs uring probe in the image uring; sets status.
probe() {
	status=0
	docker run --rm "$@" uring probe >"$tmp/probe" 2>&1 || status=$?
}

run_default() {
	probe
	if [ $status = 0 ]; then
		say "the default profile of this engine ($(docker version --format '{{.Server.Version}}')) allows io_uring, as they did before 25:"
		say "forbidden below with docker/seccomp.json without its three calls"
		sed '/"io_uring_/d' "$profile" >"$tmp/forbids.json"
		probe --security-opt "seccomp=$tmp/forbids.json"
	fi
	cat "$tmp/probe"
	[ $status = 1 ] || die "uring probe ended with status $status where io_uring is forbidden, want 1"
	grep -q 'not usable: uring: open ring: operation not permitted' "$tmp/probe" || die "uring probe does not say what is wrong"
	grep -q 'docker/seccomp.json' "$tmp/probe" || die "uring probe does not say what to do"
	say "said so, and what to do"
}

need_engine
if [ "${1:-}" != --built ]; then
	"$root/scripts/docker/build.sh" build proxy test
fi
failed=''
for kind in privileged unprivileged default; do
	echo
	say "$kind"
	(run_$kind) || failed="$failed $kind"
done
[ -z "$failed" ] || die "failed:$failed"
say "all three passed"
