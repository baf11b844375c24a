#!/usr/bin/env bash
# Writes the Python of proto/ anew, under the folder that is given (default: here). The generator comes with the group `dev`.
set -euo pipefail
cd "$(dirname "$0")/.."

out=${1:-.}
.venv/bin/python -m grpc_tools.protoc --proto_path=proto --python_out="$out" --pyi_out="$out" proto/marketfeed/v1/*.proto
