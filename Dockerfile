# uring in containers: `make docker` builds the images, `make docker-test` runs the tests in one.
#
#   build  Go, a C compiler and the pinned liburing where both find it: start your own Dockerfile FROM it
#   proxy  the program uring and nothing else, not as root
#   test   the compiled tests
#
# BASE is a Debian whose apt has Go 1.24 or newer, or an image that has Go. Without an image registry, `make docker-base`
# makes one. Both builders of docker take this file.
ARG BASE=debian:trixie-slim

FROM ${BASE} AS liburing
RUN apt-get update && \
	apt-get install -y --no-install-recommends ca-certificates gcc libc6-dev make && \
	apt-get clean && rm -rf /var/lib/apt/lists/*
COPY liburing/PIN liburing/build.sh liburing/debian.sh /src/
RUN DESTDIR=/image /src/build.sh --install /usr/local

FROM ${BASE} AS build
RUN apt-get update && \
	apt-get install -y --no-install-recommends ca-certificates gcc libc6-dev pkgconf $(command -v go >/dev/null || echo golang-go) && \
	apt-get clean && rm -rf /var/lib/apt/lists/*
COPY --from=liburing /image /
# Without a C compiler Go would quietly build the stub that answers "not supported".
ENV CGO_ENABLED=1

# From here on nothing becomes part of an image that others build on: the host's way to modules stays out of them.
FROM build AS program
ARG GOPROXY
ARG GOSUMDB
ARG GONOPROXY
ARG GONOSUMDB
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# A static program, with Go's own resolver: glibc's needs files that the image does not have.
RUN go build -trimpath -tags netgo,osusergo -ldflags '-s -w -extldflags -static' -o /image/usr/local/bin/uring ./cmd/uring && \
	install -D -t /image/usr/local/share/doc/liburing /usr/local/share/doc/liburing/LICENSE && \
	install -d -m 1777 /image/tmp

FROM scratch AS proxy
COPY --from=program /image /
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/uring"]
CMD ["probe", "-short"]

FROM program AS compiled
RUN docker/compile-tests

# Tests read files of the tree, so they lie in it.
FROM ${BASE} AS test
COPY --from=compiled /src /src
COPY --from=compiled /image/usr/local/bin/uring /usr/local/bin/
WORKDIR /src
CMD ["docker/run-tests"]
