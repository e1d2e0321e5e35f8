//! `tomato console`: the terminal of an element in this terminal.

mod shown;

use std::io::{self, IsTerminal, Read, Write};
use std::process::ExitCode;

use anyhow::{Context, bail};
use futures_util::{SinkExt, StreamExt};
use reqwest::Method;
use reqwest::header::{
    CONNECTION, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE as UPGRADE_HEADER,
};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tomato_api::console::{Asked, Told};

use self::shown::Shown;
use crate::args::Console;
use crate::client::Client;
use crate::{limits, resolve};

/// What is typed to leave: Ctrl-].
const ESCAPE: u8 = 0x1d;

type Socket = WebSocketStream<reqwest::Upgraded>;

/// Joins this terminal with the one of an element until either is left.
pub(crate) async fn console(client: &Client, options: &Console) -> anyhow::Result<ExitCode> {
    let elements = resolve::elements(client, &options.element).await?;
    let [element] = elements.as_slice() else {
        bail!("{:?} means {} elements; name one", options.element, elements.len());
    };
    let path = format!("/elements/{}/console?view={}", element.id, options.view);
    let socket = open(client, &path).await?;
    let raw = Raw::enter()?;
    if raw.is_some() {
        let hint = if options.view { "you only look on" } else { "it is yours" };
        eprint!("{}: {hint}; leave by Ctrl-]\r\n", element.label);
    }
    let result = join(socket, raw.is_some()).await;
    drop(raw);
    match result? {
        Left::ByUser => {
            eprintln!();
            Ok(ExitCode::SUCCESS)
        }
        Left::AtEnd(code) => Ok(ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))),
        Left::ByLab(message) => bail!("{message}"),
    }
}

/// Asks for a WebSocket.
async fn open(client: &Client, path: &str) -> anyhow::Result<Socket> {
    let request = client
        .request(Method::GET, path)
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE_HEADER, "websocket")
        .header(SEC_WEBSOCKET_VERSION, "13")
        .header(SEC_WEBSOCKET_KEY, generate_key());
    let response = client.upgrade(request).await?;
    let stream = response.upgrade().await.context("the lab does not begin the console")?;
    Ok(WebSocketStream::from_raw_socket(stream, Role::Client, None).await)
}

/// Why the console was left.
enum Left {
    /// By the escape key.
    ByUser,
    /// The shell ended after all of the input.
    AtEnd(i32),
    /// With the last thing that the lab said.
    ByLab(String),
}

async fn join(socket: Socket, is_terminal: bool) -> anyhow::Result<Left> {
    let (mut to, mut from) = socket.split();
    let mut typed = keys()?;
    let mut resized = signal(SignalKind::window_change()).context("cannot watch the window")?;
    if is_terminal && let Some(message) = window() {
        to.send(message).await.context("the console broke off")?;
    }
    let mut last = "the lab closed the console; open it again".to_owned();
    // A script may close its input before it has seen everything.
    let mut is_over = false;
    // Nothing is typed before the first picture: what is told until then is of the time before.
    let mut is_shown = false;
    let mut ended = None;
    // A program that reads our output gets it as it is.
    let mut terminal = io::stdout().is_terminal().then(Shown::default);
    loop {
        tokio::select! {
            keys = typed.recv(), if is_shown && !is_over => {
                let Some(keys) = keys else {
                    match ended {
                        Some(code) => return Ok(Left::AtEnd(code)),
                        None => is_over = true,
                    }
                    continue;
                };
                let end = keys.iter().position(|key| *key == ESCAPE);
                let mut before = keys[..end.unwrap_or(keys.len())].to_vec();
                if !before.is_empty() {
                    // The key that starts another shell is not for it; a script has none to spare.
                    if ended.take().is_some() && !is_terminal {
                        before.insert(0, b'\n');
                    }
                    to.send(Message::Binary(before.into())).await.context("the console broke off")?;
                }
                if end.is_some() {
                    to.close().await.ok();
                    return Ok(Left::ByUser);
                }
            }
            _ = resized.recv(), if is_terminal => {
                if let Some(message) = window() {
                    to.send(message).await.context("the console broke off")?;
                }
            }
            message = from.next() => match message {
                Some(Ok(Message::Binary(bytes))) => {
                    is_shown = true;
                    match &mut terminal {
                        Some(shown) => show(&shown.pass(&bytes))?,
                        None => show(&bytes)?,
                    }
                }
                Some(Ok(Message::Text(text))) => match serde_json::from_str(&text) {
                    Ok(Told::Exit { code }) if is_over => return Ok(Left::AtEnd(code)),
                    Ok(Told::Exit { code }) => {
                        ended = Some(code);
                        eprint!("\r\n[the shell ended with {code}; any key starts another one]\r\n");
                    }
                    Ok(Told::Error { message }) => last = message,
                    // Its own window is the user's to size.
                    Ok(Told::Size { .. }) | Err(_) => {}
                },
                Some(Ok(Message::Close(_))) | None => return Ok(Left::ByLab(last)),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Ok(Left::ByLab(format!("the console broke off: {error}"))),
            },
        }
    }
}

fn show(bytes: &[u8]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).context("cannot write to standard output")
}

/// The size of this terminal as a message.
fn window() -> Option<Message> {
    // Some have no size, or one of zero: then the other side's stays.
    let size = tcgetwinsize(io::stdout()).ok().filter(|s| s.ws_col > 0 && s.ws_row > 0)?;
    let asked = Asked::Resize { columns: size.ws_col, rows: size.ws_row };
    Some(Message::Text(serde_json::to_string(&asked).ok()?.into()))
}

/// What is typed, read by a thread of its own: a terminal cannot be waited for otherwise without changing it for others.
fn keys() -> anyhow::Result<mpsc::Receiver<Vec<u8>>> {
    let (send, receive) = mpsc::channel(limits::CONSOLE_KEYS);
    std::thread::Builder::new()
        .name("keys".to_owned())
        .spawn(move || {
            let mut buffer = [0; 4096];
            let mut input = io::stdin().lock();
            while let Ok(count) = input.read(&mut buffer) {
                if count == 0 || send.blocking_send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        })
        .context("cannot start a thread for the keyboard")?;
    Ok(receive)
}

/// This terminal, passing every key on as it is; as it was before when dropped.
struct Raw(Termios);

impl Raw {
    /// `None` if standard input is no terminal.
    fn enter() -> anyhow::Result<Option<Self>> {
        if !io::stdin().is_terminal() {
            return Ok(None);
        }
        let before = tcgetattr(io::stdin()).context("cannot read the terminal's settings")?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Now, &raw)
            .context("cannot change the terminal's settings")?;
        Ok(Some(Self(before)))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // Modes that a program inside may have left on: whole screen, mouse, pasting, hidden cursor.
        let reset =
            b"\x1b[?1049l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[?25h\x1b[m";
        show(reset).ok();
        // What the terminal answered to the element's questions is not typed into the shell that follows.
        tcsetattr(io::stdin(), OptionalActions::Flush, &self.0).ok();
    }
}
