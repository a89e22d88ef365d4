//! From a configuration to what serves it.
//!
//! [`Plan`] is what all workers share; [`Plan::worker`] makes one worker's services, whose connections to providers are
//! its own. When the configuration changes, another plan is built beside the one in use, and takes over from it what
//! the change leaves as it is: [`Process`] altogether, and of the plan's own parts each that is the same as before.

mod adapt;
mod answer;
mod auth;
mod bodies;
mod callbacks;
mod charge;
mod counters;
mod document;
mod endpoint;
mod idempotency;
mod keys;
mod limits;
mod pages;
mod plan;
mod process;
mod provider;
mod report;
mod reveal;
mod stack;
mod tasks;
mod upstreams;
mod worker;

pub(crate) use self::keys::Certified;
pub(crate) use self::plan::{InvalidPlan, Plan};
pub(crate) use self::process::{Process, WorkerProcess};
