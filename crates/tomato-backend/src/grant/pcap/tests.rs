use super::*;

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(12 + body.len()).expect("short").to_le_bytes();
    [&kind.to_le_bytes()[..], &length, body, &length].concat()
}

/// A file of packets at second 1, 2, 3 and so on and 5 ns, each of four bytes.
fn pcapng(packets: u8) -> Vec<u8> {
    let section = [&0x1a2b_3c4d_u32.to_le_bytes()[..], &[1, 0, 0, 0], &[0xff; 8]].concat();
    // Ethernet, snap length, time in nanoseconds, end of options.
    let interface = [1, 0, 0, 0, 0, 0, 4, 0, 9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0];
    let mut file = [block(SECTION, &section), block(INTERFACE, &interface)].concat();
    for number in 1..=packets {
        let ns = u64::from(number) * 1_000_000_000 + 5;
        let high = u32::try_from(ns >> 32).expect("half").to_le_bytes();
        let low = u32::try_from(ns & 0xffff_ffff).expect("half").to_le_bytes();
        let body =
            [&[0; 4][..], &high, &low, &4_u32.to_le_bytes(), &99_u32.to_le_bytes(), &[number; 4]]
                .concat();
        file.extend(block(PACKET, &body));
    }
    file
}

async fn convert(input: Vec<u8>, piece: usize, newest: Option<u64>) -> std::io::Result<Vec<u8>> {
    let pieces: Vec<_> = input.chunks(piece).map(|c| Ok(Bytes::copy_from_slice(c))).collect();
    let mut output = converted(Box::pin(futures_util::stream::iter(pieces)), newest);
    let mut all = Vec::new();
    while let Some(chunk) = output.next().await {
        all.extend_from_slice(&chunk?);
    }
    Ok(all)
}

fn record(number: u8) -> Vec<u8> {
    let second = [number, 0, 0, 0];
    [&second[..], &[5, 0, 0, 0], &[4, 0, 0, 0], &[99, 0, 0, 0], &[number; 4]].concat()
}

#[tokio::test]
async fn packets_keep_time_length_and_bytes_however_they_are_cut() {
    let expected = [header().to_vec(), record(1), record(2)].concat();
    for piece in [1, 7, 10_000] {
        assert_eq!(convert(pcapng(2), piece, None).await.expect("good"), expected);
    }
    assert_eq!(expected[..4], [0x4d, 0x3c, 0xb2, 0xa1]);
}

#[tokio::test]
async fn the_newest_bytes_are_whole_records() {
    let expected = [header().to_vec(), record(4), record(5)].concat();
    assert_eq!(convert(pcapng(5), 100, Some(45)).await.expect("good"), expected);
    assert_eq!(convert(pcapng(5), 100, Some(0)).await.expect("good"), header().to_vec());
}

#[tokio::test]
async fn nothing_captured_is_an_empty_file_and_rubbish_is_an_error() {
    assert_eq!(convert(Vec::new(), 1, None).await.expect("good"), header().to_vec());
    convert(vec![7; 100], 100, None).await.expect_err("not pcapng");
}
