//! Consoles on containers that exist in memory only, whose terminals are real.

use std::os::fd::OwnedFd;

use tomato_api::console::{Frame, Frames, Told};
use tomato_virt::container::{ProcessId, ProcessState};

use super::*;
use crate::host::tests::{DEADLINE, World, element, wanted};

/// A viewer with all it was shown so far.
struct Viewer {
    handle: Handle,
    shown: mpsc::Receiver<Bytes>,
    text: String,
    told: Vec<Told>,
}

impl Viewer {
    async fn join(world: &World) -> Self {
        let (handle, shown) = world.host.console(&element(1)).await.unwrap();
        Self { handle, shown, text: String::new(), told: Vec::new() }
    }

    /// Takes the next chunk; false at the end.
    async fn take(&mut self) -> bool {
        let next = tokio::time::timeout(DEADLINE, self.shown.recv()).await;
        let next = next.unwrap_or_else(|_| panic!("nothing more than {:?}", self.text));
        let Some(chunk) = next else { return false };
        let mut frames = Frames::default();
        frames.push(&chunk);
        match frames.take().unwrap().expect("chunks are whole frames") {
            Frame::Bytes(bytes) => self.text.push_str(&String::from_utf8_lossy(&bytes)),
            Frame::Control(text) => self.told.push(serde_json::from_str(&text).unwrap()),
        }
        true
    }

    async fn until(&mut self, is_met: impl Fn(&Self) -> bool) {
        while !is_met(self) {
            assert!(self.take().await, "it ended: {:?} {:?}", self.text, self.told);
        }
    }

    async fn types(&self, text: &'static str) {
        self.handle.input.send(Bytes::from_static(text.as_bytes())).await.unwrap();
    }
}

async fn started() -> World {
    let world = World::new();
    world.host.want(wanted()).await.unwrap();
    world.settled(1).await;
    world
}

/// The processes' side of the terminal, once there is one.
async fn side(world: &World) -> OwnedFd {
    loop {
        if let Some(side) = world.containers.terminal_side(&element(1)) {
            return side;
        }
        tokio::task::yield_now().await;
    }
}

/// Writes as the container's programs would.
fn write(side: &OwnedFd, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let count = rustix::io::write(side, bytes).unwrap();
        bytes = &bytes[count..];
    }
}

#[tokio::test]
async fn viewers_share_one_terminal_and_late_ones_see_its_screen() {
    let world = started().await;
    let mut first = Viewer::join(&world).await;
    first.types("hello").await;
    first.until(|v| v.text.contains("hello")).await;
    let mut late = Viewer::join(&world).await;
    late.until(|v| v.text.contains("hello")).await;
    assert_eq!(late.told, [Told::Size { columns: 80, rows: 24 }]);
    late.handle.orders.send(Order::Resize { columns: 100, rows: 9999 }).await.unwrap();
    let size = Told::Size { columns: 100, rows: 500 };
    first.until(|v| v.told.last() == Some(&size)).await;
    let side = world.containers.terminal_side(&element(1)).unwrap();
    let seen = rustix::termios::tcgetwinsize(&side).unwrap();
    assert_eq!((seen.ws_col, seen.ws_row), (100, 500));
    late.types("again").await;
    first.until(|v| v.text.contains("again")).await;
}

#[tokio::test]
async fn the_shell_survives_viewers_and_the_process() {
    let mut world = started().await;
    let mut viewer = Viewer::join(&world).await;
    viewer.types("remember me").await;
    viewer.until(|v| v.text.contains("remember me")).await;
    let side = world.containers.terminal_side(&element(1)).unwrap();
    drop(viewer);
    write(&side, b"\r\nnobody looked");
    let mut viewer = Viewer::join(&world).await;
    viewer.until(|v| v.text.contains("nobody looked")).await;
    drop(viewer);
    world.reopen();
    let file = world.host.screen_file(&element(1));
    while !std::fs::read_to_string(&file).is_ok_and(|kept| kept.contains("nobody looked")) {
        tokio::task::yield_now().await;
    }
    write(&side, b"\r\nwhile away");
    let mut viewer = Viewer::join(&world).await;
    viewer.until(|v| v.text.contains("remember me") && v.text.contains("while away")).await;
    let opened = world.containers.calls().iter().filter(|(call, _)| call == "console").count();
    assert_eq!(opened, 2, "once by each process");
}

#[tokio::test]
async fn an_ended_shell_starts_anew_at_the_next_key() {
    let world = started().await;
    let mut viewer = Viewer::join(&world).await;
    viewer.types("first").await;
    viewer.until(|v| v.text.contains("first")).await;
    world.containers.end_process(&element(1), ProcessId(1), ProcessState::Exited(3));
    viewer.until(|v| v.told.contains(&Told::Exit { code: 3 })).await;
    let mut late = Viewer::join(&world).await;
    late.until(|v| v.told.contains(&Told::Exit { code: 3 })).await;
    viewer.types("k").await;
    drop(side(&world).await);
    viewer.types("second").await;
    viewer.until(|v| v.text.contains("second")).await;
}

#[tokio::test]
async fn a_slow_viewer_holds_nobody_up_and_then_sees_the_current_screen() {
    let world = started().await;
    let mut slow = Viewer::join(&world).await;
    let mut quick = Viewer::join(&world).await;
    let side = side(&world).await;
    let writer = std::thread::spawn(move || {
        write(&side, &b"0123456789 much text\r\n".repeat(30_000));
        write(&side, b"the end");
    });
    quick.until(|v| v.text.contains("the end")).await;
    writer.join().unwrap();
    slow.until(|v| v.text.contains("the end")).await;
    assert!(slow.text.len() < 300_000, "it was spared most of 660 kB, got {}", slow.text.len());
}

#[tokio::test]
async fn viewers_are_told_when_the_element_stops_and_have_a_bound() {
    let world = started().await;
    let mut viewer = Viewer::join(&world).await;
    viewer.types("x").await;
    viewer.until(|v| v.text.contains('x')).await;
    let mut others = Vec::new();
    for _ in 1..crate::limits::CONSOLE_VIEWERS {
        others.push(Viewer::join(&world).await);
    }
    let mut refused = Viewer::join(&world).await;
    while refused.take().await {}
    assert!(
        matches!(refused.told.as_slice(), [Told::Error { message }] if message.contains("close one"))
    );
    let mut stopped = wanted();
    stopped.generation = 2;
    stopped.elements[0].state = State::Prepared;
    world.host.want(stopped).await.unwrap();
    world.settled(2).await;
    while viewer.take().await {}
    assert!(
        matches!(viewer.told.last(), Some(Told::Error { message }) if message.contains("stopped"))
    );
    let error = world.host.console(&element(1)).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::InvalidState);
}
