import { expect, test } from "vitest";

import { liveCommand } from "../../src/packets/commands";
import { dissect } from "../../src/packets/dissect";
import { PcapReader } from "../../src/packets/pcapng";
import { showIp6 } from "../../src/packets/reader";
import { layersOf } from "../../src/packets/told";

const bytes = (hex: string): Uint8Array => Uint8Array.from(hex.replaceAll(/\s/g, "").match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));

const MACS = "020000000002 020000000001";
const ip4 = (protocol: string, payload: string) =>
  `${MACS} 0800 4500 ${(20 + payload.replaceAll(" ", "").length / 2).toString(16).padStart(4, "0")} 0001 4000 40 ${protocol} 0000 0a000001 0a000002 ${payload}`;

const CASES: [string, string, string, string][] = [
  ["ARP", `ffffffffffff 020000000001 0806 0001 0800 06 04 0001 020000000001 0a000001 000000000000 0a000002`, "ARP", "Who has 10.0.0.2? Tell 10.0.0.1"],
  ["echo", ip4("01", "08 00 0000 1234 0007 6162"), "ICMP", "Echo request, id 4660, number 7"],
  ["unreachable", ip4("01", "03 03 0000 00000000"), "ICMP", "Destination unreachable: port"],
  ["TCP", ip4("06", "d431 0050 00000001 00000000 6002 faf0 0000 0000 020405b4"), "TCP", "54321 → 80 [SYN] Seq=1 Win=64240 Len=0"],
  ["DNS", ip4("11", "d431 0035 0026 0000 abcd 0100 0001 0000 0000 0000 03777777 076578616d706c65 00 0001 0001"), "DNS", "Question A www.example"],
  ["DNS answer", ip4("11", "0035 d431 0036 0000 abcd 8180 0001 0001 0000 0000 03777777 076578616d706c65 00 0001 0001 c00c 0001 0001 0000003c 0004 0a000009"), "DNS", "Answer A www.example: 10.0.0.9"],
  ["DHCP", ip4("11", `0044 0043 0104 0000 01010600 deadbeef 0000 0000 ${"00000000".repeat(4)} 020000000001 ${"00".repeat(202)} 63825363 350101 ff`), "DHCP", "Discover, transaction 0xdeadbeef"],
  ["OSPF", ip4("59", `02 01 002c 01010101 00000000 0000 0000 ${"00".repeat(8)} ffffff00 000a 02 01 00000028 0a000001 00000000`), "OSPF", "Hello from router 1.1.1.1, area 0.0.0.0"],
  ["STP", "0180c2000000 020000000001 0026 4242 03 0000 00 00 00 8000020000000001 00000000 8000020000000001 8001 0000 1400 0200 0f00", "STP", "32768/02:00:00:00:00:01 is the root, port 0x8001"],
  ["VLAN", `${MACS} 8100 600a 0806 0001 0800 06 04 0002 020000000001 0a000001 020000000002 0a000002`, "ARP", "VLAN 10: 10.0.0.1 is at 02:00:00:00:00:01"],
  ["IPv6", `${MACS} 86dd 60000000 0018 3a ff fe800000000000000000000000000001 ff0200000000000000000001ff000002 87 00 0000 00000000 fe800000000000000000000000000002`, "ICMPv6", "Neighbour solicitation: fe80::2"],
  ["unknown", `${MACS} 88b5 0102`, "0x88b5", "2 bytes"],
];

test.each(CASES)("%s is told in words", (_name, hex, protocol, info) => {
  const it = dissect(bytes(hex));
  expect([it.protocol, it.info]).toEqual([protocol, info]);
  for (const layer of it.layers) for (const field of layer.fields) expect(field.to).toBeGreaterThan(field.from);
});

test("a frame may end anywhere, and may hold anything", () => {
  for (const [, hex] of CASES) {
    const whole = bytes(hex);
    for (let end = 0; end < whole.length; end += 1) {
      dissect(whole.subarray(0, end));
      const other = whole.slice();
      other[end] = other[end]! ^ 0xff;
      dissect(other);
    }
  }
});

test("a name that points at itself ends", () => {
  const loop = bytes(ip4("11", "d431 0035 001a 0000 abcd 0100 0001 0000 0000 0000 c00c 0001 0001"));
  expect(dissect(loop).protocol).toBe("DNS");
});

test("IPv6 addresses are short", () => {
  expect(showIp6(bytes("20010db8000000000000000000000001"))).toBe("2001:db8::1");
  expect(showIp6(bytes("00000000000000000000000000000000"))).toBe("::");
  expect(showIp6(bytes("00010002000300040005000600070008"))).toBe("1:2:3:4:5:6:7:8");
});

const word = (value: number) => [value & 255, (value >> 8) & 255, (value >> 16) & 255, (value >>> 24) & 255];
const block = (type: number, body: number[]) => [...word(type), ...word(body.length + 12), ...body, ...word(body.length + 12)];

test("a capture is read however it is cut, with names, nanoseconds and what was missed", () => {
  const file = Uint8Array.from([
    ...block(0x0a0d0d0a, [...word(0x1a2b3c4d), 1, 0, 0, 0, ...word(0xffffffff), ...word(0xffffffff)]),
    ...block(1, [1, 0, 0, 0, ...word(0), 2, 0, 3, 0, 97, 62, 98, 0, 9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0]),
    ...block(6, [...word(0), ...word(0), ...word(5_000_000), ...word(5), ...word(60), 1, 2, 3, 4, 5, 0, 0, 0, 4, 0, 8, 0, ...word(7), ...word(0), 0, 0, 0, 0]),
  ]);
  for (let cut = 0; cut <= file.length; cut += 1) {
    const reader = new PcapReader();
    const frames = [...reader.feed(file.subarray(0, cut)), ...reader.feed(file.subarray(cut))];
    expect(frames).toEqual([{ number: 1, us: 5000, way: "a>b", length: 60, missed: 7, bytes: Uint8Array.from([1, 2, 3, 4, 5]) }]);
  }
  expect(() => new PcapReader().feed(new Uint8Array(64))).toThrow("no pcapng");
});

test("names in commands are quoted", () => {
  expect(liveCommand("campus", "a--b", "")).toBe("tomato capture live campus/a--b | wireshark -k -i -");
  expect(liveCommand("it's", "a b", "icmp or arp")).toBe(String.raw`tomato capture live 'it'\''s/a b' --filter 'icmp or arp' | wireshark -k -i -`);
});

test("what the host says becomes protocols with fields", () => {
  const field = (depth: number, text: string, at: number, length: number) => ({ depth, name: "", text, at, length });
  const fields = [field(0, "Ethernet", 0, 14), field(1, "Destination", 0, 6), field(2, "Group bit", 0, 3), field(0, "IPv4", 14, 20)];
  const layers = layersOf({ protocol: "IP", info: "", cut: false, fields });
  expect(layers.map((layer) => [layer.name, layer.from, layer.to])).toEqual([["Ethernet", 0, 14], ["IPv4", 14, 34]]);
  expect(layers[0]!.fields.map((each) => [each.value, each.depth, each.to])).toEqual([["Destination", 0, 6], ["Group bit", 1, 3]]);
  expect(layersOf({ protocol: "", info: "", cut: true, fields: [field(3, "alone", 1, 1)] })[0]!.name).toBe("alone");
});
