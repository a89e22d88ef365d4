//! The place of `otlp` in a build without it.

use super::Recording;
use crate::config;
use std::{convert::Infallible, time::Duration};

/// Who would get what is recorded: there is nobody.
#[derive(Debug)]
pub(crate) enum Tracer {}

/// Nothing can be wrong.
pub(crate) type InvalidTraces = Infallible;

impl Tracer {
    /// The configuration has been checked: it wants none.
    #[allow(clippy::unnecessary_wraps, reason = "the other one can fail")]
    pub(super) fn start(_: &config::Traces) -> Result<Option<Self>, InvalidTraces> {
        Ok(None)
    }

    pub(super) fn samples(&self, _: u128) -> bool {
        match *self {}
    }

    pub(super) fn stop(&self, _: Duration) {
        match *self {}
    }

    pub(super) fn take(&self, _: &Recording, _: &super::Facts<'_>) {
        match *self {}
    }
}
