//! How often.

mod counters;
#[cfg(feature = "redis")]
pub mod redis;

pub use self::counters::{
    Counters, CountersError, Demand, Demands, Level, Levels, MAX_QUOTAS, Rate,
};
