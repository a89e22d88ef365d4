//! How often.

mod counters;

pub use self::counters::{
    Counters, CountersError, Demand, Demands, Level, Levels, MAX_QUOTAS, Rate,
};
