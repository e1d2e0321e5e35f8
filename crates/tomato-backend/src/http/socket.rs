//! WebSockets: the console of an element.
//!
//! Invariants: each side has bounds of its own and neither is held up by the other: what is typed and what is shown go their ways
//! by themselves. A viewer that answers no ping for [`SOCKET_SILENCE`] is gone. The role is looked at again while the console is open.

use std::io;

use axum::extract::ws::{Message, WebSocket};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tomato_api::console::{FRAME_BYTES_MAX, Frame, Frames, Told};
use tomato_model::id::ElementId;

use crate::app::share::StreamPlace;
use crate::app::{Answer, App, Caller};
use crate::http::call::Call;
use crate::limits::{SOCKET_INPUTS, SOCKET_LINGER, SOCKET_PING, SOCKET_SILENCE};

/// A console that somebody opens.
struct Console {
    app: App,
    caller: Caller,
    id: ElementId,
    is_view: bool,
    /// Its place among all of them.
    _place: StreamPlace,
}

/// Begins the WebSocket. Once it has begun, whatever is wrong is told in it: scripts of a page see no other answer.
pub(super) async fn console(app: &App, call: Call) -> Answer<Response> {
    let (id, is_view) = (call.id()?, call.flag("view")?);
    // A console shows passwords and files just as well to those who only look.
    call.caller.need_use()?;
    app.element_info(&call.caller, &id).await?;
    let place = app.stream_place(&call.caller).await?;
    let console =
        Console { app: app.clone(), caller: call.caller.clone(), id, is_view, _place: place };
    let upgrade = call.upgrade().await?.max_message_size(FRAME_BYTES_MAX);
    Ok(upgrade.on_upgrade(move |socket| console.run(socket)))
}

impl Console {
    async fn run(self, socket: WebSocket) {
        let (mut show, typed) = socket.split();
        let (input, sent) = mpsc::channel::<Result<Bytes, io::Error>>(SOCKET_INPUTS);
        let input_stream = Box::pin(ReceiverStream::new(sent));
        let opened =
            self.app.element_console(&self.caller, &self.id, self.is_view, input_stream).await;
        match opened {
            Err(error) => tell(&mut show, error.message).await,
            Ok(frames) => {
                let mut shown = std::pin::pin!(self.show(&mut show, frames));
                let is_left = tokio::select! {
                    () = type_in(typed, input) => true,
                    () = &mut shown => false,
                };
                // What was typed last is still on its way.
                if is_left {
                    timeout(SOCKET_LINGER, shown).await.ok();
                }
            }
        }
        show.send(Message::Close(None)).await.ok();
    }

    /// Shows what comes from the host until it ends or the viewer may not see it any more.
    async fn show(
        &self,
        show: &mut SplitSink<WebSocket, Message>,
        mut chunks: crate::hostlink::ByteStream,
    ) {
        let mut frames = Frames::default();
        let mut ping = interval(SOCKET_PING);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut revoked = std::pin::pin!(self.app.until_revoked(&self.caller));
        loop {
            tokio::select! {
                () = &mut revoked => {
                    return tell(show, "your login has ended: log in again".to_owned()).await;
                }
                _ = ping.tick() => {
                    if let Err(error) = self.app.element_info(&self.caller, &self.id).await {
                        return tell(show, error.message).await;
                    }
                    if show.send(Message::Ping(Bytes::new())).await.is_err() {
                        return;
                    }
                }
                chunk = chunks.next() => match chunk {
                    Some(Ok(chunk)) => {
                        frames.push(&chunk);
                        if !pass(&mut frames, show).await {
                            return;
                        }
                    }
                    // The last frame said why.
                    None => return,
                    Some(Err(_)) => {
                        return tell(show, "the host is gone; open the console again".to_owned()).await;
                    }
                },
            }
        }
    }
}

/// Passes whole frames on; false if there is nobody any more.
async fn pass(frames: &mut Frames, show: &mut SplitSink<WebSocket, Message>) -> bool {
    loop {
        let message = match frames.take() {
            Ok(None) => return true,
            Ok(Some(Frame::Bytes(bytes))) => Message::Binary(bytes),
            Ok(Some(Frame::Control(text))) => Message::Text(text.into()),
            Err(error) => {
                tell(show, error.to_string()).await;
                return false;
            }
        };
        if show.send(message).await.is_err() {
            return false;
        }
    }
}

async fn tell(show: &mut SplitSink<WebSocket, Message>, message: String) {
    let told = serde_json::to_string(&Told::Error { message }).unwrap_or_default();
    show.send(Message::Text(told.into())).await.ok();
}

/// Hands on what is typed until the viewer leaves or is silent for too long.
async fn type_in(mut typed: SplitStream<WebSocket>, input: mpsc::Sender<Result<Bytes, io::Error>>) {
    while let Ok(Some(Ok(message))) = timeout(SOCKET_SILENCE, typed.next()).await {
        let frame = match message {
            Message::Binary(bytes) => Frame::Bytes(bytes),
            Message::Text(text) => Frame::Control(text.to_string()),
            Message::Ping(_) | Message::Pong(_) => continue,
            Message::Close(_) => return,
        };
        if input.send(Ok(frame.encode())).await.is_err() {
            // The host listens no more; what it shows ends by itself.
            std::future::pending::<()>().await;
        }
    }
}
