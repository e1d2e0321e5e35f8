// Protocols inside others: names, addresses, routes, trees.
import { asHex, bits, CutShort, named, type Reader } from "./reader";

const DNS_TYPES: Record<number, string> = { 1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 12: "PTR", 15: "MX", 16: "TXT", 28: "AAAA", 33: "SRV", 255: "ANY" };
const DNS_CODES: Record<number, string> = { 0: "no error", 1: "format error", 2: "server failed", 3: "no such name", 5: "refused" };
/** Records shown of one message. */
const RECORDS_MAX = 50;
/** Jumps within one name: more are a loop. */
const JUMPS_MAX = 20;

/** DNS (RFC 1035), also multicast. */
export function dns(it: Reader): void {
  it.layer("DNS");
  const start = it.at;
  it.u16("Identification", asHex(4));
  const at = it.at;
  const flags = it.u16();
  const isAnswer = (flags & 0x8000) !== 0;
  it.field("Flags", bits(flags, [[0x8000, "answer"], [0x0400, "authoritative"], [0x0200, "cut"], [0x0100, "recursion wanted"], [0x0080, "recursion offered"]]), at);
  it.field("Result", named(DNS_CODES)(flags & 15), at);
  const questions = it.u16("Questions");
  const answers = it.u16("Answers");
  it.u16("Authorities");
  it.u16("Others");
  const asked: string[] = [];
  for (let index = 0; index < Math.min(questions, RECORDS_MAX); index += 1) {
    const from = it.at;
    const name = dnsName(it, start);
    const type = it.u16();
    it.skip(2);
    asked.push(`${DNS_TYPES[type] ?? type} ${name}`);
    it.field("Question", asked.at(-1)!, from);
  }
  const told: string[] = [];
  for (let index = 0; index < Math.min(answers, RECORDS_MAX); index += 1) told.push(dnsRecord(it, start));
  const result = flags & 15 ? ` ${DNS_CODES[flags & 15] ?? flags & 15}` : "";
  it.info(`${isAnswer ? "Answer" : "Question"} ${asked.join(", ")}${told.length > 0 ? `: ${told.join(", ")}` : ""}${result}`);
}

function dnsRecord(it: Reader, start: number): string {
  const from = it.at;
  const name = dnsName(it, start);
  const type = it.u16();
  it.skip(2);
  const life = it.u32();
  const length = it.u16();
  const end = it.at + length;
  let value: string;
  if (type === 1) value = it.ip4();
  else if (type === 28) value = it.ip6();
  else if ([2, 5, 12].includes(type)) value = dnsName(it, start);
  else value = type === 16 ? it.ascii(length) : it.hex(length);
  it.at = end;
  it.field(DNS_TYPES[type] ?? `Type ${type}`, `${name} is ${value}, for ${life} s`, from);
  return value;
}

/** A name, whose end may stand elsewhere in the message. */
function dnsName(it: Reader, start: number): string {
  const labels: string[] = [];
  let back: number | null = null;
  for (let jumps = 0; jumps < JUMPS_MAX; ) {
    const length = it.u8();
    if (length === 0) break;
    if ((length & 0xc0) === 0xc0) {
      const to = start + (((length & 0x3f) << 8) | it.u8());
      back ??= it.at;
      it.at = to;
      jumps += 1;
    } else labels.push(it.ascii(length));
  }
  if (back !== null) it.at = back;
  return labels.join(".") || ".";
}

const DHCP_TYPES: Record<number, string> = { 1: "Discover", 2: "Offer", 3: "Request", 4: "Decline", 5: "Acknowledge", 6: "Refuse", 7: "Release", 8: "Inform" };
const DHCP_ADDRESSES: Record<number, string> = { 1: "Netmask", 3: "Router", 6: "Name server", 50: "Wanted address", 54: "Server" };

/** DHCP (RFC 2131). */
export function dhcp(it: Reader): void {
  it.layer("DHCP");
  const operation = it.u8("Operation", named({ 1: "from a client", 2: "from a server" }));
  it.skip(3);
  const id = it.u32("Transaction", asHex(8));
  it.u16("Seconds");
  it.u16("Flags", asHex(4));
  it.ip4("Client's address");
  const given = it.ip4("Given address");
  it.ip4("Next server");
  it.ip4("Relay");
  it.mac("Client's card");
  it.skip(10 + 64 + 128);
  if (it.u32() !== 0x63825363) return;
  let type = "";
  while (it.left > 0) {
    const from = it.at;
    const code = it.u8();
    if (code === 255) break;
    if (code === 0) continue;
    const length = it.u8();
    const end = it.at + length;
    if (code === 53) {
      const number = it.u8();
      type = DHCP_TYPES[number] ?? String(number);
      it.field("Message", type, from);
    } else if (DHCP_ADDRESSES[code] && length >= 4) it.field(DHCP_ADDRESSES[code], it.ip4(), from);
    else if (code === 51 && length === 4) it.field("Lease", `${it.u32()} s`, from);
    else if (code === 12 || code === 15) it.field(code === 12 ? "Host name" : "Domain", it.ascii(length), from);
    else it.field(`Option ${code}`, it.hex(length), from);
    it.at = end;
  }
  const what = operation === 2 && given !== "0.0.0.0" ? ` ${given}` : "";
  it.info(`${type || "BOOTP"}${what}, transaction ${asHex(8)(id)}`);
}

const OSPF_TYPES: Record<number, string> = { 1: "Hello", 2: "Database description", 3: "Link state request", 4: "Link state update", 5: "Link state acknowledgement" };

/** OSPF, version 2 (RFC 2328) and 3 (RFC 5340). */
export function ospf(it: Reader): void {
  it.layer("OSPF");
  const version = it.u8("Version");
  const type = it.u8("Type", named(OSPF_TYPES));
  it.u16("Length", (value) => `${value} bytes`);
  const router = it.ip4("Router");
  const area = it.ip4("Area");
  it.u16("Checksum", asHex(4));
  it.info(`${OSPF_TYPES[type] ?? `type ${type}`} from router ${router}, area ${area}`);
  if (version !== 2) {
    it.data();
    return;
  }
  it.u16("Authentication", named({ 0: "none", 1: "password", 2: "digest" }));
  it.skip(8);
  if (type === 1) hello(it);
  else if (type === 4) it.info(`${OSPF_TYPES[4]} from router ${router}: ${it.u32("Advertisements")}`);
  it.data();
}

function hello(it: Reader): void {
  it.ip4("Netmask");
  it.u16("Hello every", (value) => `${value} s`);
  it.u8("Options", asHex(2));
  it.u8("Priority");
  it.u32("Dead after", (value) => `${value} s`);
  it.ip4("Designated router");
  it.ip4("Its backup");
  while (it.left >= 4) it.ip4("Neighbour");
}

/** Spanning tree (IEEE 802.1D), rapid too. */
export function stp(it: Reader): void {
  it.layer("STP");
  it.u16("Protocol");
  const version = it.u8("Version", named({ 0: "STP", 2: "RSTP", 3: "MSTP" }));
  const type = it.u8("Type", named({ 0: "configuration", 2: "rapid configuration", 0x80: "topology change" }));
  if (version > 0) it.out.protocol = "RSTP";
  if (type === 0x80) {
    it.info("Topology change");
    return;
  }
  it.u8("Flags", (value) => bits(value, [[1, "topology change"], [2, "proposal"], [16, "learning"], [32, "forwarding"], [64, "agreement"], [128, "acknowledged"]]));
  const root = bridge(it, "Root");
  const cost = it.u32("Cost to the root");
  const own = bridge(it, "Bridge");
  const port = it.u16("Port", asHex(4));
  for (const label of ["Age", "Greatest age", "Hello every", "Forward delay"]) it.u16(label, (value) => `${value / 256} s`);
  it.info(root === own ? `${own} is the root, port ${asHex(4)(port)}` : `Root ${root}, cost ${cost}, from ${own}, port ${asHex(4)(port)}`);
}

function bridge(it: Reader, label: string): string {
  const from = it.at;
  if (it.left < 8) throw new CutShort();
  const text = `${it.u16()}/${it.mac()}`;
  it.field(label, text, from);
  return text;
}
