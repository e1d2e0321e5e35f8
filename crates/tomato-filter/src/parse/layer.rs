//! Where headers lie, given the tags written before, and what tells one from another.

use super::{Node, Parsed, Protocol};
use crate::FilterError;
use crate::eval::{At, Is};

/// Longest frame of which the type field is a length.
const LENGTH_MAX: u32 = 1500;
const IPV4: u32 = 0x0800;
const IPV6: u32 = 0x86dd;
const ARP: u32 = 0x0806;
const RARP: u32 = 0x8035;
const ICMP6: u32 = 58;
const FRAGMENT: u32 = 44;

/// Offsets of the headers that come next.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layers {
    /// The link's own header.
    link: u32,
    /// The field that tells what is in the payload.
    kind: u32,
    /// Behind the link's header.
    payload: u32,
    /// From there to the network's header: labels.
    network: u32,
    labels: u32,
    is_ppp: bool,
}

impl Default for Layers {
    fn default() -> Self {
        Self { link: 0, kind: 12, payload: 14, network: 0, labels: 0, is_ppp: false }
    }
}

fn field(at: u32, size: u32, is: Is, value: u32) -> Node {
    masked(at, size, u32::MAX, is, value)
}

fn masked(at: u32, size: u32, mask: u32, is: Is, value: u32) -> Node {
    Node::Field { at: At::Byte(at), size, mask, is, value }
}

fn unsupported(what: &str, remedy: &'static str) -> FilterError {
    FilterError::Unsupported { what: what.to_owned(), remedy }
}

impl Layers {
    /// A field of the network's header.
    pub(super) fn network(&self, offset: u32, size: u32, mask: u32, value: u32) -> Node {
        masked(self.payload + self.network + offset, size, mask, Is::Equal, value)
    }

    /// A field of the link's header.
    pub(super) fn link(&self, offset: u32, size: u32, value: u32) -> Node {
        field(self.link + offset, size, Is::Equal, value)
    }

    /// Labels come before the network's header.
    pub(super) fn is_labelled(&self) -> bool {
        self.labels > 0
    }

    pub(super) fn is_ethernet(&self) -> bool {
        !self.is_ppp
    }

    /// The link carries this Ethernet type, or below 1501 this service access point.
    pub(super) fn is_type(&self, number: u32) -> Parsed<Node> {
        if self.labels > 0 {
            let version = match number {
                IPV4 => 0x40,
                IPV6 => 0x60,
                _ => {
                    return Err(unsupported(
                        "a protocol other than ip and ip6 after mpls",
                        "leave it out",
                    ));
                }
            };
            let at = self.payload + self.network;
            let is_last = masked(at - 2, 1, 1, Is::Equal, 1);
            return Ok(is_last.and(masked(at, 1, 0xf0, Is::Equal, version)));
        }
        if self.is_ppp {
            let number = match number {
                IPV4 => 0x21,
                IPV6 => 0x57,
                other => other,
            };
            return Ok(field(self.kind, 2, Is::Equal, number));
        }
        if number > LENGTH_MAX {
            return Ok(field(self.kind, 2, Is::Equal, number));
        }
        let is_length = field(self.kind, 2, Is::Above, LENGTH_MAX).not();
        Ok(match number {
            0xfe | 0x06 | 0xf0 => {
                is_length.and(field(self.payload, 2, Is::Equal, number << 8 | number))
            }
            0xe0 | 0x809b | 0x80f3 => {
                return Err(unsupported("this protocol", "compare bytes of ether[] instead"));
            }
            _ => is_length.and(field(self.payload, 1, Is::Equal, number)),
        })
    }

    pub(super) fn llc(&self) -> Parsed<Node> {
        if self.is_ppp {
            return Err(unsupported("llc after pppoes", "leave it out"));
        }
        let is_length = field(self.kind, 2, Is::Above, LENGTH_MAX).not();
        Ok(is_length.and(field(self.payload, 2, Is::Equal, 0xffff).not()))
    }

    /// IPv4 or IPv6 with this protocol in its header; for IPv6 also behind one for fragments.
    pub(super) fn ip_protocol(&self, version: Protocol, number: u32) -> Parsed<Node> {
        if version == Protocol::Ip {
            return Ok(self.is_type(IPV4)?.and(self.network(9, 1, u32::MAX, number)));
        }
        let fragment = self.network(6, 1, u32::MAX, FRAGMENT);
        let behind = fragment.and(self.network(40, 1, u32::MAX, number));
        let direct = self.network(6, 1, u32::MAX, number);
        Ok(self.is_type(IPV6)?.and(direct.or(behind)))
    }

    /// A protocol named alone.
    pub(super) fn carries(&self, protocol: Protocol) -> Parsed<Node> {
        match protocol {
            Protocol::Any | Protocol::Link => Ok(Node::Every),
            Protocol::Ip => self.is_type(IPV4),
            Protocol::Ip6 => self.is_type(IPV6),
            Protocol::Arp => self.is_type(ARP),
            Protocol::Rarp => self.is_type(RARP),
            Protocol::Icmp6 => self.ip_protocol(Protocol::Ip6, ICMP6),
            // ICMP, IGMP, IGRP and VRRP are of IPv4 only.
            Protocol::Carried(number @ (1 | 2 | 9 | 112)) => self.ip_protocol(Protocol::Ip, number),
            Protocol::Carried(number) => {
                let old = self.ip_protocol(Protocol::Ip, number)?;
                Ok(old.or(self.ip_protocol(Protocol::Ip6, number)?))
            }
        }
    }

    /// The IPv4 packet is whole or its first fragment: only then its payload has a header.
    fn has_header(&self) -> Node {
        self.network(6, 2, 0x1fff, 0)
    }

    /// Where the bytes of a protocol begin, and what must hold for them to be there besides `index`.
    pub(super) fn bytes(
        &self,
        protocol: Protocol,
        index: Option<Node>,
    ) -> Parsed<(At, Option<Node>)> {
        let after = |check: Node| match index.clone() {
            Some(index) => index.and(check),
            None => check,
        };
        let network = self.payload + self.network;
        Ok(match protocol {
            Protocol::Any | Protocol::Link => (At::Byte(self.link), index),
            Protocol::Ip | Protocol::Ip6 | Protocol::Arp | Protocol::Rarp => {
                (At::Byte(network), Some(after(self.carries(protocol)?)))
            }
            Protocol::Icmp6 => {
                let check = after(self.is_type(IPV6)?).and(self.network(6, 1, u32::MAX, ICMP6));
                (At::Byte(network + 40), Some(check))
            }
            Protocol::Carried(51 | 50) => {
                return Err(unsupported("looking into ah or esp", "look into ip instead"));
            }
            Protocol::Carried(_) => {
                let check = after(self.carries(protocol)?.and(self.has_header()));
                let at = At::BehindIpv4 { header: network, offset: 0 };
                (at, Some(self.is_type(IPV4)?.and(check)))
            }
        })
    }

    /// The first protocol's packet with a port, or any of a range, at one of both places.
    pub(super) fn port(&self, version: Protocol, number: u32, of: impl Fn(At) -> Node) -> Node {
        let network = self.payload + self.network;
        if version == Protocol::Ip {
            let has_port = self.network(9, 1, u32::MAX, number).and(self.has_header());
            return has_port.and(of(At::BehindIpv4 { header: network, offset: 0 }));
        }
        self.network(6, 1, u32::MAX, number).and(of(At::Byte(network + 40)))
    }

    pub(super) fn cast(&self, casting: &str, protocol: Protocol) -> Parsed<Node> {
        let network = self.payload + self.network;
        match (casting, protocol) {
            ("broadcast" | "multicast", Protocol::Any | Protocol::Link) if self.is_ppp => {
                Err(unsupported("Ethernet addresses after pppoes", "write them before it"))
            }
            ("broadcast", Protocol::Any | Protocol::Link) => {
                Ok(self.link(2, 4, u32::MAX).and(self.link(0, 2, 0xffff)))
            }
            ("broadcast", Protocol::Ip) => {
                let none = self.network(16, 4, u32::MAX, 0);
                Ok(self.is_type(IPV4)?.and(none.or(self.network(16, 4, u32::MAX, u32::MAX))))
            }
            ("multicast", Protocol::Any | Protocol::Link) => {
                Ok(masked(self.link, 1, 1, Is::Equal, 1))
            }
            ("multicast", Protocol::Ip) => {
                Ok(self.is_type(IPV4)?.and(field(network + 16, 1, Is::AtLeast, 224)))
            }
            ("multicast", Protocol::Ip6) => {
                Ok(self.is_type(IPV6)?.and(field(network + 24, 1, Is::Equal, 255)))
            }
            _ => Err(FilterError::Value {
                value: casting.to_owned(),
                problem: "goes with ether and ip, multicast with ip6 too",
            }),
        }
    }

    /// A tag, with this number if one is given; whatever is written later is looked for behind it.
    pub(super) fn vlan(&mut self, number: Option<u32>) -> Parsed<Node> {
        if self.labels > 0 || self.is_ppp {
            return Err(unsupported("vlan after mpls or pppoes", "write it before"));
        }
        let kind = |number| field(self.kind, 2, Is::Equal, number);
        let mut node = kind(0x8100).or(kind(0x88a8)).or(kind(0x9100));
        if let Some(number) = number {
            if number > 0xfff {
                let problem = "is no VLAN: at most 4095";
                return Err(FilterError::Value { value: number.to_string(), problem });
            }
            node = node.and(masked(self.payload, 2, 0xfff, Is::Equal, number));
        }
        self.kind += 4;
        self.payload += 4;
        Ok(node)
    }

    pub(super) fn mpls(&mut self, label: Option<u32>) -> Parsed<Node> {
        let at = self.payload + self.network;
        let mut node = match self.labels {
            0 if self.is_ppp => field(self.kind, 2, Is::Equal, 0x0281),
            0 => self.is_type(0x8847)?,
            // The label before was not the last one.
            _ => masked(at - 2, 1, 1, Is::Equal, 0),
        };
        if let Some(label) = label {
            if label > 0xf_ffff {
                let problem = "is no label: at most 1048575";
                return Err(FilterError::Value { value: label.to_string(), problem });
            }
            node = node.and(masked(at, 4, 0xffff_f000, Is::Equal, label << 12));
        }
        self.network += 4;
        self.labels += 1;
        Ok(node)
    }

    pub(super) fn pppoe_session(&mut self, session: Option<u32>) -> Parsed<Node> {
        let mut node = self.is_type(0x8864)?;
        if let Some(session) = session {
            if session > 0xffff {
                let problem = "is no session: at most 65535";
                return Err(FilterError::Value { value: session.to_string(), problem });
            }
            node = node.and(masked(self.payload, 4, 0xffff, Is::Equal, session));
        }
        self.link = self.payload + self.network + 6;
        self.kind = self.link;
        self.payload = self.link + 2;
        self.network = 0;
        self.is_ppp = true;
        Ok(node)
    }
}
