use super::Unavailable;
use crate::limit::{Demand, Demands, Level, Levels};
use redis::{Cmd, Value};
use std::time::Duration;

/// What the server runs for each check.
pub(super) const TEXT: &str = concat!(include_str!("clock.lua"), include_str!("gcra.lua"));

/// The longest time that a burst may take to come back, as for counters in memory: 146 years. In microseconds, and
/// with the time of day, it is below 2^53 until the year 2109. (Only where a request is refused can a sum be larger,
/// and inexact; it is compared, and not kept.)
const LONGEST: u128 = (u64::MAX / 4) as u128;

/// `EVALSHA` for these demands.
///
/// # Errors
///
/// [`Unavailable::Uncountable`] if one of the rates is too slow.
pub(super) fn command(hash: &str, demands: &Demands) -> Result<Cmd, Unavailable> {
    let mut command = redis::cmd("EVALSHA");
    command.arg(hash).arg(demands.len());
    for demand in demands {
        command.arg(key(demand));
    }
    // What costs more than a burst is never admitted, so that nothing may be spent beside it.
    let spend = demands.iter().all(|demand| demand.cost <= demand.rate.burst());
    command.arg(u8::from(spend));
    for demand in demands {
        if burst_time(demand) > LONGEST {
            return Err(Unavailable::Uncountable);
        }
        let cost = if spend { cost_time(demand) } else { 0 };
        for nanoseconds in [cost, burst_time(demand)] {
            command.arg((nanoseconds / 1000) as u64).arg((nanoseconds % 1000) as u64);
        }
    }
    Ok(command)
}

/// `EVALSHA` that spends nothing of nothing: it needs all the permissions that a check needs, and a server that can
/// be written to.
pub(super) fn probe(hash: &str) -> Cmd {
    let mut command = redis::cmd("EVALSHA");
    command.arg(hash).arg(1).arg("tollgate:{limits}").arg(1).arg(0).arg(0).arg(0).arg(0);
    command
}

/// All keys have the hash tag `{limits}`, so that a cluster keeps them on one node and a script may touch several.
fn key(demand: &Demand) -> String {
    format!("tollgate:{{limits}}:{}:{:032x}", demand.quota, demand.bucket)
}

/// What the script said, as each quota's level.
///
/// # Errors
///
/// [`Unavailable::NotRedis`] if it is not what the script says.
pub(super) fn levels(demands: &Demands, answer: &Value) -> Result<Levels, Unavailable> {
    let Value::Array(answer) = answer else { return Err(Unavailable::NotRedis) };
    let [Value::Int(admitted @ 0..=1), Value::Int(now), before @ ..] = answer.as_slice() else {
        return Err(Unavailable::NotRedis);
    };
    let now = u128::try_from(*now).map_err(|_| Unavailable::NotRedis)? * 1000;
    if before.len() != demands.len() {
        return Err(Unavailable::NotRedis);
    }
    let admitted = *admitted == 1;
    let levels: Levels = demands
        .iter()
        .zip(before)
        .map(|(demand, state)| {
            let debt = nanoseconds(state)?.checked_sub(now)?;
            (debt <= burst_time(demand)).then(|| level(demand, debt, admitted))
        })
        .collect::<Option<_>>()
        .ok_or(Unavailable::NotRedis)?;
    // The two ways in which it says whether it was admitted.
    match levels.iter().all(|level| level.wait.is_zero()) == admitted {
        true => Ok(levels),
        false => Err(Unavailable::NotRedis),
    }
}

fn nanoseconds(state: &Value) -> Option<u128> {
    match state {
        Value::BulkString(digits) => std::str::from_utf8(digits).ok()?.parse().ok(),
        _ => None,
    }
}

/// How a quota stands that needed `debt` nanoseconds to be whole when it was asked.
fn level(demand: &Demand, debt: u128, admitted: bool) -> Level {
    let (cost, burst) = (cost_time(demand), burst_time(demand));
    let wait = if demand.cost > demand.rate.burst() {
        Duration::MAX
    } else {
        duration((debt + cost).saturating_sub(burst))
    };
    let debt = if admitted { debt + cost } else { debt };
    let remaining = burst.saturating_sub(debt) / demand.rate.interval().as_nanos();
    Level { remaining: u32::try_from(remaining).unwrap_or(u32::MAX), wait, reset: duration(debt) }
}

/// Nanoseconds in which the cost comes back.
fn cost_time(demand: &Demand) -> u128 {
    demand.rate.interval().as_nanos() * u128::from(demand.cost.get())
}

/// Nanoseconds in which the whole burst comes back.
fn burst_time(demand: &Demand) -> u128 {
    demand.rate.interval().as_nanos() * u128::from(demand.rate.burst().get())
}

/// At most two hundred years, which 64 bits hold.
fn duration(nanoseconds: u128) -> Duration {
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}
