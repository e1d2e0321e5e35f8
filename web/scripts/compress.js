// Leaves of each asset only its compressed forms: that is all the program embeds and serves.
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const assets = join(process.env.TOMATO_WEB_OUT ?? "dist", "assets");
let total = 0;
for (const name of readdirSync(assets).sort()) {
  const path = join(assets, name);
  const content = readFileSync(path);
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: content.length };
  const brotli = brotliCompressSync(content, { params });
  writeFileSync(`${path}.br`, brotli);
  writeFileSync(`${path}.gz`, gzipSync(content, { level: 9 }));
  rmSync(path);
  total += brotli.length;
  process.stdout.write(`${String(brotli.length).padStart(8)} ${name}\n`);
}
process.stdout.write(`${String(total).padStart(8)} all, compressed\n`);
