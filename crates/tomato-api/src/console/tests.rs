//! Frames survive any cutting of their stream; streams that are none are refused.

use super::*;

#[test]
fn frames_come_out_as_they_went_in_however_the_stream_is_cut() {
    let sent = [
        Frame::Bytes(Bytes::from_static(b"ls\r")),
        Frame::control(&Asked::Resize { columns: 132, rows: 50 }),
        Frame::Bytes(Bytes::new()),
        Frame::Bytes(vec![0xff; 70_000].into()),
    ];
    let stream: Vec<u8> = sent.iter().flat_map(Frame::encode).collect();
    for step in [1, 4, 5, 6, 1000, stream.len()] {
        let mut frames = Frames::default();
        let mut got = Vec::new();
        for piece in stream.chunks(step) {
            frames.push(piece);
            while let Some(frame) = frames.take().unwrap() {
                got.push(frame);
            }
        }
        assert_eq!(got, sent, "in pieces of {step}");
    }
}

#[test]
fn control_messages_have_the_documented_form() {
    let text = |told: &Told| serde_json::to_string(told).unwrap();
    assert_eq!(
        text(&Told::Size { columns: 80, rows: 24 }),
        r#"{"type":"size","columns":80,"rows":24}"#
    );
    assert_eq!(text(&Told::Exit { code: 130 }), r#"{"type":"exit","code":130}"#);
    let asked: Asked = serde_json::from_str(r#"{"type":"resize","columns":1,"rows":2}"#).unwrap();
    assert_eq!(asked, Asked::Resize { columns: 1, rows: 2 });
}

#[test]
fn streams_of_something_else_are_refused() {
    for (bytes, error) in [
        (&[2, 0, 0, 0, 0][..], FrameError::Kind(2)),
        (&[0, 0xff, 0xff, 0xff, 0xff][..], FrameError::Length(0xffff_ffff)),
        (&[1, 0, 0, 0, 1, 0xff][..], FrameError::Text),
    ] {
        let mut frames = Frames::default();
        frames.push(bytes);
        assert_eq!(frames.take(), Err(error));
    }
}
