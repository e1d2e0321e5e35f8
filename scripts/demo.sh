#!/bin/sh
# Shows a running network: starts a lab, loads examples/campus.yaml, measures it and leaves it running. Safe to repeat.
# TOMATO (program), DATA_DIR, TEMPLATE_DIR, LISTEN and RESULTS can be set.
set -eu
cd "$(dirname "$0")/.."
if [ "$(id -u)" -ne 0 ]; then
    exec sudo --preserve-env=TOMATO,DATA_DIR,TEMPLATE_DIR,LISTEN,RESULTS "$0" "$@"
fi
if [ -x /usr/bin/python3 ]; then
    exec /usr/bin/python3 scripts/demo.py "$@"
fi
exec python3 scripts/demo.py "$@"
