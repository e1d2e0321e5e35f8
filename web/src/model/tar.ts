// Writes and reads tar archives (POSIX ustar, with pax headers for what does not fit), as files go into elements and come out.

/** A file in an archive. */
export interface Entry {
  name: string;
  bytes: Uint8Array;
  isFolder: boolean;
}

const BLOCK = 512;
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const TYPE_FILE = "0";
const TYPE_FOLDER = "5";
const TYPE_PAX = "x";
const TYPE_LONG_NAME = "L";

const padded = (size: number): number => Math.ceil(size / BLOCK) * BLOCK;

function header(name: Uint8Array, size: number, type: string): Uint8Array {
  const block = new Uint8Array(BLOCK);
  const put = (text: string, at: number) => block.set(encoder.encode(text), at);
  block.set(name.subarray(0, 100), 0);
  put("0000644\0", 100);
  put("0000000\0", 108);
  put("0000000\0", 116);
  put(`${size.toString(8).padStart(11, "0")}\0`, 124);
  put("00000000000\0", 136);
  put("        ", 148);
  put(type, 156);
  put("ustar\0" + "00", 257);
  const sum = block.reduce((all, byte) => all + byte, 0);
  put(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}

/** One record of a pax header; its length counts itself. */
function paxRecord(key: string, value: string): Uint8Array {
  const rest = encoder.encode(` ${key}=${value}\n`);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length += 1;
  return Uint8Array.from([...encoder.encode(String(length)), ...rest]);
}

/** An archive of plain files. */
export function writeTar(files: { name: string; bytes: Uint8Array }[]): Blob {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  const add = (bytes: Uint8Array) => {
    const whole = new Uint8Array(padded(bytes.length));
    whole.set(bytes);
    parts.push(whole);
  };
  for (const { name, bytes } of files) {
    const short = encoder.encode(name);
    if (short.length > 100) {
      const pax = paxRecord("path", name);
      add(header(encoder.encode("long-name"), pax.length, TYPE_PAX));
      add(pax);
    }
    add(header(short, bytes.length, TYPE_FILE));
    add(bytes);
  }
  parts.push(new Uint8Array(2 * BLOCK));
  return new Blob(parts, { type: "application/x-tar" });
}

const textOf = (bytes: Uint8Array): string => decoder.decode(bytes).split("\0")[0]!;
const number = (bytes: Uint8Array): number => Number.parseInt(textOf(bytes).trim() || "0", 8);

function paxPath(bytes: Uint8Array): string | null {
  return /(?:^|\n)\d+ path=([^\n]*)\n/.exec(decoder.decode(bytes))?.[1] ?? null;
}

/** Files and folders of an archive; links and devices are left out. */
export function readTar(bytes: Uint8Array): Entry[] {
  const entries: Entry[] = [];
  let longName: string | null = null;
  for (let at = 0; at + BLOCK <= bytes.length && bytes[at] !== 0; ) {
    const block = bytes.subarray(at, at + BLOCK);
    const size = number(block.subarray(124, 136));
    const content = bytes.subarray(at + BLOCK, at + BLOCK + size);
    const type = String.fromCharCode(block[156]!);
    at += BLOCK + padded(size);
    if (type === TYPE_PAX) longName = paxPath(content);
    else if (type === TYPE_LONG_NAME) longName = textOf(content);
    else {
      const prefix = textOf(block.subarray(345, 500));
      const name = longName ?? `${prefix === "" ? "" : `${prefix}/`}${textOf(block.subarray(0, 100))}`;
      longName = null;
      if (type === TYPE_FILE || type === "\0" || type === TYPE_FOLDER) entries.push({ name, bytes: content, isFolder: type === TYPE_FOLDER });
    }
  }
  return entries;
}
