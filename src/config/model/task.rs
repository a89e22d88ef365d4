use crate::{
    config::values::{JsonPointer, Secret, Timeout},
    tasks::TaskId,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Asynchronous work of providers.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Tasks {
    /// For how long it is remembered whose a task is; then nobody can ask about it, and money that is still reserved for it goes the way of
    /// `charge.at_time_limit`. Default: `24h`.
    pub retention: Option<Timeout>,
    /// Secrets of 32 characters or more for routes whose tasks have `sealed` ids, the same for all processes. The first one seals, and all of them open: to change
    /// it, put a new one before it, and take the old one out when `retention` is over. Default: none.
    pub seal_keys: Vec<Secret>,
}

/// Where a route has the id of a task: in the answers, where requests make tasks, or in the requests, where they are about them.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Task {
    /// In the provider's answer, where a request has made a task, as a JSON Pointer such as `/data/id`. An answer without one there is no task.
    pub id_in_answer: Option<JsonPointer>,
    /// In the request, the parameter of `path` with this name.
    pub id_in_path: Option<String>,
    /// In the request, the parameter of the query with this name.
    pub id_in_query: Option<String>,
    /// In the request's JSON body, as a JSON Pointer such as `/id`; the route needs a `schema`.
    pub id_in_body: Option<JsonPointer>,
    /// Whether the caller's id is one of the gateway's own, in which all that is known of the task is sealed, so that any process with the same `tasks.seal_keys` can ask
    /// about it, whatever it remembers. Money that is reserved for it is in `server.store` all the same: with a `price`, replicas need to share that. The same for all routes of an upstream. Default: `false`, tasks are remembered in `server.store`.
    pub sealed: bool,
}

impl Task {
    /// The places that are named.
    pub(crate) fn places(&self) -> impl Iterator<Item = (&'static str, TaskId)> {
        let pointer = |at: &JsonPointer| at.get().clone();
        let answer = self.id_in_answer.as_ref().map(|at| TaskId::InAnswer(pointer(at)));
        let path = self.id_in_path.as_deref().map(|name| TaskId::InPath(name.into()));
        let query = self.id_in_query.as_deref().map(|name| TaskId::InQuery(name.into()));
        let body = self.id_in_body.as_ref().map(|at| TaskId::InBody(pointer(at)));
        let names = ["id_in_answer", "id_in_path", "id_in_query", "id_in_body"];
        names
            .into_iter()
            .zip([answer, path, query, body])
            .filter_map(|(name, id)| Some((name, id?)))
    }

    /// Whether the id in a body is put in the place of the one that the caller has sent.
    pub(crate) const fn edits_bodies(&self) -> bool {
        self.sealed && self.id_in_body.is_some()
    }

    /// Whether its requests make tasks.
    pub(crate) const fn makes(&self) -> bool {
        self.id_in_answer.is_some()
    }
}
