use crate::limit::{Demand, Level, Rate};
use governor::{
    Quota, RateLimiter, clock::Clock, middleware::NoOpMiddleware, nanos::Nanos, state::StateStore,
};
use std::{num::NonZeroU32, time::Duration};

/// The longest time that a burst may take to come back: 146 years. Sums of three still fit where governor keeps them.
const LONGEST: u64 = u64::MAX / 4;

/// Asks governor whether this is admitted, and counts it in the store if so.
///
/// The algorithm is the same at any time, so that governor's clock may stand still at zero: what it keeps in the store
/// is then not a point in time but the debt, the time until the whole burst can be spent again. Its limiter is a pair
/// of numbers, made from the demand, and nothing is allocated for it.
///
/// # Errors
///
/// How long until it would be admitted; [`Duration::MAX`] if never.
pub(super) fn decide<S>(demand: &Demand, store: S) -> Result<(), Duration>
where
    S: StateStore<Key = u128>,
{
    if demand.cost > burst(demand.rate) {
        return Err(Duration::MAX);
    }
    let limiter: RateLimiter<u128, S, Still, NoOpMiddleware<Nanos>> =
        RateLimiter::new(quota(demand.rate), store, Still);
    match limiter.check_key_n(&demand.bucket, demand.cost) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(not_until)) => Err(not_until.wait_time_from(Still.now())),
        Err(_more_than_the_burst) => Err(Duration::MAX),
    }
}

/// A clock that stands still.
struct Still;

impl Clock for Still {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::default()
    }
}

/// How a quota stands that owes so many nanoseconds.
pub(super) fn level(rate: Rate, debt: u64, wait: Duration) -> Level {
    let remaining = capacity(rate).saturating_sub(debt) / interval(rate);
    Level {
        remaining: u32::try_from(remaining).unwrap_or(u32::MAX),
        wait,
        reset: Duration::from_nanos(debt),
    }
}

/// The debt, in nanoseconds, at which nothing more can be spent.
pub(super) fn capacity(rate: Rate) -> u64 {
    interval(rate).saturating_mul(burst(rate).get().into())
}

/// The debt, in nanoseconds, that this makes.
pub(super) fn price(demand: &Demand) -> u64 {
    interval(demand.rate).saturating_mul(demand.cost.get().into())
}

fn quota(rate: Rate) -> Quota {
    let one = Quota::per_second(NonZeroU32::MIN);
    Quota::with_period(Duration::from_nanos(interval(rate))).unwrap_or(one).allow_burst(burst(rate))
}

fn interval(rate: Rate) -> u64 {
    u64::try_from(rate.interval().as_nanos()).unwrap_or(LONGEST).clamp(1, LONGEST)
}

/// No more than governor can keep; [`Quota::check`](crate::limit::Quota::check) has refused such a rate before.
fn burst(rate: Rate) -> NonZeroU32 {
    let most = u32::try_from(LONGEST / interval(rate)).unwrap_or(u32::MAX);
    rate.burst().min(NonZeroU32::new(most).unwrap_or(NonZeroU32::MIN))
}
