//! Who a registry is told we are, whose certificates are believed, and what to do when either is refused.
//!
//! Invariant: a password is in memory only, for one import; it goes to the registry itself or to where that says tokens are given, and no
//! error holds it.

use std::error::Error;
use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, header};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tomato_api::address::escaped;
use tomato_api::certificate::CertificateFault;
use tomato_api::error::{ApiError, ErrorCode};

use crate::error::chain;

/// An account at a registry.
pub(super) struct Login {
    pub(super) user: String,
    password: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Login {
    /// The account, if both its name and password are given.
    pub(super) fn new(user: Option<&str>, password: Option<&str>) -> Option<Self> {
        Some(Self { user: user?.to_owned(), password: password?.to_owned() })
    }

    /// As a header of HTTP (RFC 7617).
    pub(super) fn basic(&self) -> io::Result<HeaderValue> {
        proof("Basic", &STANDARD.encode(format!("{}:{}", self.user, self.password)))
    }
}

/// A header that nothing shows.
pub(super) fn proof(scheme: &str, secret: &str) -> io::Result<HeaderValue> {
    let value = HeaderValue::try_from(format!("{scheme} {secret}"));
    let mut value =
        value.map_err(|_bad| io::Error::other("the registry gives a token of no use"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// How a registry wants to be asked, as its refusal says (RFC 9110 11.6.1).
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// With a token from this address (the distribution specification's token authentication).
    Bearer(String),
    /// With the password itself.
    Basic,
}

impl Challenge {
    /// What a refusal asks for to read `repository`, the token first; none if it is nothing known.
    pub(super) fn of(headers: &HeaderMap, repository: &str) -> Option<Self> {
        let asked: Vec<&str> = headers
            .get_all(header::WWW_AUTHENTICATE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .collect();
        let of_scheme = |scheme: &str| {
            let has = |text: &&&str| {
                let head = text.get(..scheme.len());
                head.is_some_and(|head| head.eq_ignore_ascii_case(scheme))
            };
            asked.iter().find(has).map(|text| text.get(scheme.len()..).unwrap_or_default())
        };
        let token = of_scheme("Bearer ").and_then(|fields| token_uri(fields, repository));
        token.map(Self::Bearer).or_else(|| of_scheme("Basic").map(|_| Self::Basic))
    }
}

/// Where a token to read a repository is given.
fn token_uri(fields: &str, repository: &str) -> Option<String> {
    let field = |name: &str| {
        let (_, rest) = fields.split_once(&format!("{name}=\""))?;
        Some(rest.split_once('"')?.0)
    };
    let realm = field("realm")?;
    let service = field("service").map(|s| format!("service={}&", escaped(s)));
    let scope = escaped(&format!("repository:{repository}:pull"));
    let joint = if realm.contains('?') { '&' } else { '?' };
    Some(format!("{realm}{joint}{}scope={scope}", service.unwrap_or_default()))
}

/// Believes the authorities of this machine, and those of `ca` (PEM).
pub(super) fn trust(ca: Option<&str>) -> Result<ClientConfig, ApiError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(ca) = ca {
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(ca.as_bytes()).collect();
        let own = read.unwrap_or_default();
        let (taken, _) = roots.add_parsable_certificates(own);
        if taken == 0 {
            let text = "ca: it holds no certificate; give the text of a PEM file, \
                 which begins with -----BEGIN CERTIFICATE-----";
            return Err(ApiError::new(ErrorCode::InvalidValue, text));
        }
    }
    Ok(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}

/// Why nothing was got from `host`, and what helps.
pub(super) fn unreachable(host: &str, error: &(dyn Error + 'static)) -> io::Error {
    let remedy = match CertificateFault::of(error) {
        None => "",
        Some(CertificateFault::UnknownAuthority) => {
            "; nobody this host knows has signed its certificate: give that of its authority as ca"
        }
        Some(CertificateFault::Expired) => {
            "; its certificate is not valid today: the registry needs another one"
        }
        Some(CertificateFault::OtherName) => {
            "; its certificate is for another name: use that in the reference"
        }
        Some(CertificateFault::Unusable) => {
            "; a server's certificate has basicConstraints CA:FALSE, and is given as ca itself or \
             signed by the one that is given"
        }
        Some(CertificateFault::NotEncrypted) => {
            "; it does not speak HTTPS, which is asked of registries elsewhere and of those with a ca"
        }
    };
    io::Error::other(format!("ask {host}: {}{remedy}", chain(error)))
}
