//! Work that goes on behind the answer: whose it is, and where.
//!
//! An asynchronous provider answers a request with the id of a task, and is asked about it until the task is over. To the provider all
//! tasks are ours; [`TasksLayer`] remembers which caller has made which one. A request about a task goes to the endpoint that made
//! it, and only if the task is the caller's own: anybody else gets the same answer as for a task that does not exist, byte for byte but
//! the request's id.
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use std::{convert::Infallible, sync::Arc};
//! use tollgate::{
//!     TasksLayer,
//!     auth::{Account, Principal},
//!     charge::MemoryLedger,
//!     tasks::{MemoryTasks, TaskId},
//! };
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let tasks = MemoryTasks::new(MemoryLedger::new());
//! let layer = |id| TasksLayer::new(tasks.clone(), "images", id);
//! let generate = ServiceBuilder::new()
//!     .layer(layer(TaskId::InAnswer("/id".parse()?)))
//!     .service_fn(|_: Request<()>| async {
//!         Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(r#"{"id":"t1"}"#)))
//!     });
//! let result = ServiceBuilder::new()
//!     .layer(layer(TaskId::InQuery("id".into())))
//!     .service_fn(|_: Request<()>| async {
//!         Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("a cat")))
//!     });
//!
//! let of = |account: &str| {
//!     let principal = Principal::new(Arc::new(Account::new(account)), "key_1");
//!     Request::builder().uri("/?id=t1").extension(principal).body(())
//! };
//! assert_eq!(generate.oneshot(of("acme")?).await?.status(), 200);
//! assert_eq!(result.clone().oneshot(of("acme")?).await?.status(), 200);
//! assert_eq!(result.oneshot(of("somebody else")?).await?.status(), 404);
//! # Ok(())
//! # }
//! ```
//!
//! With [`ChargeLayer`](crate::ChargeLayer) further out, the money that is reserved for the request stays reserved for the task
//! ([`Hold`](crate::charge::Hold)): it is taken when somebody hears that the task has succeeded, and goes back when it has failed, once, whoever
//! asks and how often:
//!
//! ```
//! use std::time::Duration;
//! use tollgate::{
//!     ChargeLayer, TasksLayer,
//!     charge::{MemoryLedger, Price},
//!     tasks::{MemoryTasks, TaskId},
//! };
//! use tower::ServiceBuilder;
//!
//! let ledger = MemoryLedger::new();
//! let tasks = MemoryTasks::new(ledger.clone());
//! let generate = ServiceBuilder::new()
//!     .layer(ChargeLayer::new(ledger, Price::fixed("0.010".parse()?)))
//!     .layer(
//!         TasksLayer::new(tasks, "images", TaskId::InAnswer("/data/id".parse()?))
//!             .retention(Duration::from_secs(3600)),
//!     );
//! # let _ = generate;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is read
//!
//! The answer to a request that may make a task, if it is a success of at most [`max_bytes`](TasksLayer::max_bytes) and no stream. One without an
//! id in the place is no task, and is charged for as any other. How far a task is, in the answer to a request about it, is said by
//! whoever reads that, such as [`Upstream`](crate::Upstream), in a [`WorkReport`](crate::work::WorkReport).
//!
//! # What it trusts
//!
//! The [`Principal`](crate::auth::Principal) in the request's extensions, whose account owns the task; and that the provider gives no two tasks the
//! same id: one that it gives twice is not handed to a second caller.

mod ask;
mod body;
mod callback;
mod future;
mod id;
mod layer;
mod make;
mod memory;
mod sealed;
mod service;
mod store;
#[cfg(test)]
mod tests;

#[cfg(feature = "standalone")]
pub(crate) use self::{ask::Listening, layer::RETENTION};
pub use self::{
    body::TaskBody,
    callback::{Callback, CallbackId, InvalidCallbackId},
    future::ResponseFuture,
    id::{ProviderTaskId, TaskId},
    layer::TasksLayer,
    memory::MemoryTasks,
    sealed::{Ending, InvalidSealKeys, SealedTasks},
    service::Tasks,
    store::{NewTask, Recorded, Task, TaskStore},
};
