#!/usr/bin/env bash
# Runs programs of others through "uring proxy", in each of its modes, and writes a table of what came of it.
#
#   scripts/clients/test.sh [--no-install] [FLAG...]   flags of internal/cmd/clients, such as -quick
#
# As root it installs what is missing, on Debian and its descendants, and starts no service of the system: all servers are its
# own, on loopback, with data in a temporary folder, and are gone in the end.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

die() { echo "clients: $*" >&2; exit 1; }

# A command of each package that is needed.
declare -A commands=(
	[redis-server]=redis-server [redis-tools]=redis-benchmark [nginx-light]=nginx [curl]=curl [iperf3]=iperf3
	[openssh-server]=sshd [openssh-client]=scp [socat]=socat [haproxy]=haproxy [openssl]=openssl
	[postgresql]=psql [postgresql-contrib]=pgbench [util-linux]=setpriv
)

missing() {
	local package
	for package in "${!commands[@]}"; do
		PATH=$PATH:/usr/sbin:/sbin command -v "${commands[$package]}" >/dev/null || echo "$package"
	done
	compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || echo postgresql
}

# install PACKAGE...: a policy that starts no service is in force meanwhile, and the machine's own afterwards.
install() {
	local policy=/usr/sbin/policy-rc.d kept=''
	[ "$(id -u)" = 0 ] || die "missing here, and only root can install it: apt-get install $*"
	if [ -e "$policy" ]; then
		kept=$(mktemp)
		cp -p "$policy" "$kept"
	fi
	restore() { # also if the installation fails, or is interrupted
		if [ -n "$kept" ]; then mv "$kept" "$policy"; else rm -f "$policy"; fi
	}
	trap restore EXIT
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
	apt-get update -q >/dev/null || echo "clients: apt-get update fails; going on with what it knows" >&2
	DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@" >/dev/null
	restore
	trap - EXIT
}

if [ "${1:-}" = --no-install ]; then
	shift
else
	mapfile -t packages < <(missing | sort -u)
	[ ${#packages[@]} = 0 ] || install "${packages[@]}"
fi
cd "$root"
export PATH=$PATH:/usr/sbin:/sbin
binary=$(mktemp -d)
trap 'rm -rf "$binary"' EXIT
go build -o "$binary/clients" ./internal/cmd/clients
# Other users start the proxy, too.
chmod 755 "$binary"
cp bin/uring "$binary/uring"
chmod 755 "$binary/uring"
# Who ends this script ends its servers.
"$binary/clients" -uring "$binary/uring" "$@" &
pid=$!
trap 'kill -TERM $pid 2>/dev/null || true' INT TERM HUP
status=0
wait $pid || status=$?
while kill -0 $pid 2>/dev/null; do wait $pid || status=$?; done # a signal ends wait early
exit $status
