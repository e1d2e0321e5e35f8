//! The few routing requests a container needs, over a socket opened inside its network namespace (and usable from anywhere after).

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};

use super::spec::{Cidr, Route};

/// The kernel refused a request.
#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    /// The socket failed.
    #[error("talk to the kernel's routing socket")]
    Socket(#[source] io::Error),
    /// A request was refused.
    #[error("{what}")]
    Refused {
        /// What was asked, with names and addresses.
        what: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The answer was not understood.
    #[error("understand the kernel's answer to: {what}")]
    Answer {
        /// What was asked.
        what: String,
    },
}

const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_EXCL: u16 = 0x200;
const NLM_F_CREATE: u16 = 0x400;
const HEADER: usize = 16;
const TABLE_MAIN: u8 = 254;
const PROTOCOL_STATIC: u8 = 4;
const ROUTE_UNICAST: u8 = 1;
/// Addresses are chosen by us and unique, so they are usable at once.
const IFA_F_NODAD: u8 = 2;

/// A routing socket.
#[derive(Debug)]
pub(crate) struct Netlink {
    socket: OwnedFd,
    sequence: u32,
}

/// What to set on a link; `None` leaves it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LinkChange {
    pub(crate) mac: Option<[u8; 6]>,
    pub(crate) mtu: Option<u32>,
    pub(crate) up: Option<bool>,
}

impl Netlink {
    /// A socket of the calling thread's network namespace.
    pub(crate) fn open() -> io::Result<Self> {
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkRoute,
        )?;
        Ok(Self { socket, sequence: 0 })
    }

    /// The number of a link, `None` if there is none of that name.
    pub(crate) fn link(&mut self, name: &str) -> Result<Option<u32>, NetlinkError> {
        let mut message = Message::new(libc::RTM_GETLINK, 0);
        message.body(&link_header(0, 0, 0)).name(libc::IFLA_IFNAME, name);
        match self.ask(message, || format!("find interface {name}")) {
            Ok(answer) => {
                let index = answer.get(HEADER + 4..HEADER + 8).and_then(|b| b.try_into().ok());
                index
                    .map(u32::from_le_bytes)
                    .map(Some)
                    .ok_or_else(|| NetlinkError::Answer { what: format!("find interface {name}") })
            }
            Err(error) if error.is(&[libc::ENODEV]) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Changes a link.
    pub(crate) fn set_link(&mut self, index: u32, change: LinkChange) -> Result<(), NetlinkError> {
        let up = libc::IFF_UP.cast_unsigned();
        let (flags, mask) = match change.up {
            None => (0, 0),
            Some(true) => (up, up),
            Some(false) => (0, up),
        };
        let mut message = Message::new(libc::RTM_NEWLINK, 0);
        message.body(&link_header(index, flags, mask));
        if let Some(mac) = change.mac {
            message.attribute(libc::IFLA_ADDRESS, &mac);
        }
        if let Some(mtu) = change.mtu {
            message.attribute(libc::IFLA_MTU, &mtu.to_ne_bytes());
        }
        self.ask(message, || format!("set interface {index} to {change:?}")).map(|_| ())
    }

    /// Removes a link.
    pub(crate) fn delete_link(&mut self, index: u32) -> Result<(), NetlinkError> {
        let mut message = Message::new(libc::RTM_DELLINK, 0);
        message.body(&link_header(index, 0, 0));
        ignore(self.ask(message, || format!("remove interface {index}")), &[libc::ENODEV])
    }

    /// Adds an address; nothing happens if it is there.
    pub(crate) fn add_address(&mut self, index: u32, cidr: Cidr) -> Result<(), NetlinkError> {
        let message = address_message(libc::RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, index, cidr);
        ignore(self.ask(message, || format!("add address {cidr}")), &[libc::EEXIST])
    }

    /// Removes an address; nothing happens if it is not there.
    pub(crate) fn delete_address(&mut self, index: u32, cidr: Cidr) -> Result<(), NetlinkError> {
        let message = address_message(libc::RTM_DELADDR, 0, index, cidr);
        ignore(
            self.ask(message, || format!("remove address {cidr}")),
            &[libc::EADDRNOTAVAIL, libc::ENODEV],
        )
    }

    /// Adds a static route; nothing happens if it is there.
    pub(crate) fn add_route(&mut self, route: &Route) -> Result<(), NetlinkError> {
        let message = self.route_message(libc::RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, route)?;
        let Some(message) = message else {
            return Err(NetlinkError::Refused {
                what: format!("add {}", Named(route)),
                source: io::Error::from_raw_os_error(libc::ENODEV),
            });
        };
        ignore(self.ask(message, || format!("add {}", Named(route))), &[libc::EEXIST])
    }

    /// Removes a static route; nothing happens if it is not there.
    pub(crate) fn delete_route(&mut self, route: &Route) -> Result<(), NetlinkError> {
        let Some(message) = self.route_message(libc::RTM_DELROUTE, 0, route)? else {
            return Ok(());
        };
        ignore(
            self.ask(message, || format!("remove {}", Named(route))),
            &[libc::ESRCH, libc::ENODEV, libc::ENETUNREACH],
        )
    }

    /// `None` if its interface does not exist.
    fn route_message(
        &mut self,
        kind: u16,
        flags: u16,
        route: &Route,
    ) -> Result<Option<Message>, NetlinkError> {
        let index = match &route.dev {
            None => None,
            Some(name) => match self.link(name)? {
                None => return Ok(None),
                found => found,
            },
        };
        let dest = route.dest.network();
        // Without a router the destination is on the link itself.
        let scope = if route.via.is_none() { libc::RT_SCOPE_LINK } else { libc::RT_SCOPE_UNIVERSE };
        let protocol = if kind == libc::RTM_DELROUTE { 0 } else { PROTOCOL_STATIC };
        let mut message = Message::new(kind, flags);
        message.body(&[
            family(dest.address),
            dest.prefix,
            0,
            0,
            TABLE_MAIN,
            protocol,
            if dest.address.is_ipv4() { scope } else { 0 },
            ROUTE_UNICAST,
            0,
            0,
            0,
            0,
        ]);
        if dest.prefix > 0 {
            message.attribute(libc::RTA_DST, &octets(dest.address));
        }
        if let Some(via) = route.via {
            message.attribute(libc::RTA_GATEWAY, &octets(via));
        }
        if let Some(index) = index {
            message.attribute(libc::RTA_OIF, &index.to_ne_bytes());
        }
        Ok(Some(message))
    }

    fn ask(
        &mut self,
        message: Message,
        what: impl Fn() -> String,
    ) -> Result<Vec<u8>, NetlinkError> {
        self.sequence += 1;
        let bytes = message.finish(self.sequence);
        let kernel = NetlinkAddr::new(0, 0);
        sendto(self.socket.as_raw_fd(), &bytes, &kernel, MsgFlags::empty())
            .map_err(|e| NetlinkError::Socket(e.into()))?;
        let mut answer = None;
        loop {
            let mut buffer = vec![0u8; 32 * 1024];
            let n = recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::empty())
                .map_err(|e| NetlinkError::Socket(e.into()))?;
            buffer.truncate(n);
            match parse(&buffer, self.sequence) {
                None => return Err(NetlinkError::Answer { what: what() }),
                Some(Part::Other) => {}
                Some(Part::Data(data)) => answer = Some(data),
                Some(Part::Ack(0)) => return Ok(answer.unwrap_or_default()),
                Some(Part::Ack(errno)) => {
                    let source = io::Error::from_raw_os_error(errno);
                    return Err(NetlinkError::Refused { what: what(), source });
                }
            }
        }
    }
}

impl NetlinkError {
    fn is(&self, numbers: &[i32]) -> bool {
        matches!(self, Self::Refused { source, .. }
            if source.raw_os_error().is_some_and(|n| numbers.contains(&n)))
    }
}

fn ignore(result: Result<Vec<u8>, NetlinkError>, numbers: &[i32]) -> Result<(), NetlinkError> {
    match result {
        Err(error) if !error.is(numbers) => Err(error),
        _ => Ok(()),
    }
}

enum Part {
    Data(Vec<u8>),
    Ack(i32),
    Other,
}

/// The first message of an answer; `None` if it is none. The kernel sends the acknowledgement in a packet of its own.
fn parse(packet: &[u8], sequence: u32) -> Option<Part> {
    let word = |at: usize| Some(u32::from_ne_bytes(packet.get(at..at + 4)?.try_into().ok()?));
    let length = usize::try_from(word(0)?).ok()?;
    let kind = u16::from_ne_bytes(packet.get(4..6)?.try_into().ok()?);
    if length < HEADER || length > packet.len() {
        return None;
    }
    if word(8)? != sequence {
        return Some(Part::Other);
    }
    if i32::from(kind) == libc::NLMSG_ERROR {
        return Some(Part::Ack(-word(HEADER)?.cast_signed()));
    }
    Some(Part::Data(packet[..length].to_vec()))
}

fn family(address: IpAddr) -> u8 {
    let number = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    u8::try_from(number).expect("both families are small numbers")
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(a) => a.octets().to_vec(),
        IpAddr::V6(a) => a.octets().to_vec(),
    }
}

fn link_header(index: u32, flags: u32, mask: u32) -> Vec<u8> {
    let mut header = vec![0u8; 4];
    header.extend(index.to_ne_bytes());
    header.extend(flags.to_ne_bytes());
    header.extend(mask.to_ne_bytes());
    header
}

fn address_message(kind: u16, flags: u16, index: u32, cidr: Cidr) -> Message {
    let mut header = vec![family(cidr.address), cidr.prefix, IFA_F_NODAD, 0];
    header.extend(index.to_ne_bytes());
    let mut message = Message::new(kind, flags);
    let bytes = octets(cidr.address);
    message.body(&header).attribute(libc::IFA_LOCAL, &bytes).attribute(libc::IFA_ADDRESS, &bytes);
    message
}

/// A route in words.
struct Named<'a>(&'a Route);

impl std::fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "route to {}", self.0.dest)?;
        if let Some(via) = self.0.via {
            write!(f, " via {via}")?;
        }
        if let Some(dev) = &self.0.dev {
            write!(f, " on {dev}")?;
        }
        Ok(())
    }
}

/// A request being written.
struct Message {
    kind: u16,
    flags: u16,
    bytes: Vec<u8>,
}

impl Message {
    fn new(kind: u16, flags: u16) -> Self {
        Self { kind, flags: flags | NLM_F_REQUEST | NLM_F_ACK, bytes: vec![0; HEADER] }
    }

    fn body(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend(bytes);
        self
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        let length = u16::try_from(4 + value.len()).expect("attributes here are short");
        self.bytes.extend(length.to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self
    }

    fn name(&mut self, kind: u16, name: &str) -> &mut Self {
        let mut value = name.as_bytes().to_vec();
        value.truncate(crate::limits::INTERFACE_NAME_MAX);
        value.push(0);
        self.attribute(kind, &value)
    }

    fn finish(mut self, sequence: u32) -> Vec<u8> {
        let length = u32::try_from(self.bytes.len()).expect("requests here are short");
        self.bytes[..4].copy_from_slice(&length.to_ne_bytes());
        self.bytes[4..6].copy_from_slice(&self.kind.to_ne_bytes());
        self.bytes[6..8].copy_from_slice(&self.flags.to_ne_bytes());
        self.bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        self.bytes
    }
}

#[cfg(test)]
mod tests;
