# uring, its tests and the C library in containers. `make docker` and `make docker-test` call this.
#
# BASE is any Debian with Go 1.24 or newer in reach of its apt. Without an image registry, `make docker-base` makes one.
ARG BASE=debian:stable-slim

FROM ${BASE} AS liburing
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev make ca-certificates
WORKDIR /src
COPY liburing liburing
RUN liburing/build.sh

FROM liburing AS build
COPY scripts scripts
RUN scripts/deps.sh
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN make build

# The tests need io_uring, which docker's defaults forbid: `make docker-test` grants what they use.
FROM build AS test
CMD ["make", "test"]

FROM ${BASE} AS uring
COPY --from=build /src/bin/uring /usr/local/bin/uring
ENTRYPOINT ["uring"]
CMD ["probe"]
