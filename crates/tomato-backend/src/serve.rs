//! Runs the backend: opens the state, listens for hosts and for people, and ends in order.

use std::future::{Future, IntoFuture};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use axum::extract::ConnectInfo;
use axum::extract::connect_info::Connected;
use axum::response::Response;
use axum::serve::{IncomingStream, Listener};
use futures_util::future::BoxFuture;
use http::header::HOST;
use tokio::net::{TcpListener, UnixListener};
use tomato_api::error::{ApiError, ErrorCode};
use tomato_store::{SqliteStore, StoreError};

use crate::app::App;
use crate::bounded::{Bounded, Bounds, Heard};
use crate::fault::FaultPoints;
use crate::hostlink::HostLink;
use crate::http::call::Tls;
use crate::limits::{CONNECTION_PATIENCE, CONNECTIONS_EACH_MAX, CONNECTIONS_MAX, SHUTDOWN_GRACE};
use crate::tls::{TlsError, TlsFiles, TlsListener};

/// Bounds of each listener.
const CONNECTIONS: Bounds =
    Bounds { all: CONNECTIONS_MAX, each: CONNECTIONS_EACH_MAX, patience: CONNECTION_PATIENCE };

/// What the backend needs to run.
#[derive(Default)]
pub struct Config {
    /// The state file, made at need.
    pub store_path: PathBuf,
    /// Where to listen for people; used unless `listener` is given.
    pub listen: Option<SocketAddr>,
    /// A listener made by the caller.
    pub listener: Option<std::net::TcpListener>,
    /// Where grants are served without TLS, besides the listener for people; their addresses name this one.
    pub grant_listen: Option<SocketAddr>,
    /// Where a test stops the process.
    pub fault: FaultPoints,
    /// Encrypts connections of people.
    pub tls: Option<TlsFiles>,
    /// Unix socket for hosts; replaced if there.
    pub host_socket: PathBuf,
    /// Password that the account `admin` shall have; without one it is left as it is.
    pub admin_password: Option<String>,
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("store_path", &self.store_path)
            .field("listen", &self.listen)
            .finish_non_exhaustive()
    }
}

/// Why the backend could not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The state file cannot be used.
    #[error("the state file {path} cannot be opened")]
    OpenStore {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: StoreError,
    },
    /// What is in it cannot be used.
    #[error("the state cannot be loaded")]
    Load(#[source] ApiError),
    /// The port is taken or may not be used.
    #[error("cannot listen on {address}; choose another address with --listen")]
    Listen {
        /// The address asked for.
        address: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Connections cannot be encrypted.
    #[error("connections cannot be encrypted")]
    Tls(#[source] TlsError),
    /// The socket for hosts cannot be made.
    #[error("cannot make the socket {path} for hosts; its directory must exist and be writable")]
    HostSocket {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Uploads have no place.
    #[error("cannot make the directory {path} for uploads; its parent must be writable")]
    GrantDir {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The listener broke.
    #[error("the listener broke")]
    Serve(#[source] std::io::Error),
}

/// Runs until `shutdown` is ready, then lets requests under way end for a moment.
pub async fn serve(
    config: Config,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    let store = SqliteStore::open(&config.store_path)
        .await
        .map_err(|source| ServeError::OpenStore { path: config.store_path.clone(), source })?;
    let app = App::open_with(store, HostLink::default(), config.fault.clone())
        .await
        .map_err(ServeError::Load)?;
    if let Some(password) = &config.admin_password {
        app.ensure_admin(password).await.map_err(ServeError::Load)?;
    }
    let listener = listen(config.listener, config.listen).await?;
    let grants = grant_listener(&app, &config.store_path, config.grant_listen, &listener).await?;
    let hosts = host_socket(&config.host_socket)?;
    app.resume().await;
    let path = config.host_socket.clone();
    let link = app.host().clone();
    let acceptor = tokio::spawn(async move { crate::hostlink::accept(link, hosts, &path).await });
    let pump = tokio::spawn(crate::hostlink::run(app.clone()));
    let grant_server = grants.map(|listener| {
        let router = crate::grant::router(app.clone()).layer(axum::middleware::from_fn(heard));
        let router = router.into_make_service_with_connect_info::<Peer>();
        tokio::spawn(axum::serve(Bounded::new(listener, CONNECTIONS), router).into_future())
    });
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let mut until = stopped.clone();
    let walker = tokio::spawn(crate::app::timeout::run(app.clone()));
    let mailer = tokio::spawn(crate::app::mail::run(app.clone()));
    let ended = async move {
        shutdown.await;
        stop.send_replace(true);
    };
    let server = people(listener, config.tls.as_ref(), all(app.clone()), ended)?;
    let result = tokio::select! {
        result = server => result.map_err(ServeError::Serve),
        () = async {
            // event streams never end by themselves
            drop(until.wait_for(|is_stopped| *is_stopped).await);
            tokio::time::sleep(SHUTDOWN_GRACE).await;
        } => Ok(()),
    };
    acceptor.abort();
    pump.abort();
    if let Some(server) = grant_server {
        server.abort();
    }
    walker.abort();
    mailer.abort();
    app.close().await;
    drop(std::fs::remove_file(&config.host_socket));
    result
}

/// The server for people, encrypted if asked for, until `ended`.
fn people(
    listener: TcpListener,
    tls: Option<&TlsFiles>,
    router: axum::Router,
    ended: impl Future<Output = ()> + Send + 'static,
) -> Result<BoxFuture<'static, std::io::Result<()>>, ServeError> {
    let Some(files) = tls else {
        let router = router.into_make_service_with_connect_info::<Peer>();
        let listener = Bounded::new(listener, CONNECTIONS);
        let server = axum::serve(listener, router).with_graceful_shutdown(ended);
        return Ok(Box::pin(server.into_future()));
    };
    let config = crate::tls::config(files).map_err(ServeError::Tls)?;
    let listener = TlsListener::new(listener, config).map_err(ServeError::Serve)?;
    let listener = Bounded::new(listener, CONNECTIONS);
    let router = router.layer(axum::Extension(Tls));
    let router = router.into_make_service_with_connect_info::<Peer>();
    let server = axum::serve(listener, router).with_graceful_shutdown(ended);
    Ok(Box::pin(server.into_future()))
}

/// What the listener knows of a client.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    address: SocketAddr,
    heard: Heard,
}

/// A request came: its connection is waited for from now on.
pub(crate) fn hear(request: &axum::extract::Request) {
    if let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<Peer>>() {
        peer.heard.set();
    }
}

async fn heard(request: axum::extract::Request, next: axum::middleware::Next) -> Response {
    hear(&request);
    next.run(request).await
}

impl<L: Listener<Addr = SocketAddr>> Connected<IncomingStream<'_, Bounded<L>>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Bounded<L>>) -> Self {
        Self { address: *stream.remote_addr(), heard: stream.io().heard() }
    }
}

async fn listen(
    made: Option<std::net::TcpListener>,
    address: Option<SocketAddr>,
) -> Result<TcpListener, ServeError> {
    if let Some(listener) = made {
        let failed =
            |source| ServeError::Listen { address: "the given listener".to_owned(), source };
        listener.set_nonblocking(true).map_err(failed)?;
        return TcpListener::from_std(listener).map_err(failed);
    }
    let address = address.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8000)));
    TcpListener::bind(address)
        .await
        .map_err(|source| ServeError::Listen { address: address.to_string(), source })
}

/// Where grants are served: on a listener of their own if asked for, else on the one for people.
async fn grant_listener(
    app: &App,
    store_path: &std::path::Path,
    own: Option<SocketAddr>,
    people: &TcpListener,
) -> Result<Option<TcpListener>, ServeError> {
    let dir = store_path.with_file_name("grants");
    app.grants()
        .keep_in(&dir)
        .map_err(|source| ServeError::GrantDir { path: dir.clone(), source })?;
    let (listener, address) = match own {
        Some(address) => {
            let listener = listen(None, Some(address)).await?;
            let address = listener.local_addr();
            (Some(listener), address)
        }
        None => (None, people.local_addr()),
    };
    if let Ok(address) = address {
        app.grants().serve_at(address);
    }
    Ok(listener)
}

/// A socket that only its owner and root can reach.
fn host_socket(path: &std::path::Path) -> Result<UnixListener, ServeError> {
    let failed = |source| ServeError::HostSocket { path: path.to_owned(), source };
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(listener)
}

/// Every interface on one listener.
pub fn all(app: App) -> axum::Router {
    let rest = crate::http::router(app.clone());
    rest.merge(crate::web::router())
        .merge(crate::grant::router(app.clone()))
        .merge(crate::xmlrpc::router(app))
        .layer(axum::middleware::from_fn(refuse_foreign_pages))
}

/// Browsers add stored credentials to whatever a foreign page sends here: such calls are refused. Programs send no
/// `Sec-Fetch-Site` and no `Origin`.
///
/// Scripts of the own page show their login themselves: their browser is not asked to.
async fn refuse_foreign_pages(
    mut request: axum::extract::Request,
    next: axum::middleware::Next,
) -> Response {
    hear(&request);
    // HTTP/2 names the host elsewhere
    if !request.headers().contains_key(HOST)
        && let Some(authority) = request.uri().authority()
        && let Ok(value) = http::HeaderValue::from_str(authority.as_str())
    {
        request.headers_mut().insert(HOST, value);
    }
    if is_foreign(request.method(), request.headers()) {
        return crate::http::problem(&ApiError::new(
            ErrorCode::Denied,
            "sent by a page of another origin: call the lab from its own page or a program",
        ));
    }
    let mode = request.headers().get("sec-fetch-mode");
    let by_script = mode.is_some_and(|mode| mode != "navigate");
    let peer = request.extensions().get::<ConnectInfo<Peer>>().map(|info| info.0.address.ip());
    let mut response = crate::peer::from(peer, next.run(request)).await;
    if by_script {
        response.headers_mut().remove(http::header::WWW_AUTHENTICATE);
    }
    response
}

fn is_foreign(method: &http::Method, headers: &http::HeaderMap) -> bool {
    // what a web socket does is not known from its method
    if method.is_safe() && !headers.contains_key(http::header::UPGRADE) {
        return false;
    }
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("unreadable"));
    if text("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none") {
        return true;
    }
    let host = text("host").unwrap_or_default();
    text("origin").is_some_and(|origin| origin.split_once("://").is_none_or(|(_, at)| at != host))
}

#[cfg(test)]
mod tests;
