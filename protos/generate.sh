#!/bin/sh
# Derive gen/ from protos/: messages, gRPC stubs and their types. Run through `make protos`.
set -eu
cd "$(dirname "$0")/.."
include=$(.venv/bin/python -c 'import os, grpc_tools; print(os.path.join(os.path.dirname(grpc_tools.__file__), "_proto"))')
rm -rf gen/gantry
# shellcheck disable=SC2046
PATH="$PWD/.venv/bin:$PATH" .venv/bin/python -m grpc_tools.protoc -Iprotos -I"$include" \
  --python_out=gen --grpc_python_out=gen --mypy_out=gen --mypy_grpc_out=gen \
  $(cd protos && find gantry -name '*.proto' | sort)
