#!/bin/bash
# Installs what is needed to build, test and run ToMaTo. Does nothing, and needs no network, when all is there.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(
    gcc libc6-dev make pkg-config                       # building; libc6-dev also for the static keeper
    curl ca-certificates python3                        # rustup, the demonstration
    iproute2 iperf3 tcpdump                             # host tests and the demonstration
    busybox-static mmdebstrap debian-archive-keyring    # templates
    runc zstd                                           # the other container runtime, archives
)
# `--tests`: also what only tests need.
[ "${1:-}" != --tests ] || packages+=(chromium tshark)

die() {
    echo "setup: $*" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "needs root for: $*; run it as root or install sudo"
    fi
}

install_packages() {
    if ! command -v dpkg-query >/dev/null; then
        local program missing=()
        for program in gcc make pkg-config curl python3 ip iperf3 tcpdump busybox mmdebstrap zstd; do
            command -v "$program" >/dev/null || missing+=("$program")
        done
        [ ${#missing[@]} -eq 0 ] || die "not a Debian system; install these by hand: ${missing[*]}"
        return
    fi
    local missing installed
    installed=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' "${packages[@]}" 2>/dev/null |
        awk '$2 == "installed" { print $1 }' | sort -u || true)
    missing=$(comm -13 <(echo "$installed") <(printf '%s\n' "${packages[@]}" | sort -u))
    [ -n "$missing" ] || return 0
    echo "setup: installing" $missing
    as_root apt-get update -q
    # one word per package is wanted here
    # shellcheck disable=SC2086
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
}

# True when a cargo at least as new as the pinned one is there, with the tools `make test` uses.
rust_is_usable() {
    local have
    have=$(cargo --version 2>/dev/null | awk '{ print $2 }') || return 1
    [ -n "$have" ] || return 1
    [ "$(printf '%s\n%s\n' "$wanted" "$have" | sort -V | head -n 1)" = "$wanted" ] || return 1
    rustc --version >/dev/null 2>&1 && cargo fmt --version >/dev/null 2>&1 &&
        cargo clippy --version >/dev/null 2>&1
}

install_rust() {
    export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
    wanted=$(sed -n 's/^channel *= *"\(.*\)"/\1/p' rust-toolchain.toml)
    [ -n "$wanted" ] || die "rust-toolchain.toml names no channel"
    rust_is_usable && return
    if ! command -v rustup >/dev/null; then
        echo "setup: installing rustup"
        curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs |
            sh -s -- -y --no-modify-path --profile minimal --default-toolchain none
    fi
    echo "setup: installing Rust $wanted"
    rustup toolchain install "$wanted" --profile minimal --component rustfmt --component clippy
    rust_is_usable || die "Rust $wanted was installed but does not run"
}

# The tests in a browser are scripts for Node; an old one does.
install_browser_tests() {
    if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
        echo "setup: installing nodejs and npm"
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends nodejs npm
    fi
    cmp -s web/test/browser/package-lock.json web/test/browser/node_modules/.set-up && return
    echo "setup: installing what drives the browser"
    npm --prefix web/test/browser ci --no-audit --no-fund --loglevel=error
    cp web/test/browser/package-lock.json web/test/browser/node_modules/.set-up
}

install_packages
install_rust
[ "${1:-}" != --tests ] || install_browser_tests
