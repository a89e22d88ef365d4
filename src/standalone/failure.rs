use crate::{
    gateway::InvalidPlan,
    server::tls,
    store::{StoreError, StoreUrl},
    trace::InvalidTraces,
};
use std::{fmt, io, net::SocketAddr};

/// Why a gateway does not start, does not take up a configuration, or did not go on.
#[derive(Debug)]
pub(crate) enum Failure {
    Plan(InvalidPlan),
    Store { url: StoreUrl, error: StoreError },
    Tls(Vec<tls::Mistake>),
    Traces(InvalidTraces),
    Listen { what: &'static str, address: SocketAddr, error: io::Error },
    Worker(io::Error),
    WorkerPanicked,
}

impl Failure {
    /// Whether the configuration is to blame. A store that may be there the next time is not: whoever watches over the process starts it again.
    pub(crate) fn is_configuration(&self) -> bool {
        match self {
            Self::Plan(_) | Self::Tls(_) | Self::Traces(_) => true,
            Self::Store { error, .. } => !error.may_pass(),
            Self::Listen { .. } | Self::Worker(_) | Self::WorkerPanicked => false,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plan(error) => write!(f, "the configuration cannot be served: {error}"),
            Self::Store { url, error } => write!(f, "the store {url} cannot be used: {error}"),
            Self::Tls(mistakes) => {
                f.write_str("the certificate cannot be used")?;
                mistakes.iter().try_for_each(|mistake| {
                    write!(f, "; server.tls.{}: {mistake}", mistake.file.key())
                })
            }
            Self::Traces(error) => write!(f, "traces: {error}"),
            Self::Listen { what, address, error } => {
                write!(f, "cannot listen on {address} ({what}): {error}")?;
                match error.kind() {
                    io::ErrorKind::AddrInUse => {
                        f.write_str("; another process does, choose another port")
                    }
                    io::ErrorKind::PermissionDenied => {
                        f.write_str("; ports below 1024 need a privilege")
                    }
                    io::ErrorKind::AddrNotAvailable => {
                        f.write_str("; this machine has no such address")
                    }
                    _ => Ok(()),
                }
            }
            Self::Worker(error) => write!(f, "a worker failed: {error}"),
            Self::WorkerPanicked => f.write_str("a worker panicked"),
        }
    }
}

impl std::error::Error for Failure {}
