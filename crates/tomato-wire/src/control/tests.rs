use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::message::{self, MessageError};
use super::server::{self, Service};
use super::*;
use crate::limits;
use crate::status::BridgeView;

/// Answers without a data path.
#[derive(Debug, Default)]
struct Fake {
    descriptors: Vec<bool>,
}

impl Service for Fake {
    fn welcome(&self) -> Welcome {
        Welcome { version: VERSION, pid: 1, instance: u64::MAX }
    }

    fn handle(&mut self, request: Request, descriptor: Option<OwnedFd>) -> Result<Answer, Refusal> {
        self.descriptors.push(descriptor.is_some());
        match request {
            Request::Ping => Ok(Answer::Pong),
            Request::Workers => Ok(Answer::Workers(Vec::new())),
            Request::Attach { .. } => {
                let mut text = String::new();
                let mut file = std::fs::File::from(descriptor.expect("one came"));
                file.read_to_string(&mut text).expect("it is readable");
                Err(Refusal::new(ErrorCode::NotFound, text))
            }
            Request::List => Ok(Answer::Topologies(vec!["x".repeat(limits::MAX_CONTROL_BYTES)])),
            Request::Apply { .. } => Ok(Answer::Applied { unattached: vec!["a".into()] }),
            Request::Status { .. } => Ok(Answer::Status(BTreeMap::new())),
            Request::Remove { .. } => Ok(Answer::Removed),
            Request::Tap { .. } => Ok(Answer::Tapped),
            Request::Past { .. } => Ok(Answer::Saved { bytes: 0 }),
            Request::Lost { .. } => Ok(Answer::Noted),
            Request::Bridge { .. } => Ok(Answer::Bridge(BridgeView::default())),
            Request::Hello { .. } => unreachable!("the server answers it"),
        }
    }
}

/// Talks to a served fake; returns what the server's end said.
fn with_server<T>(talk: impl FnOnce(&UnixStream) -> T) -> (T, Result<(), MessageError>) {
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    theirs.set_read_timeout(Some(Duration::from_millis(20))).expect("a socket");
    let thread = std::thread::spawn(move || server::serve(&theirs, &mut Fake::default()));
    let result = talk(&ours);
    drop(ours);
    (result, thread.join().expect("the server does not panic"))
}

fn call(stream: &UnixStream, request: &Request) -> Reply {
    message::send(stream, request, None).expect("it is sent");
    message::receive(stream).expect("an answer").expect("before the end").0
}

fn refused(reply: Reply) -> (ErrorCode, String) {
    match reply {
        Reply::Refused(refusal) => (refusal.error, refusal.message),
        Reply::Done(answer) => panic!("not refused: {answer:?}"),
    }
}

fn hello() -> Request {
    Request::Hello { version: VERSION }
}

#[test]
fn a_conversation_goes_request_by_request() {
    let ((), end) = with_server(|stream| {
        let Reply::Done(Answer::Welcome(welcome)) = call(stream, &hello()) else {
            panic!("no welcome")
        };
        assert_eq!(welcome.instance, u64::MAX);
        assert_eq!(call(stream, &Request::Ping), Reply::Done(Answer::Pong));
        // silence longer than the timeout of a message does no harm
        let waited = std::time::Instant::now();
        while waited.elapsed() < Duration::from_millis(60) {
            std::thread::yield_now();
        }
        assert_eq!(call(stream, &Request::Ping), Reply::Done(Answer::Pong));
        let apply = Request::Apply { topology: "t".into(), config: TopologyConfig::default() };
        let applied = Answer::Applied { unattached: vec!["a".into()] };
        assert_eq!(call(stream, &apply), Reply::Done(applied));
    });
    end.expect("it ended in order");
}

#[test]
fn another_version_or_none_is_refused_in_words() {
    let ((), end) = with_server(|stream| {
        let (code, words) = refused(call(stream, &Request::Ping));
        assert_eq!((code, words.as_str()), (ErrorCode::Version, "say hello with a version first"));
        let (code, words) = refused(call(stream, &Request::Hello { version: 99 }));
        assert_eq!(code, ErrorCode::Version);
        assert!(words.contains("not 99"), "{words}");
        assert_eq!(refused(call(stream, &Request::Ping)).0, ErrorCode::Version);
        assert!(matches!(call(stream, &hello()), Reply::Done(Answer::Welcome(_))));
    });
    end.expect("it ended in order");
}

#[test]
fn a_descriptor_arrives_open() {
    let ((), end) = with_server(|stream| {
        call(stream, &hello());
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(b"from the file").expect("written");
        std::io::Seek::rewind(&mut file).expect("a file has a beginning");
        let attach = Request::Attach { topology: "t".into(), port: "p".into() };
        message::send(stream, &attach, Some(file.as_fd())).expect("it is sent");
        let (reply, _) = message::receive(stream).expect("an answer").expect("before the end");
        assert_eq!(refused(reply), (ErrorCode::NotFound, "from the file".into()));
    });
    end.expect("it ended in order");
}

#[test]
fn nonsense_is_refused_and_the_conversation_goes_on() {
    let ((), end) = with_server(|mut stream| {
        call(stream, &hello());
        for nonsense in ["{", "{\"jump\":{}}", "{\"hello\":{\"version\":1,\"x\":2}}", ""] {
            let len = u32::try_from(nonsense.len()).expect("short");
            stream.write_all(&len.to_be_bytes()).expect("sent");
            stream.write_all(nonsense.as_bytes()).expect("sent");
            let (reply, _) = message::receive(stream).expect("an answer").expect("one more");
            assert_eq!(refused(reply).0, ErrorCode::BadRequest, "{nonsense:?}");
        }
        let mut config = TopologyConfig::default();
        config.ports.insert(
            String::new(),
            crate::config::PortConfig { kind: crate::config::PortKind::Tap },
        );
        let apply = Request::Apply { topology: "t".into(), config };
        assert_eq!(refused(call(stream, &apply)).0, ErrorCode::InvalidConfig);
        let remove = Request::Remove { topology: "x".repeat(65) };
        assert_eq!(refused(call(stream, &remove)).0, ErrorCode::InvalidConfig);
        // an answer that does not fit is replaced by a refusal
        assert_eq!(refused(call(stream, &Request::List)).0, ErrorCode::Limit);
        assert_eq!(call(stream, &Request::Ping), Reply::Done(Answer::Pong));
    });
    end.expect("it ended in order");
}

#[test]
fn a_message_too_long_or_cut_off_ends_it() {
    let ((), end) = with_server(|mut stream| {
        stream.write_all(&u32::MAX.to_be_bytes()).expect("sent");
        let (reply, _) = message::receive(stream).expect("an answer").expect("before the end");
        assert_eq!(refused(reply).0, ErrorCode::Limit);
    });
    assert!(matches!(end, Err(MessageError::TooLong { .. })));
    let ((), end) = with_server(|mut stream| {
        stream.write_all(&100u32.to_be_bytes()).expect("sent");
        stream.write_all(b"half").expect("sent");
    });
    assert!(matches!(end, Err(MessageError::Stream { action: "read", .. })), "{end:?}");
    // and one that stops in the middle does not hold the server
    let (stream, theirs) = UnixStream::pair().expect("a pair");
    theirs.set_read_timeout(Some(Duration::from_millis(20))).expect("a socket");
    (&stream).write_all(&[0, 0]).expect("sent");
    let end = server::serve(&theirs, &mut Fake::default());
    assert!(matches!(end, Err(MessageError::Stream { action: "read", .. })), "{end:?}");
}

#[test]
fn the_words_on_the_wire_stay() {
    let refusal = Reply::Refused(Refusal::new(ErrorCode::NotFound, "m"));
    for (reply, text) in [
        (refusal, r#"{"error":"not_found","message":"m"}"#),
        (Reply::Done(Answer::Pong), r#""pong""#),
        (Reply::Done(Answer::Topologies(vec!["t".into()])), r#"{"topologies":["t"]}"#),
    ] {
        assert_eq!(serde_json::to_string(&reply).expect("plain data"), text);
        assert_eq!(serde_json::from_str::<Reply>(text).expect("just written"), reply);
    }
    let status = r#"{"status":{"topology":null}}"#;
    let request = Request::Status { topology: None };
    assert_eq!(serde_json::to_string(&request).expect("plain data"), status);
}
