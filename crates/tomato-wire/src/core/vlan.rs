//! VLANs of a switch (IEEE 802.1Q): which frames a port takes in, and how they leave by another.
//!
//! Only the outermost tag of a frame counts, of 802.1Q or 802.1ad; what is behind it passes as it is.

use crate::config::BridgeConfig;
pub use crate::config::PortVlan;
use crate::core::packet::word;
use crate::core::split::Splice;

/// Where a tag lies in a frame: behind the addresses.
const TAG_AT: usize = 12;
/// Bytes of a tag.
const TAG_BYTES: usize = 4;
const CUSTOMER_TAG: u16 = 0x8100;
const SERVICE_TAG: u16 = 0x88a8;
const VLAN_BITS: u16 = 0x0fff;
/// The VLAN of ports that name none, on a switch that knows VLANs.
const DEFAULT_VLAN: u16 = 1;

/// A frame's place among the VLANs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// The VLAN; 0 where there are none.
    pub vlan: u16,
    /// Its outermost tag is the VLAN's.
    has_tag: bool,
    /// That tag with another VLAN's number, or a new one.
    tag: [u8; TAG_BYTES],
}

/// What is done to a frame before it leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dress {
    /// Nothing.
    AsItIs,
    /// Its tag is taken off, changed or put on.
    Spliced(Splice),
}

/// How a port treats VLANs; none on a switch that knows none.
#[must_use]
pub fn of_port(config: &BridgeConfig, port: &str) -> Option<PortVlan> {
    if config.vlans.is_empty() {
        return None;
    }
    Some(config.vlans.get(port).cloned().unwrap_or(PortVlan::Access(DEFAULT_VLAN)))
}

/// The place of a frame that comes in; none if the port does not take it.
#[must_use]
pub fn enter(port: Option<&PortVlan>, frame: &[u8]) -> Option<Place> {
    let Some(port) = port else { return Some(Place::default()) };
    let protocol = word(frame, TAG_AT).filter(|p| matches!(*p, CUSTOMER_TAG | SERVICE_TAG));
    let control = protocol.and_then(|_| word(frame, TAG_AT + 2));
    // a tag of VLAN 0 carries a priority only
    let tagged = control.map(|control| control & VLAN_BITS).filter(|vlan| *vlan != 0);
    let (vlan, is_inner) = match port {
        PortVlan::Tunnel(vlan) => (*vlan, true),
        PortVlan::Access(vlan) if tagged.is_none_or(|tagged| tagged == *vlan) => (*vlan, false),
        PortVlan::Access(_) => return None,
        PortVlan::Trunk { native, .. } => (tagged.or(*native)?, false),
    };
    let has_tag = control.is_some() && !is_inner;
    let (protocol, priority) = match (has_tag, protocol, control) {
        (true, Some(protocol), Some(control)) => (protocol, control & !VLAN_BITS),
        _ => (if is_inner { SERVICE_TAG } else { CUSTOMER_TAG }, 0),
    };
    let [a, b] = protocol.to_be_bytes();
    let [c, d] = (priority | vlan).to_be_bytes();
    port.carries(vlan).then_some(Place { vlan, has_tag, tag: [a, b, c, d] })
}

/// How a frame leaves by a port; none if the port does not carry its VLAN.
#[must_use]
pub fn leave(port: Option<&PortVlan>, place: Place) -> Option<Dress> {
    let Some(port) = port else { return Some(Dress::AsItIs) };
    if !port.carries(place.vlan) {
        return None;
    }
    let wears = match port {
        PortVlan::Access(_) | PortVlan::Tunnel(_) => false,
        PortVlan::Trunk { native, .. } => *native != Some(place.vlan),
    };
    let removed = if place.has_tag { TAG_BYTES } else { 0 };
    Some(match (place.has_tag, wears) {
        (false, false) => Dress::AsItIs,
        (_, true) => Dress::Spliced(Splice { at: TAG_AT, removed, inserted: Some(place.tag) }),
        (true, false) => Dress::Spliced(Splice { at: TAG_AT, removed, inserted: None }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(tags: &[u8]) -> Vec<u8> {
        [&[1; 12][..], tags, &[8, 0, 9, 9]].concat()
    }

    /// From, to, tags that come in, tags that go out; none: it does not pass.
    type Case<'a> = (&'a PortVlan, &'a PortVlan, &'a [u8], Option<&'a [u8]>);

    /// What leaves by the second port of what comes in at the first: bytes behind the addresses.
    fn pass(from: &PortVlan, to: &PortVlan, tags: &[u8]) -> Option<Vec<u8>> {
        let mut frame = frame(tags);
        match leave(Some(to), enter(Some(from), &frame)?)? {
            Dress::AsItIs => {}
            Dress::Spliced(splice) => splice.apply(&mut frame),
        }
        Some(frame[12..frame.len() - 4].to_vec())
    }

    #[test]
    fn tags_are_put_on_and_taken_off() {
        const TEN: &[u8] = &[0x81, 0, 0, 10];
        const URGENT: &[u8] = &[0x81, 0, 0xa0, 0];
        let trunk = |native| PortVlan::Trunk { allowed: vec![(10, 19), (30, 30)], native };
        let (ten, any) = (PortVlan::Access(10), PortVlan::Trunk { allowed: vec![], native: None });
        let cases: &[Case<'_>] = &[
            (&ten, &ten, &[], Some(&[])),
            (&ten, &ten, TEN, Some(&[])),
            (&ten, &ten, URGENT, Some(&[])),
            (&ten, &ten, &[0x81, 0, 0, 11], None),
            (&ten, &PortVlan::Access(11), &[], None),
            (&ten, &any, &[], Some(TEN)),
            (&ten, &any, URGENT, Some(&[0x81, 0, 0xa0, 10])),
            (&any, &ten, TEN, Some(&[])),
            (&any, &ten, &[], None),
            (&any, &any, &[0x81, 0, 0xe1, 0x23], Some(&[0x81, 0, 0xe1, 0x23])),
            (&trunk(Some(10)), &ten, &[], Some(&[])),
            (&ten, &trunk(Some(10)), &[], Some(&[])),
            (&any, &trunk(None), &[0x81, 0, 0, 30], Some(&[0x81, 0, 0, 30])),
            (&any, &trunk(None), &[0x81, 0, 0, 29], None),
            // a stack of tags: only the outermost counts
            (
                &any,
                &any,
                &[0x88, 0xa8, 0, 10, 0x81, 0, 0, 99],
                Some(&[0x88, 0xa8, 0, 10, 0x81, 0, 0, 99]),
            ),
            (&PortVlan::Tunnel(10), &any, TEN, Some(&[0x88, 0xa8, 0, 10, 0x81, 0, 0, 10])),
            (&PortVlan::Tunnel(10), &any, &[], Some(&[0x88, 0xa8, 0, 10])),
            (
                &any,
                &PortVlan::Tunnel(10),
                &[0x88, 0xa8, 0, 10, 0x81, 0, 0, 77],
                Some(&[0x81, 0, 0, 77]),
            ),
        ];
        for (from, to, tags, wanted) in cases {
            assert_eq!(pass(from, to, tags).as_deref(), *wanted, "{from:?} {to:?} {tags:?}");
        }
    }

    #[test]
    fn without_vlans_tags_mean_nothing() {
        let tagged = frame(&[0x81, 0, 0, 10]);
        let place = enter(None, &tagged).unwrap();
        assert_eq!((place.vlan, leave(None, place)), (0, Some(Dress::AsItIs)));
        let mut config = BridgeConfig::plain(crate::config::BridgeMode::Switch);
        assert_eq!(of_port(&config, "a"), None);
        config.vlans.insert("a".into(), PortVlan::Access(7));
        assert_eq!(of_port(&config, "b"), Some(PortVlan::Access(1)));
    }
}
