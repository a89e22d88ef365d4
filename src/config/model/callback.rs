use crate::config::values::{
    EndpointUrl, FieldName, JsonPointer, Network, Secret, Setting, Size, Timeout,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Callers who are told when a task is over, at a URL of theirs.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Callbacks {
    /// Where providers reach the route with `serve = "callback"`, as in `https://api.example.com/callbacks`: a token comes behind it, as the last segment of the path.
    /// Where its variable, or that of a secret, is not set, nobody is told: callers' URLs go on to the provider as they are.
    pub url: Option<Setting<EndpointUrl>>,
    /// Secrets of 32 characters or more, the same for all processes. The first one is used: for the tokens that providers get, and for a secret of each account,
    /// with which messages to it are signed. Tokens of the others are still known, so that a new one can be put before an old one; the accounts' secrets change with that.
    pub secrets: Vec<Setting<Secret>>,
    /// The field with the name of the callback, the same in every attempt. Default: `x-webhook-id`.
    pub id_field: Option<FieldName>,
    /// The field with the time of the attempt, in seconds since 1970. Default: `x-webhook-timestamp`.
    pub timestamp_field: Option<FieldName>,
    /// The field with `sha256=` and the HMAC-SHA256, in hexadecimal digits, of that time, a dot and the body. Default: `x-webhook-signature`.
    pub signature_field: Option<FieldName>,
    /// How long one attempt may take. Default: `10s`.
    pub timeout: Option<Timeout>,
    /// For how long a receiver is tried again that does not answer with a 2xx. Default: `24h`.
    pub give_up_after: Option<Timeout>,
    /// The longest message, in bytes. Default: `1MiB`.
    pub max_bytes: Option<Size>,
    /// Networks that are not public and may be called all the same. Default: none.
    pub allow: Vec<Network>,
}

impl Callbacks {
    pub(crate) const ID_FIELD: FieldName = FieldName::from_static("x-webhook-id");
    pub(crate) const TIMESTAMP_FIELD: FieldName = FieldName::from_static("x-webhook-timestamp");
    pub(crate) const SIGNATURE_FIELD: FieldName = FieldName::from_static("x-webhook-signature");
    pub(crate) const TIMEOUT: Timeout = Timeout::seconds(10);
    pub(crate) const GIVE_UP_AFTER: Timeout = Timeout::seconds(24 * 60 * 60);
    pub(crate) const MAX_BYTES: Size = Size::kib(1024);

    /// Where providers reach us, if somebody is to be told.
    pub(crate) fn url(&self) -> Option<&EndpointUrl> {
        let all = self.secrets.iter().all(|secret| secret.missing().is_none());
        self.url.as_ref()?.get().filter(|_| all && !self.secrets.is_empty())
    }

    /// The secrets that are there.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        self.secrets.iter().filter_map(Setting::get).map(Secret::expose)
    }
}

/// What a route does for callers who want to be told when their task is over.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Callback {
    /// Where in the request's JSON body the caller's URL stands, as a JSON Pointer such as `/webHook`. The provider gets one of ours in its place.
    pub url_in_body: JsonPointer,
    /// Texts that may stand there and are no URL: they go on as they are.
    #[serde(default)]
    pub ignore: Vec<String>,
    /// The name of the route that a caller would ask how far the task is: its answer is what the receiver is sent. Default: none, and what the provider says when
    /// it calls is read as an answer of its own.
    #[serde(default)]
    pub result: Option<String>,
}
