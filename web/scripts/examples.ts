// Turns files in YAML into modules: example topologies with text, title and what a picture of them needs, and tours as they are.
import { readFileSync } from "node:fs";
import { basename } from "node:path";

import type { Plugin } from "vite";
import { parse } from "yaml";

interface Raw {
  name?: string;
  elements?: Record<string, { kind: string; forwarding?: boolean; _pos?: { x: number; y: number } }>;
  connections?: Record<string, { between: [string, string] }>;
}

export function examples(): Plugin {
  return {
    name: "tomato-examples",
    enforce: "pre",
    load(id) {
      const [path, query] = id.split("?");
      if (query === "tour" && path) {
        this.addWatchFile(path);
        return { code: `export default ${JSON.stringify(parse(readFileSync(path, "utf8")))}`, moduleType: "js" };
      }
      if (query !== "example" || !path) return null;
      const text = readFileSync(path, "utf8");
      this.addWatchFile(path);
      const raw = parse(text) as Raw;
      const comment = text.split("\n").filter((line) => line.startsWith("# ")).map((line) => line.slice(2));
      const until = comment.findIndex((line) => line.startsWith("  "));
      const description = comment.slice(0, until < 0 ? undefined : until).join(" ");
      const elements = Object.entries(raw.elements ?? {}).map(([name, element]) => ({
        id: name, kind: element.kind, forwarding: element.forwarding ?? false, pos: element._pos ?? null,
      }));
      const links = Object.values(raw.connections ?? {}).map(({ between }) =>
        between.map((end) => end.split(":")[0]),
      );
      const example = { file: basename(path), name: raw.name ?? basename(path), description, text, elements, links };
      return { code: `export default ${JSON.stringify(example)}`, moduleType: "js" };
    },
  };
}
