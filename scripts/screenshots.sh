#!/bin/bash
# Takes the pictures of docs/img from a lab of its own, which is gone afterwards. TEMPLATE_DIR saves building templates anew.
set -euo pipefail
cd "$(dirname "$0")/.."
[ "$(id -u)" -eq 0 ] || exec sudo --preserve-env=TEMPLATE_DIR,TOMATO "$0" "$@"

tomato=${TOMATO:-target/release/tomato}
dir=$(mktemp -d)
chmod 755 "$dir"
lab=(--data-dir "$dir/lab")
trap '"$tomato" down "${lab[@]}" --purge || true; rm -rf "$dir"' EXIT
"$tomato" up "${lab[@]}" --template-dir "${TEMPLATE_DIR:-$dir/templates}" --listen 127.0.0.1:8197 --detach
mkdir -p docs/img
TOMATO_URL=http://127.0.0.1:8197 TOMATO_PASSWORD=$(cat "$dir/lab/admin-password") PICTURES=$PWD/docs/img \
    node web/test/browser/screenshots.js
