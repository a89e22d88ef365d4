//! Quotas that several processes share, in Redis or Valkey.
//!
//! All quotas of a request are checked and spent by one script, in one round trip, by the server's own clock. So
//! however many replicas use one server, and however their clocks differ, together they admit exactly what the
//! quotas allow; a request that one quota refuses costs the others nothing. Levels are worked out in whole
//! nanoseconds, and are those that counters in memory would give at the server's time.
//!
//! # Example
//!
//! Whoever is admitted elsewhere is not admitted here; while Redis is away, nobody is:
//!
//! ```no_run
//! use std::{num::NonZeroU32, time::Duration};
//! use tollgate::limit::{Counters, Demand, Demands, Rate, redis::{RedisConfig, RedisStore}};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = RedisStore::new(RedisConfig::new("redis://127.0.0.1".parse()?));
//! let counters = store.counters();
//! let demand = Demand {
//!     quota: "per-key".into(),
//!     rate: Rate::per(NonZeroU32::new(100).unwrap(), Duration::from_secs(1)).unwrap(),
//!     bucket: 42,
//!     cost: NonZeroU32::MIN,
//! };
//! let levels = counters.check(Demands::from_iter([demand])).await?;
//! println!("{} left", levels[0].remaining);
//! # Ok(())
//! # }
//! ```
//!
//! With another timeout, TLS, a password, and one quota that is rather not counted than refused. Nothing listens
//! there, so that quota is admitted:
//!
//! ```
//! use std::{num::NonZeroU32, time::Duration};
//! use tollgate::limit::{
//!     Counters, Demand, Demands, Local, OnStoreFailure, Rate,
//!     redis::{RedisConfig, RedisStore, SharedCounters},
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let config = RedisConfig::new("rediss://tollgate:secret@127.0.0.1:1/2".parse()?)
//!     .timeout(Duration::from_millis(20));
//! let store = RedisStore::new(config);
//! // One for each runtime of the process; `Local`'s clones count together.
//! let counters = SharedCounters::new(store.counters(), Local::default())
//!     .on_store_failure("per-key", OnStoreFailure::Local)
//!     .on_store_failure("per-address", OnStoreFailure::Open);
//! let demand = Demand {
//!     quota: "per-address".into(),
//!     rate: Rate::per(NonZeroU32::new(100).unwrap(), Duration::from_secs(1)).unwrap(),
//!     bucket: 42,
//!     cost: NonZeroU32::MIN,
//! };
//! let levels = counters.check(Demands::from_iter([demand])).await?;
//! assert_eq!(levels[0].remaining, 100);
//! assert_eq!(store.outcomes().open, 1);
//! # Ok(())
//! # }
//! ```
//!
//! # When Redis is away
//!
//! A check waits for 50 milliseconds ([`RedisConfig::timeout`]). The first one that has no answer, or one that
//! cannot be used, opens a circuit: those after it end at once, each quota as its [`OnStoreFailure`](super::OnStoreFailure) says. A task
//! in the background waits two seconds more for a connection that is only late; otherwise it connects anew, first
//! after some 20 milliseconds and then at growing intervals of up to five seconds, and tries all that a check needs.
//! Once that works, quotas are shared again. A wrong password, a missing
//! permission, a replica, a full memory are treated the same, and the log says which it is: one warning when Redis
//! goes, reminders at growing intervals, one line when it is back. [`RedisStore::is_available`] and
//! [`RedisStore::outcomes`] tell the same to programs.
//!
//! It errs on the strict side: an answer that comes too late may have spent units, which are not given back.
//! What was counted in memory meanwhile is not carried over to Redis, nor the other way round. A server that lost
//! its data (a restart without persistence, a failover before the last writes were copied) counts from whole
//! quotas, so up to one burst more than the rate is admitted; whether that matters enough for `appendonly yes` is
//! the operator's choice.
//!
//! # What is kept
//!
//! `tollgate:{limits}:<quota>:<bucket>`, with the bucket in 32 hexadecimal digits: when the quota will be whole
//! again, in nanoseconds since 1970. It expires a second after that. A value that is none is overwritten. Quotas of
//! the same name in one database are one quota, so gateways that are to count apart use databases of their own.
//!
//! # What the server needs
//!
//! Redis 6 or later, or Valkey. An ACL user is allowed what the script does and no more:
//!
//! ```text
//! ACL SETUSER tollgate on >password ~tollgate:* +evalsha +script|load +select +time +get +set
//! ```
//!
//! In a cluster, all keys have the hash tag `{limits}`, so they are on one node, and the URL must name that one
//! (`CLUSTER KEYSLOT {limits}`): redirections are reported, not followed.
//!
//! # Trust
//!
//! Whoever can write to the database can lift the limits or refuse everybody; whoever can read it learns when
//! buckets were last used, not whose they are. Without TLS the password crosses the network in the clear. What a
//! server says in its errors is never logged, since some repeat what they were sent, passwords too.

mod backoff;
mod config;
mod counters;
mod dial;
mod fallback;
mod link;
mod outage;
mod outcomes;
mod script;
mod session;
mod shared;
mod store;
#[cfg(test)]
mod tests;
mod unavailable;
mod url;

pub use self::{
    config::{InvalidAuthorities, RedisConfig},
    counters::{RedisCheck, RedisCounters},
    outcomes::Outcomes,
    shared::{SharedCheck, SharedCounters},
    store::RedisStore,
    unavailable::Unavailable,
    url::{RedisUrl, RedisUrlError},
};
