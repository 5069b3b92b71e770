#!/bin/sh
# Runs Pebble's own tests of file systems on this one, from a copy of its
# package that is thrown away.
set -e
cd "$(dirname "$0")"
source=$(go list -m -f '{{.Dir}}' github.com/cockroachdb/pebble/v2)/vfs
copy=$(mktemp -d ./pebble-tests-XXXXXX)
trap 'chmod -R u+w "$copy"; rm -rf "$copy"' EXIT
cp -r "$source/testdata" "$copy"
# syncing_file_test.go looks at the inside of Pebble's wrapper of files: it has
# nothing to do with what is wrapped.
for test in vfs_test fd_test; do
	sed -e 's/^package vfs$/package vfs_test/' \
		-e '0,/^import (/s//import (\n\t. "github.com\/cockroachdb\/pebble\/v2\/vfs"/' \
		-e 's/\bDefault\b/ours/g' "$source/$test.go" >"$copy/$test.go"
done
cat >"$copy/ours_test.go" <<'GO'
package vfs_test

import (
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/uring-go/uring/contrib/pebble"
	"github.com/uring-go/uring/file"
)

var ours vfs.FS = pebblefs.New(file.Default())

// What the tests take from the inside.
const (
	sep       = "/"
	opTypeMax = 0
)
GO
GOFLAGS=-mod=mod go test -count=1 -v "$copy" "$@"
