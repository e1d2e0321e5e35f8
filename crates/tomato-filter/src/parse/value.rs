//! What an address, a port or a protocol means after its head.

use std::net::Ipv6Addr;

use super::{Direction, Head, Kind, Node, Parsed, Parser, Protocol, SCTP, TCP, UDP};
use crate::eval::{At, Is};
use crate::lex::Token;
use crate::{FilterError, names};

const IPV4: u32 = 0x0800;
const IPV6: u32 = 0x86dd;
const ARP: u32 = 0x0806;
const RARP: u32 = 0x8035;

fn wrong(value: &(impl ToString + ?Sized), problem: &'static str) -> FilterError {
    FilterError::Value { value: value.to_string(), problem }
}

/// One of both places, or both, as the direction says.
fn places(direction: Direction, source: Node, destination: Node) -> Node {
    match direction {
        Direction::Source => source,
        Direction::Destination => destination,
        Direction::Either => source.or(destination),
        Direction::Both => source.and(destination),
    }
}

impl Parser<'_> {
    pub(super) fn value(&mut self, head: Head) -> Parsed<Node> {
        let wanted = match head.kind {
            Kind::Port => "a port",
            Kind::PortRange => "a range of ports, as in 1-1023",
            Kind::Protocol => "a protocol's number or name",
            Kind::Net => "a network",
            Kind::Host | Kind::Default => "an address",
        };
        let Some(token) = self.peek() else { return Err(self.unexpected(wanted)) };
        match token {
            Token::Sign(_) => Err(self.unexpected(wanted)),
            Token::Word { text, is_escaped } if !is_escaped && super::is_keyword(text) => {
                Err(self.unexpected(wanted))
            }
            Token::Word { text, .. } => {
                self.at += 1;
                self.named(head, text)
            }
            Token::Number(number) => {
                self.at += 1;
                self.numbered(head, *number)
            }
            Token::Ipv4(octets) => {
                self.at += 1;
                self.ipv4(head, octets)
            }
            Token::Ipv6(address) => {
                self.at += 1;
                self.ipv6(head, *address)
            }
            Token::Mac(mac) => {
                self.at += 1;
                self.mac(head, *mac)
            }
        }
    }

    fn named(&self, head: Head, name: &str) -> Parsed<Node> {
        match head.kind {
            Kind::Protocol => {
                let table = match head.protocol {
                    Protocol::Link => names::ETHERNET_TYPES,
                    _ => names::PROTOCOLS,
                };
                let number = names::find(table, name);
                let number = number
                    .ok_or_else(|| wrong(name, "is no protocol known here: write its number"))?;
                self.protocol(head, number)
            }
            Kind::Port => {
                let found = names::PORTS.iter().find(|(known, ..)| *known == name);
                let (_, port, carriers) =
                    found.ok_or_else(|| wrong(name, "is no port known here: write its number"))?;
                let asked = carriers_of(head)?;
                // A service that only one protocol has is that protocol's.
                let carriers: Vec<u32> = match carriers {
                    [one] if asked.contains(one) => vec![*one],
                    [_] => return Err(wrong(name, "is a port of another protocol")),
                    _ => asked,
                };
                self.ports(head, &carriers, (*port, *port))
            }
            Kind::PortRange => {
                let bound = |text: &str| text.parse::<u32>().ok();
                let range = name.split_once('-').and_then(|(a, b)| Some((bound(a)?, bound(b)?)));
                let range =
                    range.ok_or_else(|| wrong(name, "is no range: write it as in 1-1023"))?;
                self.ports(head, &carriers_of(head)?, range)
            }
            Kind::Host | Kind::Net | Kind::Default => {
                Err(wrong(name, "is a name, and names are not looked up: write the address"))
            }
        }
    }

    fn numbered(&self, head: Head, number: u32) -> Parsed<Node> {
        match head.kind {
            Kind::Protocol => self.protocol(head, number),
            Kind::Port | Kind::PortRange => self.ports(head, &carriers_of(head)?, (number, number)),
            Kind::Net => {
                // `net 10` is 10.0.0.0/8.
                let (mut number, mut mask) = (number, u32::MAX);
                while number != 0 && number & 0xff00_0000 == 0 {
                    (number, mask) = (number << 8, mask << 8);
                }
                self.host(head, number, mask)
            }
            Kind::Host | Kind::Default => self.host(head, number, u32::MAX),
        }
    }

    fn ipv4(&mut self, head: Head, octets: &[u8]) -> Parsed<Node> {
        let bits = 8 * u32::try_from(octets.len()).unwrap_or(4);
        let number = octets.iter().fold(0, |number, octet| number << 8 | u32::from(*octet));
        let number = number << (32 - bits);
        let text = Token::Ipv4(octets.to_vec()).to_string();
        let mask = if self.take("/") {
            let len = self.number().ok_or_else(|| self.unexpected("a number of bits"))?;
            if len > 32 {
                return Err(wrong(&len, "bits are more than an address has: at most 32"));
            }
            u32::MAX.checked_shl(32 - len).unwrap_or(0)
        } else if self.take("mask") {
            let Some(Token::Ipv4(mask)) = self.peek() else {
                return Err(self.unexpected("a mask, as in 255.255.255.0"));
            };
            self.at += 1;
            let len = 8 * u32::try_from(mask.len()).unwrap_or(4);
            mask.iter().fold(0, |number, octet| number << 8 | u32::from(*octet)) << (32 - len)
        } else {
            if !matches!(head.kind, Kind::Host | Kind::Net | Kind::Default) {
                return Err(wrong(&text, "is an address: write a number"));
            }
            return self.host(head, number, u32::MAX << (32 - bits));
        };
        if head.kind != Kind::Net {
            return Err(wrong(&text, "has a mask and is no network: write net before it"));
        }
        if number & !mask != 0 {
            return Err(wrong(&text, "has bits set outside of its mask: clear them"));
        }
        self.host(head, number, mask)
    }

    /// IPv4 addresses, also those that ARP asks for.
    fn host(&self, head: Head, address: u32, mask: u32) -> Parsed<Node> {
        let at = |kind, source, destination| -> Parsed<Node> {
            let place = |offset| self.layers.network(offset, 4, mask, address);
            Ok(self.layers.is_type(kind)?.and(places(
                head.direction,
                place(source),
                place(destination),
            )))
        };
        match head.protocol {
            Protocol::Ip => at(IPV4, 12, 16),
            Protocol::Arp => at(ARP, 14, 24),
            Protocol::Rarp => at(RARP, 14, 24),
            Protocol::Any if self.layers.is_labelled() => at(IPV4, 12, 16),
            Protocol::Any => Ok(at(IPV4, 12, 16)?.or(at(ARP, 14, 24)?).or(at(RARP, 14, 24)?)),
            _ => Err(wrong("address", "goes with ip, arp, rarp or nothing before it")),
        }
    }

    fn ipv6(&mut self, head: Head, address: Ipv6Addr) -> Parsed<Node> {
        let mut bits = 128;
        if self.take("/") {
            bits = self.number().ok_or_else(|| self.unexpected("a number of bits"))?;
            if bits > 128 {
                return Err(wrong(&bits, "bits are more than an address has: at most 128"));
            }
        }
        match head.kind {
            Kind::Net => {}
            Kind::Host | Kind::Default if bits == 128 => {}
            Kind::Host | Kind::Default => {
                return Err(wrong(&address, "has a mask and is no network: write net before it"));
            }
            _ => return Err(wrong(&address, "is an address: write a number")),
        }
        if !matches!(head.protocol, Protocol::Any | Protocol::Ip6) {
            return Err(wrong(&address, "goes with ip6 or nothing before it"));
        }
        let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
        let number = u128::from(address);
        if number & !mask != 0 {
            return Err(wrong(&address, "has bits set outside of its mask: clear them"));
        }
        let part = |number: u128, shift: u32| {
            u32::try_from(number >> shift & u128::from(u32::MAX)).unwrap_or(0)
        };
        let place = |offset: u32| {
            let word = |i: u32| {
                let shift = 96 - 32 * i;
                self.layers.network(offset + 4 * i, 4, part(mask, shift), part(number, shift))
            };
            word(0).and(word(1)).and(word(2)).and(word(3))
        };
        Ok(self.layers.is_type(IPV6)?.and(places(head.direction, place(8), place(24))))
    }

    fn mac(&self, head: Head, mac: [u8; 6]) -> Parsed<Node> {
        let is_host = matches!(head.kind, Kind::Host | Kind::Default);
        if !is_host || head.protocol != Protocol::Link {
            return Err(wrong("Ethernet address", "goes with ether host, ether src or ether dst"));
        }
        if !self.layers.is_ethernet() {
            return Err(wrong("Ethernet address", "is not there after pppoes: write it before"));
        }
        let [a, b, c, d, e, f] = mac;
        let place = |offset| {
            let high = u32::from(u16::from_be_bytes([a, b]));
            let low = u32::from_be_bytes([c, d, e, f]);
            self.layers.link(offset + 2, 4, low).and(self.layers.link(offset, 2, high))
        };
        Ok(places(head.direction, place(6), place(0)))
    }

    fn protocol(&self, head: Head, number: u32) -> Parsed<Node> {
        match head.protocol {
            Protocol::Link => self.layers.is_type(number),
            Protocol::Ip | Protocol::Ip6 => self.layers.ip_protocol(head.protocol, number),
            Protocol::Any => {
                let old = self.layers.ip_protocol(Protocol::Ip, number)?;
                Ok(old.or(self.layers.ip_protocol(Protocol::Ip6, number)?))
            }
            _ => Err(wrong("proto", "goes with ether, ip, ip6 or nothing before it")),
        }
    }

    fn ports(&self, head: Head, carriers: &[u32], (first, last): (u32, u32)) -> Parsed<Node> {
        let (low, high) = (first.min(last), first.max(last));
        if high > 0xffff {
            return Err(wrong(&high, "is no port: at most 65535"));
        }
        let of = |at: At| {
            let further = |by: u32| match at {
                At::Byte(byte) => At::Byte(byte + by),
                At::BehindIpv4 { header, offset } => At::BehindIpv4 { header, offset: offset + by },
            };
            let port = |by| {
                let at = further(by);
                let bound = |is, value| Node::Field { at, size: 2, mask: u32::MAX, is, value };
                if low == high {
                    bound(Is::Equal, low)
                } else {
                    bound(Is::AtLeast, low).and(bound(Is::AtMost, high))
                }
            };
            places(head.direction, port(0), port(2))
        };
        let version = |version, kind| -> Parsed<Node> {
            let carried = carriers.iter().map(|number| self.layers.port(version, *number, of));
            let any = carried.reduce(Node::or).unwrap_or(Node::Every);
            Ok(self.layers.is_type(kind)?.and(any))
        };
        Ok(version(Protocol::Ip6, IPV6)?.or(version(Protocol::Ip, IPV4)?))
    }
}

/// The protocols whose ports are meant.
fn carriers_of(head: Head) -> Parsed<Vec<u32>> {
    match head.protocol {
        Protocol::Any => Ok(vec![6, 17, 132]),
        protocol @ (TCP | UDP | SCTP) => match protocol {
            Protocol::Carried(number) => Ok(vec![number]),
            _ => Ok(Vec::new()),
        },
        _ => Err(wrong("port", "goes with tcp, udp, sctp or nothing before it")),
    }
}
