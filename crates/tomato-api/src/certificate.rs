//! What is wrong with the other side of an encrypted connection, wherever in a chain of errors that is said.

use std::error::Error;
use std::io;

use rustls::CertificateError;

/// Why the other side is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateFault {
    /// Nobody known has signed its certificate.
    UnknownAuthority,
    /// Its certificate has expired, or is not valid yet.
    Expired,
    /// Its certificate is for another name.
    OtherName,
    /// Its certificate is not one of a server, for example that of an authority itself.
    Unusable,
    /// It does not speak TLS.
    NotEncrypted,
}

impl CertificateFault {
    /// What a chain of errors says of the other side; none if it is about something else.
    pub fn of(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref::<rustls::Error>() {
                return Self::of_tls(found);
            }
            // An I/O error names as its source what is behind the error that it carries.
            let carried = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            next = match carried {
                Some(carried) => Some(carried),
                None => error.source(),
            };
        }
        None
    }

    fn of_tls(error: &rustls::Error) -> Option<Self> {
        let error = match error {
            rustls::Error::InvalidCertificate(error) => error,
            rustls::Error::InvalidMessage(_) => return Some(Self::NotEncrypted),
            _ => return None,
        };
        Some(match error {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                Self::UnknownAuthority
            }
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Self::Expired,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::OtherName
            }
            CertificateError::Other(_) => Self::Unusable,
            _ => return None,
        })
    }
}
