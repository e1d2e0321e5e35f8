//! What is asked for: plain data, checked where it is parsed.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tomato_model::id::ElementId;

/// A container as it is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerSpec {
    /// The element.
    pub id: ElementId,
    /// Host name inside.
    pub hostname: String,
    /// The template's root file system, owned by the real ids 0...
    pub rootfs: PathBuf,
    /// Processor share in thousandths of one processor.
    pub cpus_milli: u32,
    /// Memory limit in bytes.
    pub memory_bytes: u64,
    /// Disk limit in bytes, for the caller to compare with [`super::Containers::disk`]: nothing stops the container at it.
    pub disk_bytes: u64,
    /// Number of processes and threads.
    pub pids_max: u32,
    /// Command run at each start, as root in `/`; empty for none.
    pub boot: Vec<String>,
    /// What an image says of its own process, which is run in place of `boot` then.
    pub main: Option<MainProcess>,
}

/// The process that an image is made for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MainProcess {
    /// Program and arguments; empty if the image names none.
    pub argv: Vec<String>,
    /// Environment, `NAME=VALUE` each.
    pub env: Vec<String>,
    /// Working directory.
    pub cwd: String,
    /// User id inside.
    pub uid: u32,
    /// Group id inside.
    pub gid: u32,
    /// More groups.
    pub groups: Vec<u32>,
}

/// An interface as it is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfaceSpec {
    /// Name inside, `eth0`.
    pub name: String,
    /// Hardware address.
    pub mac: [u8; 6],
    /// Largest packet in bytes, without the Ethernet header.
    pub mtu: u32,
}

/// The network configuration of a container as it is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetworkSpec {
    /// Plugged interfaces and their addresses; one that is not plugged is an error.
    pub interfaces: Vec<InterfaceNet>,
    /// Routes besides those of the addresses.
    pub routes: Vec<Route>,
    /// Where IPv4 packets go that no route matches.
    pub gateway4: Option<IpAddr>,
    /// The same for IPv6.
    pub gateway6: Option<IpAddr>,
    /// Names of other elements, for `/etc/hosts`.
    pub hosts: BTreeMap<String, Vec<IpAddr>>,
    /// Host name inside.
    pub hostname: String,
    /// Whether it forwards packets between its interfaces (a router).
    pub forwarding: bool,
}

/// The addresses of one interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfaceNet {
    /// Name inside, `eth0`.
    pub name: String,
    /// Static addresses.
    pub addresses: Vec<Cidr>,
    /// Whether the guest's DHCP client runs on it.
    pub dhcp: bool,
    /// Whether it is up.
    pub up: bool,
    /// Hardware address.
    pub mac: [u8; 6],
    /// Largest packet in bytes.
    pub mtu: u32,
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Route {
    /// Destination network.
    pub dest: Cidr,
    /// Next router; `None` if the destination is on the link itself (then `dev` is needed).
    pub via: Option<IpAddr>,
    /// Interface; `None` lets the kernel find it by `via`.
    pub dev: Option<String>,
}

/// An address with the length of its network part, `10.0.0.1/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cidr {
    /// The address.
    pub address: IpAddr,
    /// Bits of the network part, at most 32 or 128.
    pub prefix: u8,
}

/// A text is not an address with prefix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an address with prefix length, write it like 10.0.0.1/24 or fd00::1/64")]
pub struct CidrError(pub String);

impl Cidr {
    /// Everything of the address family: `0.0.0.0/0` or `::/0`.
    pub(crate) fn any(of: IpAddr) -> Self {
        let address = match of {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        Self { address, prefix: 0 }
    }

    /// The same network with all bits behind the prefix cleared, as a route's destination must be.
    pub(crate) fn network(self) -> Self {
        let prefix = u32::from(self.prefix);
        let address = match self.address {
            IpAddr::V4(a) => {
                let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(a.to_bits() & mask))
            }
            IpAddr::V6(a) => {
                let mask = u128::MAX.checked_shl(128 - prefix).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(a.to_bits() & mask))
            }
        };
        Self { address, prefix: self.prefix }
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Self, CidrError> {
        let wrong = || CidrError(text.chars().take(64).collect());
        let (address, prefix) = text.split_once('/').ok_or_else(wrong)?;
        let address: IpAddr = address.parse().ok().ok_or_else(wrong)?;
        let prefix: u8 = prefix.parse().ok().ok_or_else(wrong)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        if prefix <= most { Ok(Self { address, prefix }) } else { Err(wrong()) }
    }
}

impl TryFrom<String> for Cidr {
    type Error = CidrError;

    fn try_from(text: String) -> Result<Self, CidrError> {
        text.parse()
    }
}

impl From<Cidr> for String {
    fn from(cidr: Cidr) -> Self {
        cidr.to_string()
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests;
