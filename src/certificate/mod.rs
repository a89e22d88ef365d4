//! Certificates with their keys, whichever side shows them: the gateway to its clients, or to a provider.

#[cfg(feature = "standalone")]
mod expiry;
#[cfg(feature = "standalone")]
mod files;
mod pair;

pub(crate) use self::pair::{Unfit, certify};
#[cfg(feature = "standalone")]
pub(crate) use self::{
    expiry::expiry_warning,
    files::{File, LARGEST, Mistake, Reason, certificates, read_pair},
};
