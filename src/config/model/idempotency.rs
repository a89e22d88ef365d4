use crate::config::values::{Size, Timeout};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Answers to requests with an `Idempotency-Key`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Idempotency {
    /// For how long they are kept. Default: `24h`.
    pub retention: Option<Timeout>,
    /// The longest one that is kept; a longer one is given once. Default: `256KiB`.
    pub max_bytes: Option<Size>,
}
