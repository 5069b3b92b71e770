# `make` lists the targets. A clean clone needs nothing but make: what else is missing, `deps` installs (as root, from apt).

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.6.1
# Each package takes a minute or two; the rest of the time is for a busy machine.
GO_TEST = go test -count=1 -timeout 30m
DEMO_FLAGS =
BENCH_FLAGS =
FUZZTIME = 30s
SOAK_FLAGS =
TORTURE_FLAGS = -for 1m
# Flags for docker build. Without BASE= among them, images start from uring-base if make docker-base made it.
DOCKER_FLAGS =
CONSUMER_FLAGS =
# -quick, or -only EXPRESSION; -table docs/proxy.md writes what came of it into the page.
CLIENTS_FLAGS =

# Without a C compiler Go would quietly build the stub that answers "not supported".
export CGO_ENABLED = 1

.DEFAULT_GOAL := help
.PHONY: help deps liburing build metrics test test-metrics test-liburing-2.9 test-distro-liburing test-old-liburing test-asan test-kernels test-arm64 lint lint-tools apidiff vuln fuzz parity demo bench soak \
	docker docker-test docker-base docker-seccomp test-consumer clean

help: ## list the targets
	@grep -hE '^[a-z][a-z0-9.-]*:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 24

deps: ## install what building and testing need and this machine lacks
	@scripts/deps.sh

liburing: deps ## build the pinned C library (LIBURING_SRC=dir: from your own source tree)
	@liburing/build.sh

build: liburing ## build bin/uring
	go build -buildvcs=false -o bin/uring ./cmd/uring

metrics: liburing ## build bin/uring-metrics, the program with -metrics, which fetches the library of Prometheus
	cd cmd/uring-metrics && go build -buildvcs=false -o ../../bin/uring-metrics .

test-metrics: metrics ## run the tests of bin/uring-metrics, a module of its own
	cd cmd/uring-metrics && go vet . && $(GO_TEST) .

test: liburing ## run all tests, whatever fails: plain, with the race detector, with internal checks, with all kernel entries through liburing
	@failed=; \
	step() { echo "$$*"; "$$@" || failed="$$failed  $$*\n"; }; \
	step $(GO_TEST) ./...; \
	step $(GO_TEST) -race ./...; \
	step $(GO_TEST) -tags uring_debug ./...; \
	step $(GO_TEST) -tags uring_c_enter . ./cgo ./internal/cmd/torture; \
	step $(GO_TEST) -tags uring_sysctl -run TestRingsDisabled .; \
	[ -z "$$failed" ] || { printf "failed:\n$$failed" >&2; exit 1; }

test-liburing-2.9: deps ## run the tests with the oldest supported liburing, built here
	@scripts/test-liburing.sh pinned 2.9

test-distro-liburing: deps ## run the tests with the liburing-dev package of Debian trixie
	@scripts/test-liburing.sh package trixie

test-old-liburing: deps ## check that the liburing-dev of Debian bookworm, too old, is refused with advice
	@scripts/test-liburing.sh too-old bookworm

test-kernels: liburing ## run the tests on Debian's kernels in QEMU, and write docs/kernels.md (KERNELS="6.1 7.0": some of them)
	@scripts/kernels/test.sh

test-arm64: liburing ## run the tests on Debian's kernels for arm64, with pages of 4 and 16 KiB, on an emulated processor
	@ARCH=arm64 scripts/kernels/test.sh

lint: liburing ## gofmt, go vet (also without C, and for another system and processor), staticcheck, golangci-lint, actionlint
	@files=$$(gofmt -l .); [ -z "$$files" ] || { echo "gofmt would change:"; echo "$$files"; exit 1; }
	go vet ./...
	go vet -tags uring_debug ./...
	CGO_ENABLED=0 go vet ./...
	CGO_ENABLED=0 GOOS=darwin go vet ./...
	CGO_ENABLED=0 GOARCH=arm go build ./...
	go run $(STATICCHECK) ./...
	go run $(STATICCHECK) -tags uring_debug ./...
	@scripts/lint-tools.sh
	@scripts/apidiff.sh

lint-tools: ## build golangci-lint and actionlint for lint, which takes some minutes the first time
	@scripts/lint-tools.sh build

apidiff: ## compare what is exported with the last release: what breaks programs must be in CHANGELOG.md
	@scripts/apidiff.sh

vuln: liburing ## ask the Go vulnerability database, where there is a network
	@scripts/vuln.sh

parity: liburing ## fail unless the package covers every function, macro and constant of liburing, see docs/parity.md
	go run ./internal/cmd/parity

test-asan: liburing ## run the tests with AddressSanitizer in the C parts
	@# It makes Go's own code allocate.
	$(GO_TEST) -short -asan -skip 'AllocatesNothing|^TestCallsFor' . ./cgo

soak: build ## run a million steps of the model test, random programs, and the proxy under a load of a bad day (SOAK_FLAGS="-for 1h")
	go test -count=1 -timeout 1h -run '^TestTrafficAgreesWithItsModel$$' . -model.steps=250000
	go run ./internal/cmd/torture $(TORTURE_FLAGS)
	go run -race ./internal/cmd/torture $(TORTURE_FLAGS)
	go run -tags uring_debug ./internal/cmd/torture $(TORTURE_FLAGS)
	go run -tags uring_c_enter ./internal/cmd/torture $(TORTURE_FLAGS)
	go run ./internal/cmd/soak $(SOAK_FLAGS)

fuzz: liburing ## run each fuzz target for a while (FUZZTIME=30s), say how many inputs it was given
	@scripts/fuzz.sh $(FUZZTIME)

demo: build ## run the demonstration (DEMO_FLAGS="-size 64MiB")
	bin/uring demo $(DEMO_FLAGS)

bench: liburing ## compare with C, giouring and package net, as root (BENCH_FLAGS=-quick for under 5 minutes)
	cd bench && go build -buildvcs=false -o bin/bench . && bin/bench $(BENCH_FLAGS)

docker: ## build the images uring-build, uring and uring-test (DOCKER_FLAGS="--build-arg BASE=...")
	@DOCKER_FLAGS="$(DOCKER_FLAGS)" scripts/docker/build.sh

docker-test: ## run the tests in containers: privileged, unprivileged, and as engines start them by default
	@DOCKER_FLAGS="$(DOCKER_FLAGS)" scripts/docker/test.sh

docker-base: ## make the base image uring-base from this machine's apt mirror, where docker has no registry
	@scripts/docker/base.sh trixie uring-base

docker-seccomp: ## make docker/seccomp.json from the default profile of this machine's engine, as root
	@scripts/docker/seccomp.sh

test-consumer: ## build a program that depends on the module, in a container and outside (CONSUMER_FLAGS=--no-docker)
	@DOCKER_FLAGS="$(DOCKER_FLAGS)" scripts/test-consumer.sh $(CONSUMER_FLAGS)

test-clients: build ## run redis, nginx, PostgreSQL, iperf3, ssh and socat through the proxy, beside haproxy, as root (CLIENTS_FLAGS="-quick")
	@scripts/clients/test.sh $(CLIENTS_FLAGS)

clean: ## remove everything that was built or fetched
	rm -rf bin liburing/build liburing/build.new liburing/src liburing/state cgo/liburing_pin_generated.h
