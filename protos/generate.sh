#!/bin/sh
# Derive messages, gRPC stubs and their types from protos/ into the folder given (gen in the project). Run through `make protos`.
set -eu
cd "$(dirname "$0")/.."
target=${1:-gen}
include=$(.venv/bin/python -c 'import os, grpc_tools; print(os.path.join(os.path.dirname(grpc_tools.__file__), "_proto"))')
rm -rf "$target/gantry"
mkdir -p "$target"
# shellcheck disable=SC2046
PATH="$PWD/.venv/bin:$PATH" .venv/bin/python -m grpc_tools.protoc -Iprotos -I"$include" \
  --python_out="$target" --grpc_python_out="$target" --mypy_out=quiet:"$target" --mypy_grpc_out=quiet:"$target" \
  $(cd protos && find gantry -name '*.proto' | sort)
