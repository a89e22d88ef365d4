use crate::Fault;
use std::{error::Error, fmt};
use tower::BoxError;

/// Why a [`WrapBody`](super::WrapBody) broke off.
///
/// The [`Fault`] behind it, where there is one, is found along the [`source`](Error::source) chain, for example
/// by [`rescue`](crate::normalize::rescue).
#[derive(Debug)]
#[non_exhaustive]
pub enum WrapError {
    /// The inner body failed.
    Inner(BoxError),
    /// What the inner body says cannot be wrapped: its coding is corrupt or cut off, or it is white space.
    Upstream(Fault),
}

impl fmt::Display for WrapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inner(_) => "the answer's body failed",
            Self::Upstream(_) => "the answer's body cannot be wrapped",
        })
    }
}

impl Error for WrapError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Inner(error) => Some(&**error),
            Self::Upstream(fault) => Some(fault),
        }
    }
}
