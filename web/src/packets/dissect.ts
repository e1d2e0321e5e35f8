// What a captured frame is: its columns in a list, and its protocols field by field. Knows what laboratories are full of;
// everything else is shown as data. Numbers and layouts are those of the RFCs and of IEEE 802.
import { dhcp, dns, ospf, stp } from "./applications";
import { asHex, bits, CutShort, type Dissected, named, Reader } from "./reader";

type Protocol = (it: Reader) => void;

/** Dissects an Ethernet frame. */
export function dissect(bytes: Uint8Array): Dissected {
  const out: Dissected = { source: "", destination: "", protocol: "Ethernet", info: "", layers: [] };
  try {
    ethernet(new Reader(bytes, out));
  } catch (error) {
    if (!(error instanceof CutShort)) throw error;
    out.info = `${out.info}${out.info ? " " : ""}[cut short]`;
  }
  return out;
}

const ETHERTYPES: Record<number, string> = { 0x0800: "IPv4", 0x0806: "ARP", 0x86dd: "IPv6", 0x8100: "VLAN", 0x88a8: "VLAN, outer", 0x88cc: "LLDP", 0x8847: "MPLS", 0x888e: "EAPOL" };
const TYPES: Record<number, Protocol> = { 0x0800: ipv4, 0x0806: arp, 0x86dd: ipv6, 0x8100: vlan, 0x88a8: vlan };
const typeName = (type: number): string => (ETHERTYPES[type] ? `${ETHERTYPES[type]} (${asHex(4)(type)})` : asHex(4)(type));
/** Below it the field is a length. */
const TYPE_MIN = 0x600;

function ethernet(it: Reader): void {
  it.layer("Ethernet");
  it.out.destination = it.mac("Destination");
  it.out.source = it.mac("Source");
  typed(it);
}

/** What follows a type field. */
function typed(it: Reader): void {
  const type = it.u16("Type", (value) => (value < TYPE_MIN ? `length ${value}` : typeName(value)));
  if (type < TYPE_MIN) {
    it.end = Math.min(it.end, it.at + type);
    llc(it);
    return;
  }
  const protocol = TYPES[type];
  if (protocol) protocol(it);
  else {
    it.out.protocol = ETHERTYPES[type] ?? asHex(4)(type);
    it.info(`${it.left} bytes`);
    it.data();
  }
}

function llc(it: Reader): void {
  it.layer("LLC");
  const to = it.u8("Destination service", asHex(2));
  it.u8("Source service", asHex(2));
  it.u8("Control", asHex(2));
  if (to === 0x42) stp(it);
  else it.data();
}

function vlan(it: Reader): void {
  it.layer("VLAN");
  const from = it.at;
  const tag = it.u16();
  it.field("Priority", String(tag >> 13), from);
  it.field("VLAN", String(tag & 0xfff), from);
  typed(it);
  it.info(`VLAN ${tag & 0xfff}: ${it.out.info}`);
}

function arp(it: Reader): void {
  it.layer("ARP");
  it.u16("Hardware");
  it.u16("Protocol", asHex(4));
  it.skip(2);
  const operation = it.u16("Operation", named({ 1: "request", 2: "reply" }));
  const senderMac = it.mac("Sender's card");
  const sender = it.ip4("Sender's address");
  it.mac("Target's card");
  const target = it.ip4("Target's address");
  it.out.source = sender;
  it.out.destination = target;
  if (operation === 2) it.info(`${sender} is at ${senderMac}`);
  else it.info(sender === target ? `${sender} announces itself` : `Who has ${target}? Tell ${sender}`);
}

const PROTOCOLS: Record<number, string> = { 1: "ICMP", 2: "IGMP", 6: "TCP", 17: "UDP", 41: "IPv6", 47: "GRE", 50: "ESP", 58: "ICMPv6", 89: "OSPF", 103: "PIM", 112: "VRRP", 132: "SCTP" };
const INSIDE: Record<number, Protocol> = { 1: icmp, 6: tcp, 17: udp, 58: icmp6, 89: ospf };

function inside(it: Reader, protocol: number): void {
  const known = INSIDE[protocol];
  if (known) known(it);
  else {
    it.out.protocol = PROTOCOLS[protocol] ?? `IP protocol ${protocol}`;
    it.info(`${it.left} bytes`);
    it.data();
  }
}

function ipv4(it: Reader): void {
  it.layer("IPv4");
  const start = it.at;
  const first = it.u8();
  const header = (first & 15) * 4;
  it.field("Header length", `${header} bytes`, start);
  const service = it.at;
  const dscp = it.u8();
  it.field("DSCP", String(dscp >> 2), service);
  it.field("ECN", named({ 0: "not capable", 1: "capable", 2: "capable", 3: "congestion met" })(dscp & 3), service);
  const length = it.u16("Length", (value) => `${value} bytes`);
  it.u16("Identification", asHex(4));
  const at = it.at;
  const fragment = it.u16();
  it.field("Flags", bits(fragment, [[0x4000, "don't fragment"], [0x2000, "more fragments"]]), at);
  it.field("Fragment offset", String((fragment & 0x1fff) * 8), at);
  it.u8("Time to live");
  const protocol = it.u8("Protocol", named(PROTOCOLS));
  it.u16("Header checksum", asHex(4));
  it.out.source = it.ip4("Source");
  it.out.destination = it.ip4("Destination");
  if (header > 20) it.hex(header - 20, "Options");
  // Short frames are padded.
  it.end = Math.min(it.end, Math.max(start + length, it.at));
  if (fragment & 0x1fff) {
    it.info(`Fragment at ${(fragment & 0x1fff) * 8}, ${it.left} bytes of ${PROTOCOLS[protocol] ?? protocol}`);
    it.data();
  } else inside(it, protocol);
}

/** Headers between IPv6 and what it carries; all but the fragment's say their length. */
const EXTENSIONS: Record<number, string> = { 0: "Hop-by-hop options", 43: "Routing", 44: "Fragment", 60: "Destination options" };

function ipv6(it: Reader): void {
  it.layer("IPv6");
  const start = it.at;
  const first = it.u32();
  it.field("Traffic class", String((first >>> 20) & 255), start);
  it.field("Flow", asHex(5)(first & 0xfffff), start);
  const length = it.u16("Length", (value) => `${value} bytes`);
  let next = it.u8("Next header", named({ ...EXTENSIONS, ...PROTOCOLS }));
  it.u8("Hop limit");
  it.out.source = it.ip6("Source");
  it.out.destination = it.ip6("Destination");
  it.end = Math.min(it.end, it.at + length);
  while (next in EXTENSIONS) {
    it.layer("IPv6", `IPv6, ${EXTENSIONS[next]!.toLowerCase()}`);
    const isFragment = next === 44;
    next = it.u8("Next header", named({ ...EXTENSIONS, ...PROTOCOLS }));
    const size = it.u8();
    it.hex(isFragment ? 6 : size * 8 + 6, isFragment ? "Fragment" : "Options");
  }
  inside(it, next);
}

const ICMP: Record<number, string> = { 0: "Echo reply", 3: "Destination unreachable", 4: "Source quench", 5: "Redirect", 8: "Echo request", 11: "Time exceeded", 12: "Parameter problem" };
const UNREACHABLE: Record<number, string> = { 0: "network", 1: "host", 2: "protocol", 3: "port", 4: "would have to be fragmented", 13: "forbidden" };

function icmp(it: Reader): void {
  it.layer("ICMP");
  const type = it.u8("Type", named(ICMP));
  const code = it.u8("Code", type === 3 ? named(UNREACHABLE) : undefined);
  it.u16("Checksum", asHex(4));
  const name = ICMP[type] ?? `type ${type}`;
  if (type === 0 || type === 8) echo(it, name);
  else {
    it.hex(4, "Rest");
    it.info(type === 3 ? `${name}: ${UNREACHABLE[code] ?? code}` : name);
    it.data();
  }
}

function echo(it: Reader, name: string): void {
  const id = it.u16("Identifier");
  const number = it.u16("Sequence number");
  it.info(`${name}, id ${id}, number ${number}`);
  it.data();
}

const ICMP6: Record<number, string> = {
  1: "Destination unreachable", 2: "Packet too big", 3: "Time exceeded", 128: "Echo request", 129: "Echo reply", 133: "Router solicitation",
  134: "Router advertisement", 135: "Neighbour solicitation", 136: "Neighbour advertisement", 143: "Multicast listener report",
};

function icmp6(it: Reader): void {
  it.layer("ICMPv6");
  const type = it.u8("Type", named(ICMP6));
  it.u8("Code");
  it.u16("Checksum", asHex(4));
  const name = ICMP6[type] ?? `type ${type}`;
  if (type === 128 || type === 129) {
    echo(it, name);
    return;
  }
  it.info(name);
  if (type === 135 || type === 136) {
    it.skip(4);
    it.info(`${name}: ${it.ip6("Target")}`);
  }
  it.data();
}

/** Ports whose protocol one likes to see by name. */
const PORTS: Record<number, string> = { 20: "FTP data", 21: "FTP", 22: "SSH", 23: "Telnet", 25: "SMTP", 80: "HTTP", 110: "POP3", 123: "NTP", 143: "IMAP", 161: "SNMP", 179: "BGP", 443: "HTTPS", 514: "Syslog", 520: "RIP", 5201: "iperf3", 6653: "OpenFlow", 8080: "HTTP" };
const showPort = (port: number): string => named(PORTS)(port);

const TCP_FLAGS: [number, string][] = [[1, "FIN"], [2, "SYN"], [4, "RST"], [8, "PSH"], [16, "ACK"], [32, "URG"], [64, "ECE"], [128, "CWR"]];

function tcp(it: Reader): void {
  it.layer("TCP");
  const start = it.at;
  const source = it.u16("Source port", showPort);
  const destination = it.u16("Destination port", showPort);
  const sequence = it.u32("Sequence number");
  const acknowledged = it.u32("Acknowledged up to");
  const at = it.at;
  const offset = (it.u8() >> 4) * 4;
  it.field("Header length", `${offset} bytes`, at);
  const flagsAt = it.at;
  const flags = it.u8();
  const set = bits(flags, TCP_FLAGS);
  it.field("Flags", set, flagsAt);
  const window = it.u16("Window");
  it.u16("Checksum", asHex(4));
  it.u16("Urgent up to");
  const options = start + offset - it.at;
  if (options > 0) tcpOptions(it, it.at + options);
  const known = it.left > 0 ? (PORTS[source] ?? PORTS[destination]) : undefined;
  it.info(`${source} → ${destination} [${set}] Seq=${sequence}${flags & 16 ? ` Ack=${acknowledged}` : ""} Win=${window} Len=${it.left}${known ? ` ${known}` : ""}`);
  it.data();
}

function tcpOptions(it: Reader, end: number): void {
  while (it.at < end) {
    const from = it.at;
    const kind = it.u8();
    if (kind === 0) break;
    if (kind === 1) continue;
    const length = it.u8();
    if (kind === 2) it.field("Largest segment", String(it.u16()), from);
    else if (kind === 3) it.field("Window scale", String(2 ** it.u8()), from);
    else if (kind === 4) it.field("SACK permitted", "yes", from);
    else if (kind === 8) it.field("Timestamps", `${it.u32()}, echo ${it.u32()}`, from);
    else it.field(kind === 5 ? "SACK" : `Option ${kind}`, it.hex(Math.max(0, length - 2)), from);
    if (it.at < from + length) it.at = from + length;
  }
  it.at = Math.max(it.at, end);
}

function udp(it: Reader): void {
  it.layer("UDP");
  const source = it.u16("Source port", showPort);
  const destination = it.u16("Destination port", showPort);
  const length = it.u16("Length", (value) => `${value} bytes`);
  it.u16("Checksum", asHex(4));
  it.end = Math.min(it.end, it.at + Math.max(0, length - 8));
  const has = (port: number) => source === port || destination === port;
  it.info(`${source} → ${destination} Len=${it.left}${PORTS[source] ?? PORTS[destination] ? ` ${PORTS[source] ?? PORTS[destination]}` : ""}`);
  if (has(53) || has(5353)) dns(it);
  else if (has(67) || has(68)) dhcp(it);
  else it.data();
}
