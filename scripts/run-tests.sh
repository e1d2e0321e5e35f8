#!/bin/bash
# Runs every test of the workspace, as root because host tests make namespaces and containers.
# Usage: run-tests.sh CARGO-SELECTION...; builds as the calling user, only the tests themselves get root.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || {
        echo "run-tests: host tests need root; run it as root or install sudo" >&2
        exit 1
    }
    host=$(rustc -vV | sed -n 's/^host: //p' | tr 'a-z-' 'A-Z_')
    export "CARGO_TARGET_${host}_RUNNER=sudo -E env PATH=$PATH HOME=$HOME"
fi

if cargo nextest --version >/dev/null 2>&1; then
    profile=default
    [ "${CI:-}" = true ] && profile=ci
    exec cargo nextest run "$@" --profile "$profile" --no-fail-fast
fi
# Host tests share the machine: one after the other within a test program.
exec cargo test "$@" --no-fail-fast -- --test-threads=1
