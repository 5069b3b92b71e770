# shellcheck shell=bash
# What the scripts that use docker share. To be sourced by bash, not run; root is the folder of the module.

# need_engine says how to get an engine where none answers.
need_engine() {
	command -v docker >/dev/null ||
		die "docker is missing: install it (Debian: apt-get install docker.io), then run this again"
	docker version --format '{{.Server.Version}}' >/dev/null 2>&1 && return
	docker version --format '{{.Server.Version}}' 2>&1 | tail -n 1 >&2 || true
	die "no engine answers. Start one (systemctl start docker; where there is no systemd, dockerd & as root),
or name one in DOCKER_HOST. To use it as a user, be in the group docker."
}

# build TARGET IMAGE. The image starts from uring-base if `make docker-base` made that, unless DOCKER_FLAGS names another. The
# environment says how the host reaches module and package servers, and stays out of the images.
build() {
	local name value args=()
	for name in {HTTP,HTTPS,NO,ALL}_PROXY {http,https,no,all}_proxy; do
		[ -z "${!name:-}" ] || args+=(--build-arg "$name")
	done
	for name in GOPROXY GOSUMDB GONOPROXY GONOSUMDB; do
		value=$(go env "$name" 2>/dev/null) || value=${!name:-}
		[ -z "$value" ] || args+=(--build-arg "$name=$value")
	done
	if [[ " ${DOCKER_FLAGS:-}" != *" BASE="* ]] && docker image inspect uring-base >/dev/null 2>&1; then
		args+=(--build-arg BASE=uring-base)
	fi
	# DOCKER_FLAGS unquoted on purpose: a list of flags.
	docker build "${args[@]}" ${DOCKER_FLAGS:-} --target "$1" -t "$2" "$root"
}
