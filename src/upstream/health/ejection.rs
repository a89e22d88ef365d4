use std::time::Duration;

/// When an endpoint is left out, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ejection {
    /// How many failures within [`window`](Self::window) it takes at least. Default: 5.
    pub failures: u32,
    /// How many of a hundred requests must have failed. Default: 50.
    pub percent: u8,
    /// The time over which failures are counted. Default: 10 s.
    pub window: Duration,
    /// How long an endpoint is left out the first time, and twice as long each time that it fails its probe. Default: 10 s.
    pub base: Duration,
    /// The longest that an endpoint is left out. Default: 5 min.
    pub longest: Duration,
    /// Whether all endpoints may be out at once, and requests be refused without a try. Default: `false`, then the one
    /// that is back first is asked.
    pub all: bool,
}

impl Default for Ejection {
    fn default() -> Self {
        Self {
            failures: 5,
            percent: 50,
            window: Duration::from_secs(10),
            base: Duration::from_secs(10),
            longest: Duration::from_secs(300),
            all: false,
        }
    }
}
