// Reads pcapng (https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-02.html) as it arrives: little-endian, Ethernet.

/** A captured frame. */
export interface Captured {
  /** Counts from 1 in the order of arrival. */
  number: number;
  /** When it passed, microseconds since the Unix epoch. */
  us: number;
  /** Which way: the name that the capture gives its interface. */
  way: string;
  /** Bytes that it had on the wire; `bytes` may hold fewer. */
  length: number;
  bytes: Uint8Array;
  /** Frames that the reader missed just before. */
  missed: number;
}

interface Way {
  name: string;
  /** Timestamp units of one microsecond. */
  perUs: bigint;
}

const SECTION = 0x0a0d0d0a;
const INTERFACE = 1;
const PACKET = 6;
const MAGIC = 0x1a2b3c4d;
const BLOCK_MAX = 1 << 24;
const OPTION_NAME = 2;
const OPTION_RESOLUTION = 9;
const OPTION_DROPPED = 4;

const text = new TextDecoder();

/** Takes the file piece by piece and gives the frames that are whole. */
export class PcapReader {
  private rest = new Uint8Array(0);
  private ways: Way[] = [];
  private count = 0;

  /** The frames that `piece` completes; throws where it is no such file. */
  feed(piece: Uint8Array): Captured[] {
    const all = new Uint8Array(this.rest.length + piece.length);
    all.set(this.rest);
    all.set(piece, this.rest.length);
    const view = new DataView(all.buffer);
    const frames: Captured[] = [];
    let at = 0;
    while (all.length - at >= 12) {
      const length = view.getUint32(at + 4, true);
      if (length < 12 || length % 4 !== 0 || length > BLOCK_MAX) throw new Error("this is no pcapng file that can be read here");
      if (all.length - at < length) break;
      this.block(view.getUint32(at, true), new DataView(all.buffer, at + 8, length - 12), frames);
      at += length;
    }
    this.rest = all.slice(at);
    return frames;
  }

  private block(type: number, body: DataView, frames: Captured[]): void {
    if (type === SECTION) {
      if (body.getUint32(0, true) !== MAGIC) throw new Error("only little-endian pcapng files can be read here");
      this.ways = [];
    } else if (type === INTERFACE) this.ways.push(wayOf(body, this.ways.length));
    else if (type === PACKET) frames.push(this.packet(body));
  }

  private packet(body: DataView): Captured {
    const way = this.ways[body.getUint32(0, true)];
    const stamp = (BigInt(body.getUint32(4, true)) << 32n) | BigInt(body.getUint32(8, true));
    const kept = Math.min(body.getUint32(12, true), body.byteLength - 20);
    let missed = 0;
    for (const [code, option] of options(body, 20 + Math.ceil(kept / 4) * 4)) {
      if (code === OPTION_DROPPED && option.byteLength === 8) missed = Number(option.getBigUint64(0, true));
    }
    this.count += 1;
    return {
      number: this.count, us: Number(stamp / (way?.perUs ?? 1n)), way: way?.name ?? "", length: body.getUint32(16, true), missed,
      bytes: new Uint8Array(body.buffer.slice(body.byteOffset + 20, body.byteOffset + 20 + kept)),
    };
  }
}

function wayOf(body: DataView, index: number): Way {
  const way: Way = { name: String(index), perUs: 1n };
  for (const [code, option] of options(body, 8)) {
    if (code === OPTION_NAME) way.name = text.decode(option);
    // Finer than a microsecond, as powers of ten: what our captures have.
    else if (code === OPTION_RESOLUTION && option.getUint8(0) >= 6 && option.getUint8(0) < 19) way.perUs = 10n ** BigInt(option.getUint8(0) - 6);
  }
  return way;
}

function* options(body: DataView, from: number): Generator<[number, DataView]> {
  for (let at = from; at + 4 <= body.byteLength; ) {
    const [code, length] = [body.getUint16(at, true), body.getUint16(at + 2, true)];
    if (code === 0 || at + 4 + length > body.byteLength) return;
    yield [code, new DataView(body.buffer, body.byteOffset + at + 4, length)];
    at += 4 + Math.ceil(length / 4) * 4;
  }
}
