//! What a provider's answer means.
//!
//! An answer of a provider is evidence, not an answer. A `Profile` knows how one kind of provider says that something
//! failed, and reads a [`Fault`](crate::Fault) from it: ordered rules over status, header fields and JSON, with where
//! the provider's words, its hint when to come again and its id of the request are. Profiles are data; those of
//! `Profile::presets` are compiled in, others are written in TOML and may extend them.
//!
//! # In which order the evidence counts
//!
//! 1. A body that is not in the coding or charset that it names says nothing.
//! 2. The rules, the profile's own before those of the one that it extends. The first that matches decides.
//! 3. From 400 on, the [status](by_status()).
//! 4. Below, an answer that claims to be JSON and is empty, cut off or something else is unexpected.
//!
//! A condition compares whole values: a substring of a text may be the caller's own prompt, quoted.

#[cfg(feature = "profile")]
mod answer;
#[cfg(feature = "profile")]
mod classify;
#[cfg(feature = "profile")]
mod content;
#[cfg(feature = "profile")]
mod load;
#[cfg(feature = "profile")]
mod pattern;
#[cfg(feature = "profile")]
mod place;
#[cfg(feature = "profile")]
mod private;
mod retry_after;
#[cfg(feature = "profile")]
mod rule;
#[cfg(feature = "profile")]
mod rules;
#[cfg(feature = "profile")]
mod settings;
mod status;
#[cfg(test)]
#[cfg(feature = "profile")]
mod tests;
#[cfg(feature = "profile")]
mod wait;
#[cfg(feature = "profile")]
mod words;
#[cfg(feature = "profile")]
mod work;

pub(crate) use self::retry_after::retry_after;
pub use self::status::by_status;
#[cfg(feature = "profile")]
pub use self::{
    answer::Answer,
    classify::{Profile, Verdict},
    content::Content,
    settings::{
        BodySettings, HeaderSettings, InvalidProfile, Mistake, OneOrMany, RuleSettings, Scalar,
        Scope, Settings, StatusSettings, WorkSettings,
    },
    work::WorkState,
};

/// Marks a response as a provider's, in its extensions.
///
/// [`NormalizeLayer`](crate::NormalizeLayer) reads failures that carry it as the provider's, and all others as
/// our own. `Forward` (feature `forward`) sets it; a handler that relays an answer that it got by other means
/// sets it too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamAnswer;

/// The header fields of a provider's failure as they came, in the extensions of a response from whose own fields some were taken: for
/// whoever finds out what the failure means.
#[cfg(feature = "profile")]
#[derive(Clone, Debug)]
pub(crate) struct UpstreamHeaders(pub(crate) http::HeaderMap);
