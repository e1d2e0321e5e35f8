//! The host protocol of [`tomato_api::host`] as a router.

use std::io::{self, Read};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::response::{AppendHeaders, IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use futures_util::StreamExt;
use http::{StatusCode, header};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::io::{ReaderStream, StreamReader, SyncIoBridge};
use tomato_api::console::{Asked, Frame, Frames};
use tomato_api::dissection::{DissectCall, Dissection};
use tomato_api::error::{ApiError, ErrorCode};
use tomato_api::host::{
    ArchiveStatus, CaptureCounters, Counters, DegradedInterval, DirectionCounters, ExecAnswer,
    ExecCall, FILE_BYTES, FileHeld, HOST_PROTOCOL, HostHello, InterfaceCounters, ObservedPage,
    ObservedTopology, RuleCounters, SavedCapture, TAR_BYTES, TemplateInfo, TemplateProgress,
    WantedTopology,
};
use tomato_api::request::{CaptureFilter, TemplatePull};
use tomato_api::switch::SwitchView;
use tomato_api::usage::{ConnectionUsage, ElementUsage, HostFigures, MachineFigures};
use tomato_filter::Filter;
use tomato_model::id::{ConnectionId, ElementId, TopologyId};
use tomato_virt::container::ExecRequest;
use tomato_wire::capture::read_ring;
use tomato_wire::status::{Degraded, DirectionStatus, PortStatus, RuleStatus};

use crate::archive;
use crate::console::{Handle, Order};
use crate::dissect;
use crate::error::{of_container, of_host};
use crate::files;
use crate::filtered::Filtered;
use crate::host::Host;
use crate::limits::{
    BODY_BYTES, EXEC_DEFAULT, EXEC_MAX, EXEC_OUTPUT_BYTES, POLL_MAX, PROGRESS_LINES,
    STREAM_CHUNK_BYTES, STREAM_CHUNKS, STREAM_SILENCE, TRAFFIC_DEFAULT,
};
use crate::part;
use crate::templates::{Format, OnProgress};

/// An error as an answer.
#[derive(Debug)]
struct Refused(ApiError);

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.code.http_status());
        (status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), Json(self.0)).into_response()
    }
}

type Answer<T> = Result<T, Refused>;
type App = State<Arc<Host>>;

/// Random for each process start.
static INSTANCE: LazyLock<u64> = LazyLock::new(|| {
    // Without randomness from the kernel the clock still differs from start to start.
    getrandom::u64().unwrap_or_else(|_| now().subsec_nanos().into())
});

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Every route of the protocol, on `host`.
pub fn router(host: Arc<Host>) -> Router {
    let v1 = Router::new()
        .route("/hello", get(hello))
        .route("/topologies", get(topologies))
        .route("/topologies/{id}", put(want).delete(remove))
        .route("/topologies/{id}/counters", get(counters))
        .route("/topologies/{id}/traffic", get(traffic))
        .route("/elements/{id}/switch", get(element_switch))
        .route("/elements/{id}/usage", get(element_usage))
        .route("/connections/{id}/usage", get(connection_usage))
        .route("/connections/{id}/capture/live", post(capture_live))
        .route("/figures", get(figures))
        .route("/machine", get(machine))
        .route("/filter", post(filter_check))
        .route("/dissect", post(dissected))
        .route("/observed", get(observed))
        .route("/elements/{id}/exec", post(exec))
        .route("/elements/{id}/console", post(console))
        .route("/elements/{id}/files", get(read_files).put(write_files))
        .route("/elements/{id}/files/held", get(held_files))
        .route("/elements/{id}/archive", put(upload).get(download))
        .route("/elements/{id}/archive/status", get(archive_status))
        .route("/connections/{id}/capture", get(capture))
        .route("/connections/{id}/capture/past", get(past))
        .route("/connections/{id}/capture/saved", get(saved_pasts))
        .route("/connections/{id}/capture/saved/{name}", get(saved_past))
        .route("/templates", get(templates))
        .route("/templates/{name}/ensure", post(ensure))
        .route("/templates/{name}/pull", post(pull))
        .route("/templates/{name}", put(import))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .with_state(host);
    Router::new().nest("/v1", v1)
}

fn id<T: std::str::FromStr>(text: &str) -> Answer<T> {
    text.parse().ok().ok_or_else(|| {
        let message = format!("there is nothing with the id {text:?} on this host");
        Refused(ApiError::new(ErrorCode::EntityDoesNotExist, message))
    })
}

async fn hello() -> Json<HostHello> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    Json(HostHello {
        protocol: HOST_PROTOCOL,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        host: name.trim().to_owned(),
        instance: *INSTANCE,
    })
}

async fn machine(State(host): App) -> Json<MachineFigures> {
    Json(crate::machine::measure(&host.parts.state_dir))
}

async fn figures(State(host): App) -> Json<HostFigures> {
    Json(host.usage.figures())
}

async fn topologies(State(host): App) -> Json<Vec<ObservedTopology>> {
    Json(host.known())
}

async fn want(
    State(host): App,
    Path(path): Path<String>,
    Json(wanted): Json<WantedTopology>,
) -> Answer<StatusCode> {
    if id::<TopologyId>(&path)? != wanted.id {
        let message = format!("id: the body is about {}, the path about {path}", wanted.id);
        return Err(ApiError::new(ErrorCode::InvalidValue, message).into());
    }
    host.want(wanted).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn remove(State(host): App, Path(path): Path<String>) -> Answer<StatusCode> {
    host.remove(&id(&path)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize)]
struct After {
    #[serde(default)]
    after: u64,
    #[serde(default)]
    wait_ms: u64,
}

async fn observed(State(host): App, Query(ask): Query<After>) -> Json<ObservedPage> {
    let wait = Duration::from_millis(ask.wait_ms).min(POLL_MAX);
    Json(host.observed_after(ask.after, wait).await)
}

async fn exec(
    State(host): App,
    Path(path): Path<String>,
    Json(call): Json<ExecCall>,
) -> Answer<Json<ExecAnswer>> {
    let element: ElementId = id(&path)?;
    let timeout = call.timeout_ms.map_or(EXEC_DEFAULT, Duration::from_millis);
    if timeout > EXEC_MAX {
        let message = format!(
            "timeout: {} s is longer than a command may take, {} s; leave it to run in the background instead",
            timeout.as_secs_f64(),
            EXEC_MAX.as_secs()
        );
        return Err(ApiError::new(ErrorCode::InvalidValue, message).into());
    }
    host.ready(&element).await?;
    let _place = host.topology_of(&element).await?.places.exec(&element).await?;
    let request = ExecRequest {
        argv: call.argv,
        env: call.env,
        cwd: call.cwd.unwrap_or_else(|| "/".to_owned()),
        stdin: call.stdin.map(String::into_bytes),
        timeout,
        output_limit_bytes: EXEC_OUTPUT_BYTES,
    };
    let output = host.parts.containers.exec(&element, request).await;
    let output = output.map_err(|e| of_container(&e))?;
    Ok(Json(ExecAnswer {
        exit_code: output.exit_code,
        signal: output.signal,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        timed_out: output.timed_out,
        truncated: output.truncated,
    }))
}

#[derive(Debug, Deserialize)]
struct ConsoleQuery {
    #[serde(default)]
    view: bool,
}

async fn console(
    State(host): App,
    Path(path): Path<String>,
    Query(query): Query<ConsoleQuery>,
    body: Body,
) -> Answer<Response> {
    let (handle, shown) = host.console(&id(&path)?).await?;
    tokio::spawn(type_in(handle, body, query.view));
    let headers = [(header::CONTENT_TYPE, "application/octet-stream")];
    let frames = ReceiverStream::new(shown).map(Ok::<Bytes, std::convert::Infallible>);
    Ok((headers, Body::from_stream(frames)).into_response())
}

/// Hands on what a viewer types until it leaves or makes no sense; one that only looks on is not listened to.
async fn type_in(handle: Handle, body: Body, is_view: bool) {
    let mut chunks = body.into_data_stream();
    let mut frames = Frames::default();
    while let Some(Ok(chunk)) = chunks.next().await {
        frames.push(&chunk);
        loop {
            let sent = match frames.take() {
                Ok(None) => break,
                Ok(Some(_)) if is_view => true,
                Ok(Some(Frame::Bytes(bytes))) => handle.input.send(bytes).await.is_ok(),
                Ok(Some(Frame::Control(text))) => match serde_json::from_str(&text) {
                    Ok(Asked::Resize { columns, rows }) => {
                        handle.orders.send(Order::Resize { columns, rows }).await.is_ok()
                    }
                    // Of a later version.
                    Err(_) => true,
                },
                Err(error) => {
                    tracing::warn!(%error, "a viewer of a console is not listened to any more");
                    false
                }
            };
            if !sent {
                return;
            }
        }
    }
}

#[derive(Debug, Deserialize)]
struct ArchiveQuery {
    #[serde(default = "default_dir")]
    dir: String,
    #[serde(default)]
    run: bool,
}

fn default_dir() -> String {
    archive::DEFAULT_DIR.to_owned()
}

async fn upload(
    State(host): App,
    Path(path): Path<String>,
    Query(query): Query<ArchiveQuery>,
    body: Body,
) -> Answer<StatusCode> {
    let element: ElementId = id(&path)?;
    archive::check_dir(&query.dir)?;
    let _place = host.topology_of(&element).await?.places.archive().await;
    let file = files::receive(&host, body).await?;
    archive::upload(&host, &element, (query.dir, query.run), file).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn download(
    State(host): App,
    Path(path): Path<String>,
    Query(query): Query<ArchiveQuery>,
) -> Answer<Response> {
    let mut file = archive::download(&host, &id(&path)?, &query.dir).await?;
    let length = archive::length(&mut file).map_err(|e| of_host("read the archive", &e))?;
    let body = Body::from_stream(ReaderStream::new(tokio::fs::File::from_std(file)));
    let headers = [
        (header::CONTENT_TYPE, "application/gzip".to_owned()),
        (header::CONTENT_LENGTH, length.to_string()),
    ];
    Ok((headers, body).into_response())
}

#[derive(Debug, Deserialize)]
struct FilesQuery {
    path: String,
    #[serde(default)]
    offset: u64,
    version: Option<String>,
    part: Option<String>,
}

async fn read_files(
    State(host): App,
    Path(path): Path<String>,
    Query(query): Query<FilesQuery>,
) -> Answer<Response> {
    let from = files::Begin { offset: query.offset, version: query.version };
    let (head, body) = files::read(&host, &id(&path)?, query.path, from).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/x-tar".to_owned()),
        (header::ETAG, format!("\"{}\"", head.version_text())),
        (FILE_BYTES, head.bytes.to_string()),
        (TAR_BYTES, head.tar_bytes.to_string()),
    ];
    Ok((AppendHeaders(headers), body).into_response())
}

async fn write_files(
    State(host): App,
    Path(path): Path<String>,
    Query(query): Query<FilesQuery>,
    body: Body,
) -> Answer<StatusCode> {
    let id = id(&path)?;
    let Some(part) = query.part else {
        files::write(&host, &id, &query.path, body).await?;
        return Ok(StatusCode::NO_CONTENT);
    };
    // Not in the middle of a write when the caller is gone.
    let work = async move {
        files::write_part(&host, &id, &query.path, (&part, query.offset), body).await
    };
    let done = tokio::spawn(work).await;
    done.map_err(|error| of_host("receive the files", &error))??;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize)]
struct HeldQuery {
    part: String,
}

async fn held_files(
    State(host): App,
    Path(path): Path<String>,
    Query(query): Query<HeldQuery>,
) -> Answer<Json<FileHeld>> {
    let id = id(&path)?;
    host.topology_of(&id).await?;
    Ok(Json(FileHeld { bytes: part::held(&host, &id, &query.part).await? }))
}

async fn archive_status(
    State(host): App,
    Path(path): Path<String>,
    Query(query): Query<ArchiveQuery>,
) -> Answer<Json<ArchiveStatus>> {
    Ok(Json(archive::status(&host, &id(&path)?, &query.dir, now().as_secs()).await?))
}

async fn capture(
    State(host): App,
    Path(path): Path<String>,
    Query(filter): Query<CaptureFilter>,
) -> Answer<Response> {
    let filter = compiled(&filter)?;
    let connection: ConnectionId = id(&path)?;
    let dir = host.parts.state_dir.join("captures").join(connection.as_str());
    let opened = tokio::task::spawn_blocking(move || read_ring(&dir)).await;
    let opened = opened.map_err(|e| of_host("read the capture", &e))?;
    let reader = opened.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            let message = "nothing was captured on this connection; set capturing first";
            ApiError::new(ErrorCode::NoDataAvailable, message)
        }
        _ => of_host("read the capture", &error),
    })?;
    let headers = [(header::CONTENT_TYPE, "application/x-pcapng")];
    Ok((headers, stream(Filtered::new(reader, filter))).into_response())
}

async fn past(State(host): App, Path(path): Path<String>) -> Answer<Response> {
    Ok(pcapng(host.past(&id(&path)?).await?))
}

async fn saved_pasts(
    State(host): App,
    Path(path): Path<String>,
) -> Answer<Json<Vec<SavedCapture>>> {
    Ok(Json(host.saved_pasts(&id(&path)?)?))
}

async fn saved_past(
    State(host): App,
    Path((path, name)): Path<(String, String)>,
) -> Answer<Response> {
    Ok(pcapng(host.saved_past(&id(&path)?, &name)?))
}

fn pcapng(file: std::fs::File) -> Response {
    let body = Body::from_stream(ReaderStream::new(tokio::fs::File::from_std(file)));
    ([(header::CONTENT_TYPE, "application/x-pcapng")], body).into_response()
}

async fn capture_live(
    State(host): App,
    Path(path): Path<String>,
    Json(call): Json<CaptureFilter>,
) -> Answer<Response> {
    let blocks = host.live(&id(&path)?, compiled(&call)?).await?;
    let headers = [(header::CONTENT_TYPE, "application/x-pcapng")];
    let body = Body::from_stream(blocks.map(Ok::<Bytes, std::convert::Infallible>));
    Ok((headers, body).into_response())
}

async fn filter_check(Json(call): Json<CaptureFilter>) -> Answer<StatusCode> {
    compiled(&call).map(|_| StatusCode::NO_CONTENT)
}

async fn dissected(Json(call): Json<DissectCall>) -> Answer<Json<Dissection>> {
    Ok(Json(dissect::dissected(&call).await?))
}

fn compiled(call: &CaptureFilter) -> Answer<Filter> {
    Filter::compile(&call.filter)
        .map_err(|error| Refused(ApiError::new(ErrorCode::InvalidValue, error.to_string())))
}

/// A body from a blocking reader.
fn stream(mut reader: impl Read + Send + 'static) -> Body {
    let (send, receive) = mpsc::channel::<io::Result<Bytes>>(STREAM_CHUNKS);
    tokio::task::spawn_blocking(move || {
        let mut buffer = vec![0; STREAM_CHUNK_BYTES];
        loop {
            let chunk = match reader.read(&mut buffer) {
                Ok(0) => return,
                Ok(len) => Ok(Bytes::copy_from_slice(&buffer[..len])),
                Err(error) => Err(error),
            };
            let is_last = chunk.is_err();
            if send.blocking_send(chunk).is_err() || is_last {
                return;
            }
        }
    });
    Body::from_stream(ReceiverStream::new(receive))
}

async fn counters(State(host): App, Path(path): Path<String>) -> Answer<Json<Counters>> {
    let topology: TopologyId = id(&path)?;
    let status = host.parts.wire.status(topology.as_str()).await;
    let status = status.map_err(|e| of_host("read the counters", &e))?;
    let captures = status.links.iter().filter_map(|(key, link)| {
        let capture = link.capture.as_ref()?;
        let counters = CaptureCounters {
            records: capture.records,
            bytes: capture.bytes,
            missing: capture.dropped_records,
            error: capture.error.clone(),
        };
        Some((key.clone(), counters))
    });
    let captures = captures.collect();
    let interfaces = status.ports.into_iter().map(|(key, port)| {
        let PortStatus { refused_frames, unlinked_frames, error, .. } = port;
        (key, InterfaceCounters { refused_frames, unlinked_frames, error })
    });
    let interfaces = interfaces.collect();
    let links = status.links.into_iter();
    let connections = links.map(|(key, l)| (key, [direction(&l.forward), direction(&l.backward)]));
    Ok(Json(Counters { connections: connections.collect(), captures, interfaces }))
}

#[derive(Debug, Deserialize)]
struct Interval {
    interval_ms: Option<u64>,
}

async fn traffic(
    State(host): App,
    Path(path): Path<String>,
    Query(query): Query<Interval>,
) -> Answer<Response> {
    let period = query.interval_ms.map_or(TRAFFIC_DEFAULT, Duration::from_millis);
    let lines = ReceiverStream::new(host.traffic(id(&path)?, period));
    let headers = [(header::CONTENT_TYPE, "application/x-ndjson")];
    let body = Body::from_stream(lines.map(Ok::<Bytes, std::convert::Infallible>));
    Ok((headers, body).into_response())
}

async fn element_switch(State(host): App, Path(path): Path<String>) -> Answer<Json<SwitchView>> {
    Ok(Json(host.switch(&id(&path)?).await?))
}

async fn element_usage(State(host): App, Path(path): Path<String>) -> Answer<Json<ElementUsage>> {
    Ok(Json(host.usage.element(&id(&path)?)))
}

async fn connection_usage(
    State(host): App,
    Path(path): Path<String>,
) -> Answer<Json<ConnectionUsage>> {
    Ok(Json(host.usage.connection(&id(&path)?)))
}

fn direction(status: &DirectionStatus) -> DirectionCounters {
    let drops = &status.drops;
    let by_cause = [
        ("loss", drops.loss),
        ("queue", drops.queue),
        ("early", drops.early),
        ("mtu", drops.mtu),
        ("disconnected", drops.disconnected),
        ("overload", drops.overload),
        ("detached", drops.detached),
        ("port", drops.port),
        ("malformed", drops.malformed),
    ];
    DirectionCounters {
        offered: status.offered,
        frames: status.frames,
        bytes: status.bytes,
        drops: by_cause.into_iter().map(|(cause, n)| (cause.to_owned(), n)).collect(),
        duplicated: status.duplicated,
        corrupted: status.corrupted,
        marked: status.marked,
        reordered: status.reordered,
        queue_bytes: status.queue_bytes,
        queue_frames: status.queue_frames,
        verdict_hash: format!("{:016x}", status.verdict_hash),
        lateness_p50_ns: status.lateness_p50_ns,
        lateness_p99_ns: status.lateness_p99_ns,
        lateness: status.lateness.clone(),
        lost_before: status.lost_before,
        degraded: status.degraded,
        degraded_intervals: status.degraded_intervals.iter().map(degraded).collect(),
        down: status.down,
        rules: status.rules.iter().map(rule).collect(),
    }
}

fn rule(status: &RuleStatus) -> RuleCounters {
    RuleCounters { matched: status.matched, lost: status.lost }
}

fn degraded(interval: &Degraded) -> DegradedInterval {
    DegradedInterval {
        from_ago_ns: interval.from_ago_ns,
        until_ago_ns: interval.until_ago_ns,
        late_frames: interval.late_frames,
        lost_frames: interval.lost_frames,
    }
}

async fn templates(State(host): App) -> Answer<Json<Vec<TemplateInfo>>> {
    Ok(Json(host.parts.templates.list().await?))
}

async fn ensure(State(host): App, Path(name): Path<String>) -> Response {
    told(move |tell| async move { host.parts.templates.ensure(&name, None, tell).await.map(drop) })
}

async fn pull(
    State(host): App,
    Path(name): Path<String>,
    Json(pull): Json<TemplatePull>,
) -> Response {
    told(move |tell| async move { host.parts.templates.pull(&name, &pull, tell).await.map(drop) })
}

/// Lines of progress of work on a template, the last of them its end.
fn told<F: Future<Output = Result<(), ApiError>> + Send + 'static>(
    work: impl FnOnce(OnProgress) -> F + Send + 'static,
) -> Response {
    let (send, receive) = mpsc::channel::<Result<Bytes, std::convert::Infallible>>(PROGRESS_LINES);
    let line = |progress: &TemplateProgress| {
        let mut line = serde_json::to_vec(progress).unwrap_or_default();
        line.push(b'\n');
        Ok(Bytes::from(line))
    };
    tokio::spawn(async move {
        let lines = send.clone();
        let tell = Arc::new(move |message: String, percent: Option<u8>| {
            let progress = TemplateProgress { message, percent, done: false, error: None };
            // A slow reader misses steps, never the end.
            lines.try_send(line(&progress)).ok();
        });
        let error = work(tell).await.err();
        let message = error.as_ref().map_or_else(|| "ready".to_owned(), |e| e.message.clone());
        let done = error.is_none();
        let last = TemplateProgress { message, percent: done.then_some(100), done, error };
        send.send(line(&last)).await.ok();
    });
    let headers = [(header::CONTENT_TYPE, "application/x-ndjson")];
    (headers, Body::from_stream(ReceiverStream::new(receive))).into_response()
}

#[derive(Debug, Deserialize)]
struct Label {
    #[serde(default)]
    label: String,
    #[serde(default)]
    format: Format,
}

async fn import(
    State(host): App,
    Path(name): Path<String>,
    Query(query): Query<Label>,
    body: Body,
) -> Answer<Json<TemplateInfo>> {
    let chunks = files::chunks(body, STREAM_SILENCE);
    let reader = SyncIoBridge::new(StreamReader::new(chunks));
    Ok(Json(
        host.parts.templates.import(&name, &query.label, query.format, Box::new(reader)).await?,
    ))
}

#[cfg(test)]
mod tests;
