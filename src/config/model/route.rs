use super::{AuthMode, Body, Callback, Charge, Edit, LimitUse, Price, Rules, Task};
use crate::config::values::{
    Methods, Name, PathPattern, PathTemplate, SchemaSource, ScopeTemplate,
};
use crate::{idempotency, upstream::Repeat};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which requests go where.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("anyOf" = serde_json::json!([{ "required": ["upstream"] }, { "required": ["serve"] }])))]
pub struct Route {
    /// What the route is called in logs and metrics; no two are called the same. Default: method and path, such as `POST /v1/generate`.
    #[serde(default, skip_serializing_if = "Name::is_empty")]
    #[schemars(with = "Option<Name>")]
    pub name: Name,
    /// One method or several, in capitals. Default: any, with `serve = "catalog"` GET. `CONNECT` and `TRACE` are refused anyway.
    #[serde(default)]
    pub method: Option<Methods>,
    /// The paths, such as `/v1/tasks/{id}` or `/files/{*rest}`. Another route for the same path needs another method;
    /// one that names the method goes before one that answers to any.
    pub path: PathPattern,
    /// The name of the upstream that answers; not where the gateway answers by itself (`serve`).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub upstream: String,
    /// What the gateway answers by itself. For the caller's own account: `usage` lists what was paid for, `usage-summary` sums it up, `tasks` lists the
    /// tasks that were made; lists take `page` (from 1) and `per_page` (20, at most 100). For everybody: `catalog` is a page about the catalog's codes, for
    /// where `catalog.docs_url` points; with `auth = "none"` browsers can read it.
    /// `callback` is for providers, who say there that a task is over; its path ends with a parameter, and it asks for no API key.
    #[serde(default)]
    pub serve: Option<Page>,
    /// The path to ask for, behind the endpoint's prefix; parameters of `path` can be used. Default: the request's own path.
    #[serde(default)]
    pub rewrite: Option<PathTemplate>,
    /// Whether it wants an API key. Default: `required` where the configuration has an `[auth]` table, else `none`.
    #[serde(default)]
    pub auth: Option<AuthMode>,
    /// What the API key must be allowed to do, all of it. Parameters of `path` can be used, as in `model:{model}`; their values are taken as they stand in the
    /// path, percent-encoded. Default: nothing.
    #[serde(default)]
    pub scopes: Vec<ScopeTemplate>,
    /// The limits of its requests: a name, or a table such as `{ name = "per-key", cost = 5 }`. Those that are counted by address, header or route
    /// are checked before the API key, those by principal or account after it. Default: none.
    #[serde(default)]
    #[schemars(length(max = 8))]
    pub limits: Vec<LimitUse>,
    /// The JSON Schema (draft 2020-12) of its request bodies, which then have to be JSON: a file, relative to the configuration file, or the schema itself.
    /// `x-fault` beside a field gives its code, `x-message` its message. Default: none, bodies are not looked at.
    #[serde(default)]
    pub schema: Option<SchemaSource>,
    /// The JSON Schema of its parameters, those of the query and of the path, as one object. Default: none.
    #[serde(default)]
    pub parameters: Option<SchemaSource>,
    /// What is changed in its request bodies, in this order, after they were checked. Default: nothing.
    #[serde(default)]
    pub edit: Vec<Edit>,
    /// How its request bodies are read, where that differs from the table `[body]`.
    #[serde(default)]
    pub body: Body,
    /// What a request costs, taken from the caller's balance when it succeeds: an amount such as `"0.010"`, or a table such as
    /// `{ by = "/model", table = { small = "0.010" }, times = "/num_outputs" }`. What the `table` has no row for is refused. Default: nothing.
    #[serde(default)]
    pub price: Option<Price>,
    /// What becomes of the money, where that differs from the table `[charge]`.
    #[serde(default)]
    pub charge: Charge,
    /// Where the id of a task is, for asynchronous providers: `{ id_in_answer = "/data/id" }` where requests make tasks, and `{ id_in_path = "id" }`,
    /// `{ id_in_query = "id" }` or `{ id_in_body = "/id" }` where they are about one. Nobody can ask about somebody else's. Default: there are no tasks.
    #[serde(default)]
    pub task: Option<Task>,
    /// Where callers say whom to tell when a task is over: `{ url_in_body = "/webHook", result = "task" }`, with `task` as the name of the route that is
    /// asked for the result. Needs the table `[callbacks]`, and a route with `serve = "callback"`. Default: nowhere.
    #[serde(default)]
    pub callback: Option<Callback>,
    /// Which requests have an `Idempotency-Key`, with which they are carried out and paid for once: `off`, `optional` or `required`. Needs a
    /// `schema` and an API key; GET and HEAD never have one. Default: `off`.
    #[serde(default)]
    pub idempotency: idempotency::Policy,
    /// What `schema`, `parameters` and `edit` come to.
    #[serde(skip)]
    pub rules: Rules,
    /// What a success looks like. Default: `as-is`.
    #[serde(default)]
    pub success: Success,
    /// What may be sent again after it failed. Default: `refused`.
    #[serde(default)]
    pub repeat: Repeat,
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

/// What the gateway answers by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Page {
    /// What was paid for, the latest first.
    Usage,
    /// Balance and sums.
    UsageSummary,
    /// The tasks that were made, the latest first.
    Tasks,
    /// Nothing: providers say here that a task is over.
    Callback,
    /// The page about the catalog's codes.
    Catalog,
}

/// What a success looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Success {
    /// The provider's answer as it is.
    #[default]
    AsIs,
    /// The provider's JSON as `{"data":…,"error":null}`.
    Wrap,
}
