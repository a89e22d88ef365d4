use super::UpstreamKind;
use std::fmt;

/// Who failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The gateway, or its caller.
    Gateway,
    /// The provider.
    Upstream,
}

impl Source {
    /// The word on the wire: `gateway` or `upstream`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Upstream => "upstream",
        }
    }
}

/// A detail that a fault brings along and that a catalog's message may name in braces: `{limit}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Param {
    /// What is wrong, as a sentence.
    Detail,
    /// Path of the field.
    Field,
    /// Size limit in bytes.
    Limit,
    /// What is accepted.
    Expected,
    /// Methods that are allowed.
    Allow,
    /// Name of the quota.
    Quota,
    /// The provider's own reason with a colon before it, or nothing where it gives none that may pass.
    Reason,
}

impl Param {
    /// Every parameter.
    pub const ALL: &'static [Self] = &[
        Self::Detail,
        Self::Field,
        Self::Limit,
        Self::Expected,
        Self::Allow,
        Self::Quota,
        Self::Reason,
    ];

    /// The name inside the braces.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Detail => "detail",
            Self::Field => "field",
            Self::Limit => "limit",
            Self::Expected => "expected",
            Self::Allow => "allow",
            Self::Quota => "quota",
            Self::Reason => "reason",
        }
    }
}

macro_rules! kinds {
    ($($variant:ident $name:literal [$($param:ident),*] $doc:literal,)* ; $($up:ident $up_name:literal $up_doc:literal,)*) => {
        /// A [`Fault`](crate::Fault) without its details: what a catalog must have an answer for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Kind {
            $(#[doc = $doc] $variant,)*
            /// A provider failed, or refused.
            Upstream(UpstreamKind),
        }

        impl Kind {
            /// Every kind there is, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)* $(Self::Upstream(UpstreamKind::$up),)*];

            /// The name in catalogs, configuration, logs and metrics, such as `body_too_large` or
            /// `upstream_timeout`.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                    $(Self::Upstream(UpstreamKind::$up) => $up_name,)*
                }
            }

            /// One sentence of what it means.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$variant => $doc,)*
                    $(Self::Upstream(UpstreamKind::$up) => $up_doc,)*
                }
            }

            /// The details that a message for this kind may name.
            pub const fn params(self) -> &'static [Param] {
                match self {
                    $(Self::$variant => &[$(Param::$param),*],)*
                    Self::Upstream(kind) if kind.is_about_the_input() => &[Param::Reason],
                    Self::Upstream(_) => &[],
                }
            }
        }
    };
}

kinds! {
    MissingCredential "missing_credential" [] "No credential was sent.",
    MalformedCredential "malformed_credential" [] "The credential cannot be one: wrong scheme, several, bad characters.",
    UnknownCredential "unknown_credential" [] "The credential belongs to nobody.",
    RevokedCredential "revoked_credential" [] "The credential has been revoked.",
    ExpiredCredential "expired_credential" [] "The credential's time is over.",
    AccountSuspended "account_suspended" [] "The account is suspended.",
    Forbidden "forbidden" [] "The credential does not allow this.",
    RateLimited "rate_limited" [Quota] "A quota of the gateway is used up.",
    ConcurrencyLimited "concurrency_limited" [Quota] "Too many requests of this caller run at once.",
    InvalidJson "invalid_json" [Detail] "The request body is not JSON.",
    EmptyObject "empty_object" [] "The request body is an empty object.",
    NotAnObject "not_an_object" [] "The request body is JSON, and not an object.",
    Violation "violation" [Detail, Field] "A field of the request breaks a rule.",
    BodyTooLarge "body_too_large" [Limit] "The request body is larger than allowed.",
    UnsupportedMediaType "unsupported_media_type" [Expected] "The request's media type or encoding is not accepted.",
    BodyTimeout "body_timeout" [] "The request body did not arrive in time.",
    BodyIncomplete "body_incomplete" [] "The client broke its own request off.",
    HeaderTimeout "header_timeout" [] "The request's head did not arrive in time.",
    HeaderTooLarge "header_too_large" [] "The request's header fields are larger than allowed.",
    UriTooLong "uri_too_long" [] "The request target is longer than allowed.",
    BadRequest "bad_request" [Detail] "The request breaks HTTP, or could be read in two ways.",
    ExpectationFailed "expectation_failed" [] "An Expect other than 100-continue.",
    InsufficientBalance "insufficient_balance" [] "The balance is below the price of this request.",
    SpendLimitReached "spend_limit_reached" [] "What the account or the key may spend within a time is spent.",
    NoPrice "no_price" [] "The server has no price for this request.",
    MissingIdempotencyKey "missing_idempotency_key" [] "The request must have an Idempotency-Key, and has none.",
    IdempotencyKeyInUse "idempotency_key_in_use" [] "A request with the same Idempotency-Key is at work, or its answer cannot be given again.",
    IdempotencyKeyReused "idempotency_key_reused" [] "The Idempotency-Key was used for another request.",
    NoRoute "no_route" [] "No route has this path.",
    MethodNotAllowed "method_not_allowed" [Allow] "The path exists, not with this method.",
    TaskNotFound "task_not_found" [] "The task does not exist, or is somebody else's.",
    NotConfigured "not_configured" [] "A provider's URL or credential is missing on the server.",
    LoopDetected "loop_detected" [] "The request came back to the gateway.",
    DeadlineExceeded "deadline_exceeded" [] "The gateway's own work took too long.",
    Overloaded "overloaded" [] "The gateway has more work than it can take.",
    StoreUnavailable "store_unavailable" [] "A store that the gateway's decision depends on does not answer.",
    ShuttingDown "shutting_down" [] "The gateway is going away.",
    Internal "internal" [] "A defect of the gateway.",
    ;
    AuthFailed "upstream_auth_failed" "The provider rejected the gateway's credential.",
    AccountExhausted "upstream_account_exhausted" "The gateway's account at the provider is empty or blocked.",
    RateLimited "upstream_rate_limited" "The provider limits the gateway.",
    InvalidRequest "upstream_invalid_request" "The provider says the request is invalid.",
    NotFound "upstream_not_found" "The provider does not know the task or model.",
    InputModeration "upstream_input_moderation" "The provider blocked the input.",
    OutputModeration "upstream_output_moderation" "The provider blocked the output.",
    ProviderError "upstream_provider_error" "The provider failed.",
    Overloaded "upstream_overloaded" "The provider, or something in front of it, has too much work.",
    Timeout "upstream_timeout" "The provider did not answer in time.",
    Unreachable "upstream_unreachable" "The provider cannot be reached.",
    Incomplete "upstream_incomplete" "The provider's answer was cut off.",
    Unexpected "upstream_unexpected" "The provider's answer means nothing known.",
}

impl Kind {
    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == name)
    }

    /// Who failed.
    pub const fn source(self) -> Source {
        if matches!(self, Self::Upstream(_)) { Source::Upstream } else { Source::Gateway }
    }

    /// Position in [`Kind::ALL`].
    pub(crate) fn index(self) -> usize {
        // A few dozen comparisons of small enums, only when something failed: cheaper than keeping a second table true.
        Self::ALL.iter().position(|kind| *kind == self).unwrap_or_default()
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
