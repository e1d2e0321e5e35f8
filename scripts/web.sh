#!/bin/bash
# Builds web/dist from web/. With --check: builds elsewhere and fails if web/dist is not what the sources give.
set -euo pipefail
cd "$(dirname "$0")/../web"

# Vite needs a newer Node than some systems have.
new_enough() {
    [ "$(printf '20.19\n%s\n' "$(node --version | tr -d v)" | sort -V | head -n 1)" = 20.19 ]
}
if ! new_enough; then
    [ -x node_modules/.node/node_modules/node/bin/node ] ||
        npm install --prefix node_modules/.node --no-audit --no-fund --loglevel=error node@22
    PATH=$PWD/node_modules/.node/node_modules/node/bin:$PATH
    new_enough || {
        echo "web: Node 20.19 or newer is needed, $(node --version) is there" >&2
        exit 1
    }
fi

if ! cmp -s package-lock.json node_modules/.set-up; then
    npm ci --no-audit --no-fund --loglevel=error
    cp package-lock.json node_modules/.set-up
fi
types=$(mktemp)
trap 'rm -f "$types"' EXIT
npm run --silent types -- -o "$types" >/dev/null
if ! cmp -s "$types" src/api/schema.d.ts; then
    if [ "${1:-}" = --check ]; then
        echo "web: src/api/schema.d.ts was not made from openapi/tomato.json: run make web and commit it" >&2
        exit 1
    fi
    cp "$types" src/api/schema.d.ts
fi
npm run --silent check
npm test --silent

if [ "${1:-}" != --check ]; then
    npm run --silent build
    exit
fi
out=$(mktemp -d)
trap 'rm -rf "$out" "$types"' EXIT
TOMATO_WEB_OUT=$out npm run --silent build >/dev/null
# Compressors differ between versions of Node: what counts is what comes out.
differ() {
    echo "web: web/dist is not what the sources give ($1): run make web and commit it" >&2
    exit 1
}
diff <(cd "$out" && find . -type f | sort) <(cd dist && find . -type f | sort) >&2 || differ "files"
cmp "$out/index.html" dist/index.html || differ index.html
for made in "$out"/assets/*.gz; do
    name=$(basename "$made" .gz)
    cmp <(gzip -dc "$made") <(gzip -dc "dist/assets/$name.gz") || differ "$name"
    node -e '
        const { readFileSync } = require("node:fs"), { brotliDecompressSync, gunzipSync } = require("node:zlib");
        const [, path] = process.argv;
        process.exit(brotliDecompressSync(readFileSync(path + ".br")).equals(gunzipSync(readFileSync(path + ".gz"))) ? 0 : 1);
    ' "dist/assets/$name" || differ "$name.br"
done
echo "web: web/dist is what the sources give"
