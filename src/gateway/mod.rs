//! From a configuration to what serves it.
//!
//! [`Plan`] is what all workers share and is built once; [`Plan::worker`] makes one worker's services, whose
//! connections to providers are its own.

mod adapt;
mod answer;
mod auth;
mod bodies;
mod callbacks;
mod charge;
mod counters;
mod document;
mod idempotency;
mod keys;
mod limits;
mod pages;
mod plan;
mod provider;
mod report;
mod reveal;
mod stack;
mod tasks;
mod upstreams;
mod worker;

pub(crate) use self::keys::Certified;
pub(crate) use self::plan::{InvalidPlan, Plan};
