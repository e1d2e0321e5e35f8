//! Images from a registry, by the OCI distribution specification 1.1: manifests and blobs by GET, with a token or password where one is asked for.
//!
//! Nothing a registry says is trusted: `tomato_virt::template` checks every part against its digest and bounds it. Plain HTTP is spoken with
//! this machine only. Logins and certificates: [`access`].

use std::fmt;
use std::io::{self, Read};
use std::net::IpAddr;
use std::str::FromStr;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyDataStream, BodyExt, Empty, Limited};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use tokio::runtime::Handle;
use tokio_util::io::{StreamReader, SyncIoBridge};
use tomato_api::error::{ApiError, ErrorCode};
use tomato_api::request::TemplatePull;
use tomato_virt::template::{Blob, BlobDigest, ImageSource};

use self::access::{Challenge, Login};
use crate::limits::{REGISTRY_CALL, REGISTRY_REDIRECTS, REGISTRY_SILENCE, REGISTRY_TEXT_BYTES};

mod access;

/// Kinds of documents that are understood.
const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

/// An image in a registry: `HOST[:PORT]/REPOSITORY[:TAG][@DIGEST]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    host: String,
    repository: String,
    tag: String,
    digest: Option<BlobDigest>,
}

impl FromStr for Reference {
    type Err = ApiError;

    fn from_str(text: &str) -> Result<Self, ApiError> {
        let wrong = || {
            let message = format!(
                "reference {text:?} is not an image; write HOST/REPOSITORY:TAG with the registry's host name, \
                 or HOST/REPOSITORY@sha256:DIGEST"
            );
            ApiError::new(ErrorCode::InvalidValue, message)
        };
        let (rest, digest) = text.split_once('@').map_or((text, None), |(r, d)| (r, Some(d)));
        let digest = digest.map(str::parse).transpose().ok().ok_or_else(wrong)?;
        let (host, path) = rest.split_once('/').ok_or_else(wrong)?;
        let (repository, tag) = path.split_once(':').unwrap_or((path, "latest"));
        let of = |text: &str, more: &str| {
            let plain = |b: u8| b.is_ascii_alphanumeric() || more.as_bytes().contains(&b);
            !text.is_empty() && text.len() <= 255 && text.bytes().all(plain)
        };
        let is_host = of(host, ".:-[]") && (host.contains(['.', ':']) || host == "localhost");
        let parts_fine =
            repository.split('/').all(|part| of(part, "._-") && !part.starts_with('.'));
        if !is_host || !parts_fine || repository.len() > 255 || !of(tag, "._-") {
            return Err(wrong());
        }
        let (host, repository) = (host.to_owned(), repository.to_owned());
        Ok(Self { host, repository, tag: tag.to_owned(), digest })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}:{}", self.host, self.repository, self.tag)?;
        self.digest.iter().try_for_each(|digest| write!(f, "@{digest}"))
    }
}

/// Whether a host, with or without a port, is this machine.
fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// One image of a registry.
#[derive(Debug)]
pub(crate) struct Registry {
    image: Reference,
    /// Where its parts are, up to their names.
    base: String,
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    runtime: Handle,
    login: Option<Login>,
    /// Sent to the registry itself, once it has asked for it.
    proof: Option<HeaderValue>,
}

impl Registry {
    /// Must be called inside a tokio runtime; its answers are read outside of it.
    pub(crate) fn new(pull: &TemplatePull) -> Result<Self, ApiError> {
        let image: Reference = pull.reference.parse()?;
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(access::trust(pull.ca.as_deref())?)
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        let is_plain = is_local(&image.host) && pull.ca.is_none();
        let scheme = if is_plain { "http" } else { "https" };
        let base = format!("{scheme}://{}/v2/{}", image.host, image.repository);
        let login = Login::new(pull.user.as_deref(), pull.password.as_deref());
        Ok(Self { image, base, client, runtime: Handle::current(), login, proof: None })
    }

    /// Which image it is.
    pub(crate) fn image(&self) -> &Reference {
        &self.image
    }

    fn get(&mut self, path: &str) -> io::Result<Box<dyn Read + Send>> {
        let runtime = self.runtime.clone();
        let response = runtime.block_on(self.answer(path))?;
        let chunks = BodyDataStream::new(response.into_body());
        let chunks = chunks.map_err(io::Error::other);
        let chunks = tokio_stream::StreamExt::timeout(chunks, REGISTRY_SILENCE);
        let chunks =
            chunks.map(|chunk| chunk.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())));
        let _inside = runtime.enter();
        Ok(Box::new(SyncIoBridge::new_with_handle(
            StreamReader::new(Box::pin(chunks)),
            runtime.clone(),
        )))
    }

    /// The answer to a path of the repository, redirects followed and a token got where one is asked for.
    async fn answer(&mut self, path: &str) -> io::Result<Response<Incoming>> {
        let first: Uri = format!("{}/{path}", self.base).parse().map_err(io::Error::other)?;
        let mut uri = first.clone();
        let mut is_proven = false;
        for _ in 0..REGISTRY_REDIRECTS {
            // What proves who asks is for the registry and not for where it sends us.
            let is_registry =
                uri.scheme() == first.scheme() && uri.authority() == first.authority();
            let proof = self.proof.clone().filter(|_| is_registry);
            let response = self.send(&uri, proof).await?;
            match response.status() {
                StatusCode::OK => return Ok(response),
                // There is none yet, or it has expired: an image may take longer than a token lives.
                StatusCode::UNAUTHORIZED if is_registry && !is_proven => {
                    self.proof = Some(self.proof(response.headers()).await?);
                    is_proven = true;
                }
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if is_registry => {
                    return Err(self.denied());
                }
                status if status.is_redirection() => uri = redirected(&uri, response.headers())?,
                _ => return Err(refused(response).await),
            }
        }
        Err(io::Error::other("the registry redirects for ever"))
    }

    async fn send(&self, uri: &Uri, proof: Option<HeaderValue>) -> io::Result<Response<Incoming>> {
        check(uri, is_local(&self.image.host))?;
        let mut request = Request::get(uri).header(header::ACCEPT, ACCEPT);
        if let Some(proof) = proof {
            request = request.header(header::AUTHORIZATION, proof);
        }
        let request = request.body(Empty::new()).map_err(io::Error::other)?;
        let host = uri.authority().map_or("", http::uri::Authority::as_str);
        match tokio::time::timeout(REGISTRY_CALL, self.client.request(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(access::unreachable(host, &error)),
            Err(_) => {
                Err(io::Error::new(io::ErrorKind::TimedOut, format!("{host} gives no answer")))
            }
        }
    }

    /// What proves to the registry who asks, by what its refusal says.
    async fn proof(&self, refusal: &HeaderMap) -> io::Result<HeaderValue> {
        let uri = match Challenge::of(refusal, &self.image.repository) {
            Some(Challenge::Bearer(uri)) => uri,
            Some(Challenge::Basic) => {
                return self.login.as_ref().ok_or_else(|| self.denied()).and_then(Login::basic);
            }
            None => return Err(io::Error::other("the registry wants a login of an unknown kind")),
        };
        self.token(&uri.parse().map_err(io::Error::other)?).await
    }

    /// A token from where the registry says they are given, for the account or for anybody.
    async fn token(&self, uri: &Uri) -> io::Result<HeaderValue> {
        #[derive(Deserialize)]
        struct Answer {
            token: Option<String>,
            access_token: Option<String>,
        }
        let basic = self.login.as_ref().map(Login::basic).transpose()?;
        let response = self.send(uri, basic).await?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(self.denied()),
            _ => return Err(refused(response).await),
        }
        let body = Limited::new(response.into_body(), REGISTRY_TEXT_BYTES).collect().await;
        let body = body.map_err(io::Error::other)?.to_bytes();
        let answer: Answer = serde_json::from_slice(&body)
            .map_err(|_bad| io::Error::other("the registry's token cannot be understood"))?;
        let token = answer.token.or(answer.access_token).ok_or_else(|| self.denied())?;
        access::proof("Bearer", &token)
    }

    /// The refusal of who asks. What the registry says is left out: it may say the password.
    fn denied(&self) -> io::Error {
        let repository = &self.image.repository;
        io::Error::other(match &self.login {
            None => format!(
                "the registry wants a login for {repository}, or has no such repository: \
                 give user and password"
            ),
            Some(Login { user, .. }) => format!(
                "the registry refuses the account {user:?}: check user, password and \
                 whether it may read {repository}"
            ),
        })
    }
}

/// Without encryption only with this machine, and only if its own registry sends us there: what another one says must not reach services
/// that listen for this machine alone.
fn check(uri: &Uri, is_registry_local: bool) -> io::Result<()> {
    let is_local = uri.authority().is_some_and(|authority| is_local(authority.as_str()));
    match uri.scheme_str() {
        Some("https") if is_registry_local || !is_local => Ok(()),
        Some("http") if is_registry_local && is_local => Ok(()),
        Some("https") => {
            Err(io::Error::other(format!("refuse to be sent to {uri} of this machine")))
        }
        _ => Err(io::Error::other(format!("refuse to ask {uri} without encryption"))),
    }
}

fn redirected(from: &Uri, headers: &HeaderMap) -> io::Result<Uri> {
    let wrong = || io::Error::other("the registry redirects to nowhere");
    let to = headers.get(header::LOCATION).and_then(|to| to.to_str().ok()).ok_or_else(wrong)?;
    let to: Uri = to.parse().map_err(io::Error::other)?;
    let mut parts = to.into_parts();
    parts.scheme = parts.scheme.or_else(|| from.scheme().cloned());
    parts.authority = parts.authority.or_else(|| from.authority().cloned());
    Uri::from_parts(parts).map_err(io::Error::other)
}

/// A refusal in the registry's words.
async fn refused(response: Response<Incoming>) -> io::Error {
    let status = response.status();
    let body = Limited::new(response.into_body(), REGISTRY_TEXT_BYTES).collect().await;
    let text = body.map(|body| String::from_utf8_lossy(&body.to_bytes()).into_owned());
    let text: String = text.unwrap_or_default().chars().take(300).collect();
    let kind = match status {
        StatusCode::NOT_FOUND => io::ErrorKind::NotFound,
        _ => io::ErrorKind::Other,
    };
    let remedy = match status {
        StatusCode::BAD_REQUEST => {
            "; if it speaks HTTPS on this machine, give its certificate as ca"
        }
        _ => "",
    };
    io::Error::new(kind, format!("the registry answers {status} {}{remedy}", text.trim()))
}

impl ImageSource for Registry {
    fn root(&mut self) -> io::Result<Box<dyn Read + '_>> {
        let Some(digest) = self.image.digest.clone() else {
            return self.get(&format!("manifests/{}", self.image.tag)).map(|read| read as _);
        };
        let mut text = Vec::new();
        let limit = u64::try_from(crate::limits::BODY_BYTES).unwrap_or(u64::MAX);
        self.get(&format!("manifests/{digest}"))?.take(limit).read_to_end(&mut text)?;
        if BlobDigest::of(&text) != digest {
            return Err(io::Error::other(format!("the registry has something else as {digest}")));
        }
        Ok(Box::new(io::Cursor::new(text)))
    }

    fn blob(&mut self, blob: &Blob) -> io::Result<Box<dyn Read + '_>> {
        let is_document = ["manifest", "index"].iter().any(|kind| blob.media_type.contains(kind));
        let what = if is_document { "manifests" } else { "blobs" };
        self.get(&format!("{what}/{}", blob.digest)).map(|read| read as _)
    }
}

#[cfg(test)]
mod tests;
