use std::time::Duration;

/// How long to wait before an endpoint is asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backoff {
    /// The most for the first time; twice as much each time after it. Default: 100 ms.
    pub base: Duration,
    /// The most at all. Default: 5 s.
    pub longest: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { base: Duration::from_millis(100), longest: Duration::from_secs(5) }
    }
}

impl Backoff {
    /// Anything between nothing and the most ("full jitter"), so that those who failed together do not come back
    /// together. `times`: how often it was waited before. `random`: from 0 to 1.
    pub(super) fn wait(&self, times: u32, random: f64) -> Duration {
        let most = self.base.saturating_mul(1 << times.min(20)).min(self.longest);
        most.mul_f64(random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_as_long_each_time() {
        let backoff = Backoff::default();
        let table = [(0, 100), (1, 200), (2, 400), (5, 3200), (6, 5000), (60, 5000)];
        for (times, millis) in table {
            assert_eq!(backoff.wait(times, 1.0), Duration::from_millis(millis), "{times}");
            assert_eq!(backoff.wait(times, 0.5), Duration::from_millis(millis / 2), "{times}");
            assert_eq!(backoff.wait(times, 0.0), Duration::ZERO);
        }
    }
}
