//! Until when an answer is of use.

use std::time::Duration;
use tokio::time::Instant;

/// Until when the head of an answer and its body are wanted, in the extensions of a request. A service keeps to it where it is
/// sooner than its own limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline(pub Instant);

/// The moment after this time from now; for a time without end, one that nobody lives to see.
pub(crate) fn after(time: Duration) -> Instant {
    later(Instant::now(), time)
}

/// The same from another moment.
pub(crate) fn later(moment: Instant, time: Duration) -> Instant {
    const AGES: Duration = Duration::from_secs(60 * 60 * 24 * 365 * 30);
    moment.checked_add(time).unwrap_or_else(|| moment + AGES)
}
