use arrayvec::ArrayVec;
use serde::Deserialize;
use std::{
    error::Error,
    fmt,
    future::Future,
    num::{NonZeroU32, NonZeroU64},
    sync::Arc,
    time::Duration,
};

/// The most quotas that one layer checks.
pub const MAX_QUOTAS: usize = 8;

/// How much, how fast: the two numbers of the generic cell rate algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    interval: NonZeroU64,
    burst: NonZeroU32,
}

impl Rate {
    /// So many units a period, evenly: one comes back every `period / units`. As many can be spent at once.
    ///
    /// `None` if that is less than a nanosecond a unit, or if the period is longer than 584 years.
    pub fn per(units: NonZeroU32, period: Duration) -> Option<Self> {
        let interval = period.as_nanos() / u128::from(units.get());
        let interval = u64::try_from(interval).ok().and_then(NonZeroU64::new)?;
        Some(Self { interval, burst: units })
    }

    /// How much can be spent at once after a pause, instead of a whole period's units.
    #[must_use]
    pub const fn with_burst(mut self, burst: NonZeroU32) -> Self {
        self.burst = burst;
        self
    }

    /// The time in which one unit comes back.
    pub const fn interval(self) -> Duration {
        Duration::from_nanos(self.interval.get())
    }

    /// How much can be spent at once.
    pub const fn burst(self) -> NonZeroU32 {
        self.burst
    }
}

/// What one request asks of one quota.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand {
    /// The quota's name.
    pub quota: Arc<str>,
    /// How much, how fast: for this caller, by its plan.
    pub rate: Rate,
    /// Who it is counted for, different for each quota and the same in every process.
    pub bucket: u128,
    /// How many units it costs. More than the burst is never admitted.
    pub cost: NonZeroU32,
}

/// What one request asks, of each quota that it is counted by.
pub type Demands = ArrayVec<Demand, MAX_QUOTAS>;

/// How one quota stands, after a request was admitted, or as it was when it was refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Level {
    /// Units that can be spent at once.
    pub remaining: u32,
    /// How long until the request's cost can be spent: nothing if this quota would have admitted it.
    pub wait: Duration,
    /// How long until the whole burst can be spent.
    pub reset: Duration,
}

/// Whether a request is admitted, and how each quota stands, in the order of the demands.
///
/// It is admitted by all of its quotas, or costs none of them anything.
pub type Levels = ArrayVec<Level, MAX_QUOTAS>;

/// Where requests are counted: in this process, or in a store that several share.
pub trait Counters {
    /// The answer, when it is there. Counters in memory use [`std::future::Ready`]; others may box theirs.
    ///
    /// It is polled a first time in `call`, without a task to wake: an answer that is there at once costs least.
    type Check: Future<Output = Result<Levels, CountersError>> + Unpin;

    /// Spends the demanded units of all quotas, or of none: a request is admitted if no level has a `wait`.
    fn check(&self, demands: Demands) -> Self::Check;
}

/// What becomes of the requests that a quota counts while the store that they are counted in is away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[cfg_attr(feature = "standalone", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "kebab-case")]
pub enum OnStoreFailure {
    /// They are refused, with status 503.
    #[default]
    Closed,
    /// They are not counted.
    Open,
    /// They are counted in this process: each replica admits as much as all of them together did.
    Local,
}

/// A store of counters that could not answer, for a quota that is not to be waived.
#[derive(Debug)]
pub struct CountersError {
    source: Box<dyn Error + Send + Sync>,
}

impl CountersError {
    /// Because of this.
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: source.into() }
    }
}

impl fmt::Display for CountersError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the store of counters does not answer")
    }
}

impl Error for CountersError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}
