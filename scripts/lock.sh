#!/usr/bin/env bash
# Writes requirements.lock: every package of pyproject.toml, its extra `operator` and its group `dev`, at one version, with hashes, for Python 3.11
# and newer on every platform. Versions stay where they are, unless pyproject.toml forbids them or --upgrade is given.
set -euo pipefail
cd "$(dirname "$0")/.."

tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
"${PYTHON:-python3}" -m venv "$tools"
"$tools/bin/pip" install --quiet --disable-pip-version-check uv
"$tools/bin/uv" pip compile --quiet pyproject.toml --extra operator --group dev --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" "$@" -o requirements.lock
if grep -n '://' requirements.lock; then
    echo "lock: requirements.lock names an address; it must not" >&2
    exit 1
fi
