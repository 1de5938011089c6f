#!/bin/sh
# Fail when gen/ is not what protos/ derive to. Run through `make lint`.
set -eu
cd "$(dirname "$0")/.."
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
sh protos/generate.sh "$fresh"
if ! diff -r -x __pycache__ "$fresh/gantry" gen/gantry; then
  echo "gen/ differs from what protos/ derive to: run make protos and commit the result" >&2
  exit 1
fi
