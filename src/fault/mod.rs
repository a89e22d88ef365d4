//! Why a request failed.
//!
//! A [`Fault`] is a cause with its details: typed, internal, never shown as it is. What a caller sees of it
//! is decided by the [`Catalog`](crate::Catalog), which maps every [`Kind`] of fault to an
//! [`Entry`](crate::Entry) with a public code, an HTTP status and a message. What the gateway does about it
//! (try another endpoint, count it against this one, tell the caller to retry) is its
//! [`Disposition`].
//!
//! Faults of the gateway itself and faults of a provider are told apart by type, never by an HTTP status:
//! everything a provider did wrong is a [`Fault::Upstream`].
//!
//! # Refusing a request in a handler
//!
//! A fault is an error, so anything under a [`NormalizeLayer`](crate::NormalizeLayer) may return one:
//!
//! ```
//! use tollgate::Fault;
//!
//! fn charge(balance: u64, price: u64) -> Result<u64, Fault> {
//!     balance.checked_sub(price).ok_or(Fault::InsufficientBalance)
//! }
//!
//! assert_eq!(charge(1, 2).unwrap_err().to_string(), "the balance is below the price of this request");
//! ```
//!
//! With the feature `axum`, `Fault` is also an `IntoResponse`.

mod disposition;
mod kind;
mod outcome;
mod upstream;

use std::{borrow::Cow, error::Error, fmt, time::Duration};

pub use self::{
    disposition::{Charge, Disposition, EndpointHealth, NextEndpoint, Retry},
    kind::{Kind, Param, Source},
    outcome::Outcome,
    upstream::{Cause, UpstreamFault, UpstreamKind},
};

/// Text of a fault: static for what is known when compiling, owned for what a request brought.
pub type Text = Cow<'static, str>;

/// Why a request failed.
///
/// `Display` is for operators and logs; callers see the catalog's message. No variant holds a credential, a
/// header value or a piece of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// No credential was sent.
    MissingCredential,
    /// A credential was sent in a form that cannot be one (wrong scheme, two of them, bad characters).
    MalformedCredential,
    /// The credential is well formed and belongs to nobody.
    UnknownCredential,
    /// The credential was valid once and has been revoked.
    RevokedCredential,
    /// The credential's time is over.
    ExpiredCredential,
    /// The credential is good, its account is suspended.
    AccountSuspended,
    /// The credential is good and may not do this (route, scope, model).
    Forbidden,
    /// A quota of ours is used up.
    RateLimited {
        /// The quota's name.
        quota: Text,
        /// When one more request will be admitted.
        retry_after: Option<Duration>,
    },
    /// Too many requests of this caller are running at once.
    ConcurrencyLimited {
        /// The limit's name.
        quota: Text,
    },
    /// The request body is not JSON.
    InvalidJson {
        /// What is wrong and where, without a piece of the body.
        detail: Text,
    },
    /// The request body is `{}`.
    EmptyObject,
    /// The request body is JSON, and not an object.
    NotAnObject,
    /// One field of the request breaks a rule.
    Violation(Violation),
    /// The request body is larger than allowed.
    BodyTooLarge {
        /// The limit in bytes, where known.
        limit: Option<u64>,
    },
    /// The request's `Content-Type` or `Content-Encoding` is not accepted here.
    UnsupportedMediaType {
        /// What is accepted, such as `application/json`.
        expected: Text,
    },
    /// The request body did not arrive in time.
    BodyTimeout,
    /// The client broke its own request off.
    BodyIncomplete,
    /// The request's head did not arrive in time.
    HeaderTimeout,
    /// The request's header fields are larger than allowed (RFC 6585, section 5).
    HeaderTooLarge,
    /// The request target is longer than allowed (RFC 9110, section 15.5.15).
    UriTooLong,
    /// The message breaks HTTP, or could be read in two ways (RFC 9112, section 11.2).
    BadRequest {
        /// What is wrong, without a piece of the request.
        detail: Text,
    },
    /// An `Expect` other than `100-continue` (RFC 9110, section 10.1.1).
    ExpectationFailed,
    /// The balance is below the price of this request.
    InsufficientBalance,
    /// What the account, or the key, may spend within a time is spent.
    SpendLimitReached,
    /// Nobody has said what this request costs.
    NoPrice,
    /// The request must have an idempotency key, and has none.
    MissingIdempotencyKey,
    /// A request with the same idempotency key is at work, or its answer cannot be given again.
    IdempotencyKeyInUse,
    /// The idempotency key was used for another request.
    IdempotencyKeyReused,
    /// No route has this path.
    NoRoute,
    /// The path exists, not with this method.
    MethodNotAllowed {
        /// The value of the answer's `Allow` field (RFC 9110, section 10.2.1); empty where it is not known.
        allow: Text,
    },
    /// The task does not exist, or is somebody else's.
    TaskNotFound,
    /// A provider is not configured: its URL or its credential is missing.
    NotConfigured {
        /// The upstream's name.
        upstream: Text,
    },
    /// The request came back to us (RFC 9110, section 7.6.3).
    LoopDetected,
    /// Our own work on this request took longer than it may.
    DeadlineExceeded,
    /// The gateway has more work than it can take.
    Overloaded,
    /// A store that the decision depends on (keys, counters) does not answer.
    StoreUnavailable,
    /// The gateway is going away.
    ShuttingDown,
    /// A defect of ours: a panic, an error that nothing recognises.
    Internal,
    /// A code of the application's own, which the catalog lists.
    Custom {
        /// The public code.
        code: Text,
        /// The message, instead of the catalog's. Sent to the caller as it is.
        message: Option<Text>,
    },
    /// A provider failed, or refused.
    Upstream(UpstreamFault),
}

/// A field of the request that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// Path of the field as the caller writes it, such as `urls[3]`.
    pub field: Text,
    /// What is wrong, in a sentence for the caller, such as `prompt is required`.
    pub detail: Text,
    /// The catalog's code for this field, instead of the general one.
    pub code: Option<Text>,
    /// What else is wrong, where all of it was asked for; sent as `details`, together with this one.
    pub others: Option<Box<[Self]>>,
}

impl Violation {
    /// A field and what is wrong with it.
    pub fn new(field: impl Into<Text>, detail: impl Into<Text>) -> Self {
        Self { field: field.into(), detail: detail.into(), code: None, others: None }
    }

    /// With this code of the catalog instead of the general one.
    #[must_use]
    pub fn with_code(mut self, code: Option<Text>) -> Self {
        self.code = code;
        self
    }

    /// All violations as one: the first, with the others beside it, also if there are none. `None` if there is none at all.
    pub fn all(violations: impl IntoIterator<Item = Self>) -> Option<Self> {
        let mut violations = violations.into_iter();
        let first = violations.next()?;
        Some(Self { others: Some(violations.collect()), ..first })
    }
}

impl Fault {
    /// A fault with a code of the application's own.
    ///
    /// The catalog must list the code; if it does not, the caller gets the catalog's answer for
    /// [`Kind::Internal`], since a code that nobody documented is a defect.
    pub fn custom(code: impl Into<Text>) -> Self {
        Self::Custom { code: code.into(), message: None }
    }

    /// Like [`custom`](Self::custom), with a message instead of the catalog's.
    pub fn custom_message(code: impl Into<Text>, message: impl Into<Text>) -> Self {
        Self::Custom { code: code.into(), message: Some(message.into()) }
    }

    /// A field that breaks a rule.
    pub fn violation(field: impl Into<Text>, detail: impl Into<Text>) -> Self {
        Self::Violation(Violation::new(field, detail))
    }

    /// A message that breaks HTTP or is ambiguous.
    pub fn bad_request(detail: impl Into<Text>) -> Self {
        Self::BadRequest { detail: detail.into() }
    }

    /// The fault without its details: the catalog's key. `None` for [`Fault::Custom`], whose key is its code.
    pub fn kind(&self) -> Option<Kind> {
        Some(match self {
            Self::MissingCredential => Kind::MissingCredential,
            Self::MalformedCredential => Kind::MalformedCredential,
            Self::UnknownCredential => Kind::UnknownCredential,
            Self::RevokedCredential => Kind::RevokedCredential,
            Self::ExpiredCredential => Kind::ExpiredCredential,
            Self::AccountSuspended => Kind::AccountSuspended,
            Self::Forbidden => Kind::Forbidden,
            Self::RateLimited { .. } => Kind::RateLimited,
            Self::ConcurrencyLimited { .. } => Kind::ConcurrencyLimited,
            Self::InvalidJson { .. } => Kind::InvalidJson,
            Self::EmptyObject => Kind::EmptyObject,
            Self::NotAnObject => Kind::NotAnObject,
            Self::Violation(_) => Kind::Violation,
            Self::BodyTooLarge { .. } => Kind::BodyTooLarge,
            Self::UnsupportedMediaType { .. } => Kind::UnsupportedMediaType,
            Self::BodyTimeout => Kind::BodyTimeout,
            Self::BodyIncomplete => Kind::BodyIncomplete,
            Self::HeaderTimeout => Kind::HeaderTimeout,
            Self::HeaderTooLarge => Kind::HeaderTooLarge,
            Self::UriTooLong => Kind::UriTooLong,
            Self::BadRequest { .. } => Kind::BadRequest,
            Self::ExpectationFailed => Kind::ExpectationFailed,
            Self::InsufficientBalance => Kind::InsufficientBalance,
            Self::SpendLimitReached => Kind::SpendLimitReached,
            Self::NoPrice => Kind::NoPrice,
            Self::MissingIdempotencyKey => Kind::MissingIdempotencyKey,
            Self::IdempotencyKeyInUse => Kind::IdempotencyKeyInUse,
            Self::IdempotencyKeyReused => Kind::IdempotencyKeyReused,
            Self::NoRoute => Kind::NoRoute,
            Self::MethodNotAllowed { .. } => Kind::MethodNotAllowed,
            Self::TaskNotFound => Kind::TaskNotFound,
            Self::NotConfigured { .. } => Kind::NotConfigured,
            Self::LoopDetected => Kind::LoopDetected,
            Self::DeadlineExceeded => Kind::DeadlineExceeded,
            Self::Overloaded => Kind::Overloaded,
            Self::StoreUnavailable => Kind::StoreUnavailable,
            Self::ShuttingDown => Kind::ShuttingDown,
            Self::Internal => Kind::Internal,
            Self::Upstream(fault) => Kind::Upstream(fault.kind),
            Self::Custom { .. } => return None,
        })
    }

    /// Who failed: the gateway (and its caller), or the provider behind it.
    pub fn raised_by(&self) -> Source {
        self.kind().map_or(Source::Gateway, Kind::source)
    }

    /// When the caller may try again, where the fault knows it. No wait at all is no hint.
    pub fn retry_after(&self) -> Option<Duration> {
        let wait = match self {
            Self::RateLimited { retry_after, .. } => *retry_after,
            Self::Upstream(fault) => fault.retry_after,
            _ => None,
        };
        wait.filter(|wait| !wait.is_zero())
    }

    /// The field of the request that is to blame, where there is one.
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Violation(v) => Some(&v.field),
            _ => None,
        }
    }
}

impl From<UpstreamFault> for Fault {
    fn from(fault: UpstreamFault) -> Self {
        Self::Upstream(fault)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MissingCredential => "no credential was sent",
            Self::MalformedCredential => "the credential is malformed",
            Self::UnknownCredential => "the credential is unknown",
            Self::RevokedCredential => "the credential has been revoked",
            Self::ExpiredCredential => "the credential has expired",
            Self::AccountSuspended => "the account is suspended",
            Self::Forbidden => "the credential does not allow this",
            Self::RateLimited { quota, .. } => return write!(f, "quota {quota} is used up"),
            Self::ConcurrencyLimited { quota } => {
                return write!(f, "too many requests at once for {quota}");
            }
            Self::InvalidJson { detail } => return write!(f, "the body is not JSON: {detail}"),
            Self::EmptyObject => "the body is an empty object",
            Self::NotAnObject => "the body is not an object",
            Self::Violation(v) => &v.detail,
            Self::BodyTooLarge { limit: Some(limit) } => {
                return write!(f, "the body is larger than {limit} bytes");
            }
            Self::BodyTooLarge { limit: None } => "the body is too large",
            Self::UnsupportedMediaType { expected } => {
                return write!(f, "the media type is not accepted, only {expected}");
            }
            Self::BodyTimeout => "the body did not arrive in time",
            Self::BodyIncomplete => "the client broke its request off",
            Self::HeaderTimeout => "the request's head did not arrive in time",
            Self::HeaderTooLarge => "the request's header fields are too large",
            Self::UriTooLong => "the request target is too long",
            Self::BadRequest { detail } => return write!(f, "the request is malformed: {detail}"),
            Self::ExpectationFailed => "the expectation cannot be met",
            Self::InsufficientBalance => "the balance is below the price of this request",
            Self::SpendLimitReached => "a spend limit is reached",
            Self::NoPrice => "the request has no price",
            Self::MissingIdempotencyKey => "no idempotency key was sent",
            Self::IdempotencyKeyInUse => "the idempotency key is in use",
            Self::IdempotencyKeyReused => "the idempotency key was used for another request",
            Self::NoRoute => "no route has this path",
            Self::MethodNotAllowed { allow } => {
                return write!(f, "the method is not allowed here, only {allow}");
            }
            Self::TaskNotFound => "the task does not exist",
            Self::NotConfigured { upstream } => {
                return write!(f, "upstream {upstream} is not configured");
            }
            Self::LoopDetected => "the request has been here before",
            Self::DeadlineExceeded => "the deadline passed",
            Self::Overloaded => "the gateway is overloaded",
            Self::StoreUnavailable => "a store of the gateway does not answer",
            Self::ShuttingDown => "the gateway is shutting down",
            Self::Internal => "internal error",
            Self::Custom { code, .. } => return write!(f, "refused with {code}"),
            Self::Upstream(fault) => return fmt::Display::fmt(fault, f),
        })
    }
}

impl Error for Fault {}
