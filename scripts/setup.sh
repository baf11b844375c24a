#!/usr/bin/env bash
# Makes .venv with the locked packages, the project itself and its compiled kernel; installs what Debian packages it needs.
# With the argument `redis` it sees to a redis-server instead. Quick when nothing changed, safe to run again.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=.venv
shard=shard/marketfeed_shard
apt_lists_fresh=no

say() { printf '==> %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then env DEBIAN_FRONTEND=noninteractive "$@"; else sudo -n env DEBIAN_FRONTEND=noninteractive "$@"; fi
}

# apt_install PACKAGE...: true when they are installed; its own output is shown only when it fails.
apt_install() {
    command -v apt-get >/dev/null || return 1
    [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null || return 1
    say "apt-get install $* (up to a minute)"
    local log
    log=$(mktemp)
    if [ "$apt_lists_fresh" = no ]; then
        as_root apt-get -q -o DPkg::Lock::Timeout=120 update >"$log" 2>&1 || true  # old lists may do
        apt_lists_fresh=yes
    fi
    if ! as_root apt-get -q -y -o DPkg::Lock::Timeout=120 install --no-install-recommends "$@" >>"$log" 2>&1; then
        tail -n 5 "$log" >&2
        rm -f "$log"
        return 1
    fi
    rm -f "$log"
}

is_recent() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    local candidate
    for candidate in "${PYTHON:-python3}" python3.13 python3.12 python3.11 /usr/bin/python3; do
        if is_recent "$candidate"; then
            python=$candidate
            return
        fi
    done
    fail "Python 3.11 or newer is needed and not found: install it, or name it with PYTHON=/path/to/python3."
}

ensure_venv() {
    if [ -x "$venv/bin/python" ] && is_recent "$venv/bin/python" && "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
        return
    fi
    find_python
    if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
        apt_install python3-venv || true
        "$python" -c 'import venv, ensurepip' 2>/dev/null ||
            fail "the module venv of $python is missing: run \`apt-get install python3-venv\` as root, then again."
    fi
    say "a virtual environment at $venv, with $("$python" -V)"
    "$python" -m venv --clear "$venv"
}

sum_of() { cat "$@" | sha256sum | cut -d ' ' -f 1; }

ensure_packages() {
    local wanted
    wanted="$(sum_of requirements.lock) $("$venv/bin/python" -V)"
    [ "$(cat "$venv/.packages" 2>/dev/null)" = "$wanted" ] && return
    say "the packages of requirements.lock (a minute or two)"
    "$venv/bin/python" -m pip install --require-hashes --progress-bar off --disable-pip-version-check -r requirements.lock |
        sed -un -e 's/^Collecting \([^ ]*\).*/    \1/p' -e '/^Installing collected/s/:.*/ …/p' ||
        fail "the packages could not be installed: see pip's message above; can this machine reach its package registry?"
    echo "$wanted" >"$venv/.packages"
}

# Whether the C compiler that this Python would call finds Python's headers.
can_compile() {
    printf '#include <Python.h>\n' | "$compiler" -I "$headers" -E -o /dev/null -x c - 2>/dev/null
}

ensure_compiler() {
    compiler=$("$venv/bin/python" -c 'import sysconfig; print((sysconfig.get_config_var("CC") or "cc").split()[0])')
    compiler=${CC:-$compiler}
    headers=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
    can_compile && return
    local missing=()
    command -v "$compiler" >/dev/null || missing+=(gcc libc6-dev)
    [ -e "$headers/Python.h" ] || missing+=(python3-dev)
    [ ${#missing[@]} -gt 0 ] || missing=(libc6-dev)
    apt_install "${missing[@]}" || true
    can_compile || say "no C compiler with Python's headers: \`apt-get install gcc libc6-dev python3-dev\` as root brings the fast engine"
}

ensure_project() {
    local wanted
    wanted="$(sum_of pyproject.toml setup.py $(find "$shard" -name '*.py[xd]' | sort) "$venv/.packages") compiler=$(can_compile && echo yes || echo no)"
    if [ "$(cat "$venv/.project" 2>/dev/null)" != "$wanted" ] || [ ! -x "$venv/bin/marketfeed" ]; then
        say "the project and its kernel (half a minute)"
        rm -rf build "$venv/.project"
        find "$shard" -name '*.so' -delete
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . ||
            fail "the project could not be installed: see pip's message above."
        echo "$wanted" >"$venv/.project"
    fi
    local built
    built=$(env -u MARKETFEED_ENGINE "$venv/bin/python" -c 'from marketfeed_shard.kernel import load; print("yes" if load() else "no")') ||
        fail "the compiled kernel does not load: see the message above; \`make clean\` and then again builds it anew."
    if [ "$built" = yes ]; then
        say "kernel: compiled"
    elif can_compile; then
        say "kernel: it does not compile, the plain engine will run; \`.venv/bin/python setup.py build_ext --inplace\` shows why"
    else
        say "kernel: no compiler, the plain engine will run"
    fi
}

ensure_redis() {
    command -v redis-server >/dev/null && return
    apt_install redis-server || true
    command -v redis-server >/dev/null ||
        fail "redis-server is missing: run \`apt-get install redis-server\` as root, or put one on the PATH, then again."
}

exec 9<.  # one set-up at a time in this checkout
flock 9
if [ "${1:-}" = redis ]; then
    ensure_redis
else
    ensure_venv
    ensure_packages
    ensure_compiler
    ensure_project
fi
