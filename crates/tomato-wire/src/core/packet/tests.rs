use super::*;

fn v4(protocol: u8, transport: &[u8]) -> Vec<u8> {
    let mut frame = vec![2; 12];
    frame.extend([8, 0, 0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, protocol, 0, 0]);
    frame.extend([10, 0, 0, 1, 10, 0, 0, 2]);
    frame.extend(transport);
    frame
}

#[test]
fn headers_are_found_behind_tags_and_options() {
    let mut tcp = [0; 24];
    tcp[12] = 0x60;
    let plain = v4(6, &tcp);
    let layout = parse(&plain).unwrap();
    assert_eq!((layout.network_at, layout.transport_at, layout.payload_at), (14, 34, 58));
    assert_eq!((layout.family, layout.transport), (Family::V4, Transport::Tcp));
    let mut tagged = plain.clone();
    tagged.splice(12..12, [0x88, 0xa8, 0, 1, 0x81, 0, 0, 2]);
    assert_eq!(parse(&tagged).unwrap().payload_at, 66);
    // a fragment has no transport header that can be trusted
    let mut fragment = plain.clone();
    fragment[20] = 0x20;
    assert_eq!(parse(&fragment).unwrap().transport, Transport::Other);
    assert_eq!(parse(&plain[..57]), None);
    assert_eq!(ethertype(&plain[..13]), None);
}

#[test]
fn extensions_of_ipv6_are_followed() {
    let mut frame = vec![2; 12];
    frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 0, 0, 64]);
    frame.extend([1; 32]);
    frame.extend([60, 0, 1, 4, 0, 0, 0, 0]); // hop by hop, then destination options
    frame.extend([17, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    frame.extend([0; 8]);
    let layout = parse(&frame).unwrap();
    assert_eq!(
        (layout.transport, layout.transport_at, layout.payload_at),
        (Transport::Udp, 78, 86)
    );
    frame[20] = 44; // a fragment header
    assert_eq!(parse(&frame).unwrap().transport, Transport::Other);
}

proptest::proptest! {
    #[test]
    fn any_bytes_give_an_answer(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..120)) {
        if let Some(layout) = parse(&bytes) {
            assert!(layout.payload_at <= bytes.len());
        }
    }
}
