//! TLS towards clients.
//!
//! What is served with is one `rustls` configuration, made of the files and swapped whole when they change: new
//! handshakes use the new one, connections that are there keep theirs, and sessions of an old one are not resumed
//! under a new one, whose authorities may be others. Where they are, a client that has shown a certificate of the old ones is nobody
//! from then on.

mod accept;
mod certificate;
mod files;
mod watch;

pub(super) use self::accept::{Handshake, Shown};
pub(crate) use self::{
    files::{ClientCa, Files, read},
    watch::Watch,
};
pub(crate) use crate::certificate::Mistake;

use self::files::{Demand, Pair};
use crate::file_stamps::FileStamps;
use arc_swap::ArcSwap;
use std::{fmt, time::SystemTime};

/// What handshakes are made with, which can change between two of them.
pub(crate) struct Tls {
    files: Files,
    pair: ArcSwap<Pair>,
    /// As the files were when the first of it was read.
    first: (FileStamps, Pair),
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with them.
    pub(crate) fn open(files: Files) -> Result<Self, Vec<Mistake>> {
        // Before they are read, so that no change is missed.
        let stamp = FileStamps::of(files.paths());
        let pair = read(&files)?;
        Ok(Self { files, pair: ArcSwap::from_pointee(pair.clone()), first: (stamp, pair) })
    }

    /// Until when the certificate in use is good, if that is legible.
    pub(crate) fn not_after(&self) -> Option<SystemTime> {
        self.pair.load().not_after
    }

    /// What it is made of.
    pub(crate) fn files(&self) -> &Files {
        &self.files
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}
