//! Why a callback was not delivered.

use super::guard::Refused;
use rustls::CertificateError;
use std::{error::Error, fmt, io};

/// Why there is no answer of a receiver.
///
/// `Display` is the whole of it in one line, causes too, for logs and for tables. It holds nothing of the URL but
/// possibly its host, and nothing that was sent or received.
#[derive(Debug)]
pub(crate) enum SendError {
    /// Nothing may be sent there.
    Refused(Refused),
    /// None of its addresses accepts a connection.
    Connect(io::Error),
    /// TLS could not be agreed on, or the certificate is not one that is trusted for this host.
    Tls(io::Error),
    /// What it answers is not HTTP/1.1, or it closed the connection before it did. It may have got the request.
    Http(hyper::Error),
    /// It did not answer in time. It may have got the request.
    TimedOut,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refused) => write_chain(f, refused),
            Self::Connect(error) => write!(f, "cannot connect: {}", error.kind()),
            Self::Tls(error) if is_for_another_name(error) => {
                f.write_str("TLS failed: the certificate is for another name")
            }
            Self::Tls(error) => write!(f, "TLS failed: {error}"),
            Self::Http(error) => {
                f.write_str("no valid answer: ")?;
                write_chain(f, error)
            }
            Self::TimedOut => f.write_str("timed out"),
        }
    }
}

// No source: the causes are said already.
impl Error for SendError {}

impl From<Refused> for SendError {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<hyper::Error> for SendError {
    fn from(error: hyper::Error) -> Self {
        Self::Http(error)
    }
}

/// rustls lists all names of the certificate, which may be hundreds.
fn is_for_another_name(error: &io::Error) -> bool {
    use CertificateError::{NotValidForName, NotValidForNameContext};
    let error = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    matches!(
        error,
        Some(rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }))
    )
}

fn write_chain(f: &mut fmt::Formatter<'_>, error: &dyn Error) -> fmt::Result {
    write!(f, "{error}")?;
    let mut next = error.source();
    while let Some(cause) = next {
        write!(f, ": {cause}")?;
        next = cause.source();
    }
    Ok(())
}
