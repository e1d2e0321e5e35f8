// Reads a frame field by field and keeps what each means, and where it stands.

/** A value in a frame, for people; bytes `from` up to `to`. */
export interface Field {
  label: string;
  value: string;
  /** How many fields it is inside of; none if not said. */
  depth?: number;
  from: number;
  to: number;
}

/** One protocol of a frame. */
export interface Layer {
  name: string;
  from: number;
  to: number;
  fields: Field[];
}

/** What a frame is. */
export interface Dissected {
  source: string;
  destination: string;
  protocol: string;
  info: string;
  layers: Layer[];
}

/** The frame ends before the value does. */
export class CutShort extends Error {}

type Show = (value: number) => string;

/** A place in a frame. Values with a label become fields of the layer that was begun last. */
export class Reader {
  private readonly view: DataView;

  constructor(
    readonly bytes: Uint8Array,
    readonly out: Dissected,
    public at = 0,
    public end = bytes.length,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Bytes that are left. */
  get left(): number {
    return Math.max(0, this.end - this.at);
  }

  /** Begins a protocol, which becomes what the frame is called. */
  layer(name: string, title = name): void {
    this.out.protocol = name;
    this.out.layers.push({ name: title, from: this.at, to: this.end, fields: [] });
  }

  /** Says what the frame is about. */
  info(text: string): void {
    this.out.info = text;
  }

  /** Adds a field over the bytes from `from` to here. */
  field(label: string, value: string, from: number): void {
    this.out.layers.at(-1)?.fields.push({ label, value, from, to: this.at });
  }

  private step(size: number): number {
    const from = this.at;
    if (from + size > this.end || from + size > this.bytes.length) throw new CutShort();
    this.at += size;
    return from;
  }

  private number(value: number, from: number, label?: string, show?: Show): number {
    if (label !== undefined) this.field(label, show ? show(value) : String(value), from);
    return value;
  }

  u8(label?: string, show?: Show): number {
    const from = this.step(1);
    return this.number(this.view.getUint8(from), from, label, show);
  }

  u16(label?: string, show?: Show): number {
    const from = this.step(2);
    return this.number(this.view.getUint16(from), from, label, show);
  }

  u32(label?: string, show?: Show): number {
    const from = this.step(4);
    return this.number(this.view.getUint32(from), from, label, show);
  }

  private text(size: number, show: (bytes: Uint8Array) => string, label?: string): string {
    const from = this.step(size);
    const value = show(this.bytes.subarray(from, from + size));
    if (label !== undefined) this.field(label, value, from);
    return value;
  }

  mac(label?: string): string {
    return this.text(6, (bytes) => hex(bytes, ":"), label);
  }

  ip4(label?: string): string {
    return this.text(4, (bytes) => bytes.join("."), label);
  }

  ip6(label?: string): string {
    return this.text(16, showIp6, label);
  }

  hex(size: number, label?: string): string {
    return this.text(size, (bytes) => hex(bytes, ""), label);
  }

  ascii(size: number, label?: string): string {
    return this.text(size, (bytes) => [...bytes].filter((byte) => byte > 0).map((byte) => (byte < 32 || byte > 126 ? "." : String.fromCharCode(byte))).join(""), label);
  }

  skip(size: number): void {
    this.step(size);
  }

  /** The rest as data. */
  data(): void {
    if (this.left === 0) return;
    this.out.layers.push({ name: `Data, ${this.left} bytes`, from: this.at, to: this.end, fields: [] });
    this.at = this.end;
  }
}

/** `0x0800`. */
export const asHex = (digits: number) => (value: number): string => `0x${value.toString(16).padStart(digits, "0")}`;

/** The name of a number, with the number. */
export const named = (names: Record<number, string>) => (value: number): string => (names[value] ? `${names[value]} (${value})` : String(value));

/** The names of the bits that are set. */
export function bits(value: number, names: [number, string][]): string {
  return names.filter(([bit]) => value & bit).map(([, name]) => name).join(", ") || "none";
}

export function hex(bytes: Uint8Array, between: string): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(between);
}

/** As RFC 5952 writes it: the longest run of zeros is left out. */
export function showIp6(bytes: Uint8Array): string {
  const words = Array.from({ length: 8 }, (_, index) => ((bytes[index * 2]! << 8) | bytes[index * 2 + 1]!).toString(16));
  let best = { from: 0, count: 0 };
  for (let from = 0; from < 8; from += 1) {
    let count = 0;
    while (words[from + count] === "0") count += 1;
    if (count > best.count) best = { from, count };
  }
  if (best.count < 2) return words.join(":");
  return `${words.slice(0, best.from).join(":")}::${words.slice(best.from + best.count).join(":")}`;
}
