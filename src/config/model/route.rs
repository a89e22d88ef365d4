use crate::config::values::{Methods, Name, PathPattern, PathTemplate};
use schemars::JsonSchema;
use serde::Deserialize;

/// Which requests go where.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// What the route is called in logs and metrics; no two are called the same. Default: method and path, such as `POST /v1/generate`.
    #[serde(default)]
    #[schemars(with = "Option<Name>")]
    pub name: Name,
    /// One method or several, in capitals. Default: any. `CONNECT` and `TRACE` are refused anyway.
    #[serde(default)]
    pub method: Option<Methods>,
    /// The paths, such as `/v1/tasks/{id}` or `/files/{*rest}`. Another route for the same path needs another method;
    /// one that names the method goes before one that answers to any.
    pub path: PathPattern,
    /// The name of the upstream that answers.
    pub upstream: String,
    /// The path to ask for, behind the endpoint's prefix; parameters of `path` can be used. Default: the request's own path.
    #[serde(default)]
    pub rewrite: Option<PathTemplate>,
    /// What a success looks like. Default: `as-is`.
    #[serde(default)]
    pub success: Success,
}

impl Route {
    /// What a route without a name is called.
    pub(in crate::config) fn default_name(&self) -> String {
        match &self.method {
            Some(methods) => format!("{methods} {}", self.path),
            None => format!("* {}", self.path),
        }
    }
}

/// What a success looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Success {
    /// The provider's answer as it is.
    #[default]
    AsIs,
    /// The provider's JSON as `{"data":…,"error":null}`.
    Wrap,
}
