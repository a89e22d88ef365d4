//! From a configuration to what serves it.
//!
//! [`Plan`] is what all workers share and is built once; [`Plan::worker`] makes one worker's services, whose
//! connections to providers are its own.

mod adapt;
mod answer;
mod auth;
mod bodies;
mod counters;
mod keys;
mod limits;
mod plan;
mod report;
mod reveal;
mod stack;
mod upstreams;

pub(crate) use self::plan::{InvalidPlan, Plan};
