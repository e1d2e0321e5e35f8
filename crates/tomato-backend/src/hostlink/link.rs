//! Connections and calls.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, BodyStream, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde::de::DeserializeOwned;
use tokio::net::{UnixListener, UnixStream};
use tomato_api::error::{ApiError, ErrorCode};
use tomato_api::host::{HOST_PROTOCOL, HostHello, WHOLE};

use crate::app::Answer;
use crate::hostlink::{ByteStream, HostConnection, HostLink, OutBody};
use crate::limits::{ACCEPT_RETRY, HOST_ANSWER_BYTES_MAX, HOST_CALL, HOST_RECOVERY};

/// Accepts hosts for ever. `path` is where the listener is bound; its owner and root may dial in.
pub async fn accept(link: HostLink, listener: UnixListener, path: &Path) {
    let owner = std::fs::metadata(path).map_or(0, |meta| meta.uid());
    let mut number = 0;
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a host could not be accepted");
                tokio::time::sleep(ACCEPT_RETRY).await;
                continue;
            }
        };
        let peer = stream.peer_cred().ok().map(|cred| cred.uid());
        if !peer.is_some_and(|uid| uid == 0 || uid == owner) {
            tracing::warn!(?peer, "refused a host that does not run as root");
            continue;
        }
        number += 1;
        let link = link.clone();
        tokio::spawn(async move {
            if let Err(error) = serve(&link, stream, number).await {
                tracing::warn!(%error, "a host's connection ended");
            }
        });
    }
}

/// Greets a host and keeps its connection until it ends.
async fn serve(link: &HostLink, stream: UnixStream, number: u64) -> Answer<()> {
    let broken = |error: hyper::Error| {
        ApiError::new(ErrorCode::HostError, format!("the connection to the host broke: {error}"))
    };
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .map_err(broken)?;
    let driver = tokio::spawn(connection);
    let hello: HostHello = {
        let answer = send(&mut sender, request("GET", "/v1/hello", empty())?).await?;
        parse(&collect(answer).await?)?
    };
    if hello.protocol != HOST_PROTOCOL {
        driver.abort();
        let text = format!(
            "the hostmanager speaks protocol {}, this backend {HOST_PROTOCOL}: run the same version",
            hello.protocol
        );
        return Err(ApiError::new(ErrorCode::HostError, text));
    }
    tracing::info!(host = hello.host, version = hello.version, "host connected");
    link.current.send_replace(Some(HostConnection { hello, sender, number }));
    let ended = driver.await;
    link.current.send_if_modified(|current| {
        let is_mine = current.as_ref().is_some_and(|c| c.number == number);
        if is_mine {
            *current = None;
        }
        is_mine
    });
    tracing::info!("host disconnected");
    match ended {
        Ok(Err(error)) => Err(broken(error)),
        _ => Ok(()),
    }
}

impl HostLink {
    /// The host's end, waiting for one that is being recovered.
    async fn sender(&self) -> Answer<SendRequest<OutBody>> {
        let mut current = self.current.subscribe();
        let connected = current.wait_for(Option::is_some);
        let away = || {
            let text = "no host is connected: see that the hostmanager runs, then try again";
            ApiError::new(ErrorCode::HostError, text)
        };
        let Ok(Ok(connection)) = tokio::time::timeout(HOST_RECOVERY, connected).await else {
            return Err(away());
        };
        connection.as_ref().map(|c| c.sender.clone()).ok_or_else(away)
    }

    /// A short read.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Answer<T> {
        self.call("GET", path, Bytes::new(), HOST_CALL).await
    }

    /// A call with a JSON answer.
    pub(crate) async fn call<T: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        body: Bytes,
        patience: Duration,
    ) -> Answer<T> {
        parse(&self.bytes(method, path, body, patience).await?)
    }

    /// A call whose answer is not read as JSON.
    pub(crate) async fn bytes(
        &self,
        method: &str,
        path: &str,
        body: Bytes,
        patience: Duration,
    ) -> Answer<Bytes> {
        let mut sender = self.sender().await?;
        let request = request(method, path, full(body))?;
        let run = async { collect(send(&mut sender, request).await?).await };
        tokio::time::timeout(patience, run).await.map_err(|_elapsed| {
            ApiError::new(
                ErrorCode::TimedOut,
                format!("the host did not answer within {} s", patience.as_secs()),
            )
        })?
    }

    /// A call that sends a stream.
    pub(crate) async fn upload(&self, method: &str, path: &str, body: ByteStream) -> Answer<Bytes> {
        let mut sender = self.sender().await?;
        let body = StreamBody::new(body.map_ok(Frame::data)).boxed_unsync();
        collect(send(&mut sender, request(method, path, body)?).await?).await
    }

    /// A call that sends a stream which the host goes on with if it breaks off: all that has come gets there, and whether that is all.
    pub(crate) async fn upload_part(&self, path: &str, mut body: ByteStream) -> Answer<Bytes> {
        let mut sender = self.sender().await?;
        let frames = async_stream::stream! {
            while let Some(chunk) = body.next().await {
                // An error here would throw away what is still on its way.
                let Ok(chunk) = chunk else { return };
                yield Ok(Frame::data(chunk));
            }
            let whole = HeaderMap::from_iter([(WHOLE, HeaderValue::from_static("true"))]);
            yield Ok(Frame::trailers(whole));
        };
        let body = StreamBody::new(frames).boxed_unsync();
        collect(send(&mut sender, request("PUT", path, body)?).await?).await
    }

    /// A read of any length.
    pub(crate) async fn download(&self, path: &str) -> Answer<ByteStream> {
        self.stream("GET", path, Bytes::new()).await
    }

    /// A read of any length with what the host says of it.
    pub(crate) async fn download_with(&self, path: &str) -> Answer<(HeaderMap, ByteStream)> {
        let mut sender = self.sender().await?;
        let answer = send_whole(&mut sender, request("GET", path, empty())?).await?;
        let (head, body) = answer.into_parts();
        Ok((head.headers, chunks(body)))
    }

    /// A call that answers a stream.
    pub(crate) async fn stream(&self, method: &str, path: &str, body: Bytes) -> Answer<ByteStream> {
        let mut sender = self.sender().await?;
        let body = send(&mut sender, request(method, path, full(body))?).await?;
        Ok(chunks(body))
    }

    /// A call whose both directions go on as long as they want.
    pub(crate) async fn duplex(&self, path: &str, input: ByteStream) -> Answer<ByteStream> {
        let mut sender = self.sender().await?;
        let input = StreamBody::new(input.map_ok(Frame::data)).boxed_unsync();
        let body = send(&mut sender, request("POST", path, input)?).await?;
        Ok(chunks(body))
    }
}

fn chunks(body: Incoming) -> ByteStream {
    let chunks = BodyStream::new(body).filter_map(async |frame| match frame {
        Ok(frame) => frame.into_data().ok().map(Ok),
        Err(error) => Some(Err(std::io::Error::other(error))),
    });
    Box::pin(chunks)
}

fn empty() -> OutBody {
    full(Bytes::new())
}

fn full(bytes: Bytes) -> OutBody {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

fn request(method: &str, path: &str, body: OutBody) -> Answer<Request<OutBody>> {
    let method = Method::from_bytes(method.as_bytes())
        .map_err(|error| crate::app::internal("naming a method", &error))?;
    Request::builder()
        .method(method)
        .uri(format!("http://host{path}"))
        .header("content-type", "application/json")
        .body(body)
        .map_err(|error| crate::app::internal("making a request to the host", &error))
}

async fn send(sender: &mut SendRequest<OutBody>, request: Request<OutBody>) -> Answer<Incoming> {
    Ok(send_whole(sender, request).await?.into_body())
}

/// Sends; a refusal becomes the error that the host named.
async fn send_whole(
    sender: &mut SendRequest<OutBody>,
    request: Request<OutBody>,
) -> Answer<Response<Incoming>> {
    let gone = |error: hyper::Error| {
        ApiError::new(
            ErrorCode::HostError,
            format!("the host is gone: {error}; try again once it is back"),
        )
    };
    sender.ready().await.map_err(gone)?;
    let response = sender.send_request(request).await.map_err(gone)?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let body = collect(response.into_body()).await?;
    Err(refusal(status, &body))
}

fn refusal(status: StatusCode, body: &[u8]) -> ApiError {
    serde_json::from_slice(body).unwrap_or_else(|_| {
        ApiError::new(
            ErrorCode::HostError,
            format!("the host answered {status}: {}", String::from_utf8_lossy(body)),
        )
    })
}

async fn collect(body: Incoming) -> Answer<Bytes> {
    let limited = Limited::new(body, HOST_ANSWER_BYTES_MAX);
    let collected = limited.collect().await;
    collected.map(http_body_util::Collected::to_bytes).map_err(|error| {
        ApiError::new(
            ErrorCode::HostError,
            format!("the host's answer broke off or is too long: {error}"),
        )
    })
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Answer<T> {
    let bytes = if bytes.is_empty() { b"null" } else { bytes };
    serde_json::from_slice(bytes)
        .map_err(|error| crate::app::internal("reading a host's answer", &error))
}
