use super::{Demand, Demands, InvalidQuota, Key, Level, MAX_QUOTAS, Quota, Rate, key::half};
use crate::{Fault, auth::Principal};
use http::{HeaderValue, request::Parts};
use sha2::{Digest, Sha256};
use std::{collections::HashMap, fmt::Write as _, num::NonZeroU32, sync::Arc, time::Duration};

/// The quotas of a layer, ready to be asked: one tariff for each plan that any of them names.
#[derive(Debug)]
pub(super) struct Tariffs {
    without_plan: Arc<Tariff>,
    by_plan: HashMap<Box<str>, Arc<Tariff>>,
}

/// What is asked of callers on one plan.
#[derive(Debug)]
pub(super) struct Tariff {
    pub(super) terms: Box<[Terms]>,
    /// The value of `RateLimit-Policy`; none without quotas.
    pub(super) policy: Option<HeaderValue>,
}

/// One quota, at the rate of one plan.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) name: Arc<str>,
    pub(super) rate: Rate,
    cost: NonZeroU32,
    key: Key,
    ipv6_prefix: u8,
    /// What its buckets are told apart by from those of other quotas and rates.
    id: u128,
}

impl Tariffs {
    pub(super) fn new(quotas: &[Quota]) -> Self {
        let plans = quotas.iter().flat_map(|quota| &quota.plans).map(|(plan, _)| plan);
        Self {
            without_plan: Arc::new(Tariff::new(quotas, None)),
            by_plan: plans
                .map(|plan| (plan.clone(), Arc::new(Tariff::new(quotas, Some(plan)))))
                .collect(),
        }
    }

    /// Whether there is nothing to ask.
    pub(super) fn is_empty(&self) -> bool {
        self.without_plan.terms.is_empty()
    }

    /// The tariff that this request is under.
    pub(super) fn of(&self, request: &Parts) -> &Arc<Tariff> {
        if self.by_plan.is_empty() {
            return &self.without_plan;
        }
        let plan = request.extensions.get::<Principal>().and_then(Principal::plan);
        plan.and_then(|plan| self.by_plan.get(plan)).unwrap_or(&self.without_plan)
    }
}

impl Tariff {
    fn new(quotas: &[Quota], plan: Option<&str>) -> Self {
        let terms: Box<[_]> = quotas.iter().map(|quota| Terms::new(quota, plan)).collect();
        let mut policy = String::new();
        for terms in &terms {
            if !policy.is_empty() {
                policy.push_str(", ");
            }
            terms.write_policy(&mut policy);
        }
        // Names have been checked, so that this is a value unless it is empty.
        let policy = Some(policy).filter(|policy| !policy.is_empty());
        Self { terms, policy: policy.and_then(|policy| HeaderValue::try_from(policy).ok()) }
    }

    /// What this request asks of each quota.
    pub(super) fn demands(&self, request: &Parts) -> Demands {
        self.terms.iter().map(|terms| terms.demand(request)).collect()
    }

    /// Why a request is refused, if it is: the quota that takes longest to admit it.
    ///
    /// # Errors
    ///
    /// [`Fault::RateLimited`].
    pub(super) fn verdict(&self, levels: &[Level]) -> Result<(), Fault> {
        let longest = self.terms.iter().zip(levels).max_by_key(|(_, level)| level.wait);
        match longest {
            Some((terms, level)) if !level.wait.is_zero() => Err(Fault::RateLimited {
                quota: terms.name.to_string().into(),
                retry_after: Some(level.wait).filter(|wait| *wait < Duration::MAX),
            }),
            _ => Ok(()),
        }
    }
}

impl Terms {
    fn new(quota: &Quota, plan: Option<&str>) -> Self {
        let rate = quota.rate_on(plan);
        let digest = Sha256::new()
            .chain_update(rate.interval().as_nanos().to_be_bytes())
            .chain_update(rate.burst().get().to_be_bytes())
            .chain_update(&*quota.name);
        Self {
            // A name of its own: each request counts its references up and down, and workers are not to share that.
            name: Arc::from(&*quota.name),
            rate,
            cost: quota.cost,
            key: quota.key.clone(),
            ipv6_prefix: quota.ipv6_prefix,
            id: half(digest),
        }
    }

    fn demand(&self, request: &Parts) -> Demand {
        Demand {
            quota: self.name.clone(),
            rate: self.rate,
            bucket: self.key.caller(request, self.ipv6_prefix).bucket(self.id),
            cost: self.cost,
        }
    }

    /// `"per-key";q=100;w=1`.
    ///
    /// `w` has whole seconds only. It is the shortest time in which the whole burst comes back, rounded up, and `q` what
    /// comes back in it: the true rate, and never less than what can be spent at once.
    fn write_policy(&self, policy: &mut String) {
        let interval = self.rate.interval().as_nanos();
        let all = interval.saturating_mul(self.rate.burst().get().into());
        let window = all.div_ceil(NANOS).max(1);
        let quota = (window * NANOS / interval).min(MAX_INTEGER.into());
        let _ = write!(policy, r#""{}";q={quota};w={window}"#, self.name);
    }

    /// How long a caller can do no more than what remains allows: until one more request like this one can be sent
    /// than that is enough for.
    pub(super) fn effective_window(&self, level: &Level) -> Duration {
        if !level.wait.is_zero() {
            return level.wait;
        }
        let affordable = level.remaining / self.cost;
        let wanted = affordable.saturating_add(1).saturating_mul(self.cost.get());
        // No more than the whole burst comes back.
        let unwanted = self.rate.burst().get().saturating_sub(wanted);
        level.reset.saturating_sub(self.rate.interval().saturating_mul(unwanted))
    }
}

const NANOS: u128 = 1_000_000_000;

/// The largest integer of a structured field (RFC 9651, section 3.3.1).
pub(super) const MAX_INTEGER: u64 = 999_999_999_999_999;

/// Adds a quota to those of a layer.
pub(super) fn add(quotas: &mut Vec<Quota>, quota: Quota) -> Result<(), InvalidQuota> {
    quota.check()?;
    if quotas.iter().any(|other| other.name == quota.name) {
        return Err(InvalidQuota::Twice);
    }
    if quotas.len() >= MAX_QUOTAS {
        return Err(InvalidQuota::TooMany);
    }
    quotas.push(quota);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Account;
    use http::Request;

    const SECOND: Duration = Duration::from_secs(1);

    fn units(n: u32) -> NonZeroU32 {
        NonZeroU32::new(n).unwrap()
    }

    fn rate(n: u32, period: Duration, burst: u32) -> Rate {
        Rate::per(units(n), period).unwrap().with_burst(units(burst))
    }

    fn policy(quotas: &[Quota]) -> Option<String> {
        Tariff::new(quotas, None).policy.map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn policies() {
        let table = [
            (rate(100, SECOND, 100), "q=100;w=1"),
            (rate(100, SECOND, 200), "q=200;w=2"),
            (rate(100, SECOND, 250), "q=300;w=3"),
            (rate(100, SECOND, 10), "q=100;w=1"),
            (rate(7, SECOND, 7), "q=7;w=1"),
            (rate(3, 7 * SECOND, 3), "q=3;w=7"),
            (rate(60, 60 * SECOND, 60), "q=60;w=60"),
            (rate(60, 60 * SECOND, 1), "q=1;w=1"),
            (rate(1000, 86400 * SECOND, 1000), "q=1000;w=86400"),
            (rate(1000, 86400 * SECOND, 1), "q=1;w=87"),
            (rate(3, SECOND / 10, 3), "q=30;w=1"),
            (rate(1_000_000_000, SECOND, 1), "q=1000000000;w=1"),
        ];
        for (rate, want) in table {
            let want = format!(r#""a b";{want}"#);
            assert_eq!(policy(&[Quota::new("a b", rate)]), Some(want), "{rate:?}");
        }
        let both = ["a", "b"].map(|name| Quota::new(name, rate(1, SECOND, 1)));
        let want = r#""a";q=1;w=1, "b";q=1;w=1"#;
        assert_eq!(policy(&both), Some(want.into()));
        assert_eq!(policy(&[]), None);
    }

    #[test]
    fn layers_of_one_quota_share_no_name() {
        let quota = Quota::new("q", rate(1, SECOND, 1));
        let [one, other] = [(); 2].map(|()| Terms::new(&quota, None));
        assert!(!Arc::ptr_eq(&one.name, &other.name));
    }

    #[test]
    fn effective_windows() {
        // Ten a second, at most five at once. Cost; remaining, wait and reset in milliseconds; want.
        let table = [
            (1, (4, 0, 100), 100),
            (1, (4, 0, 1), 1),
            (1, (0, 0, 500), 100),
            (1, (0, 0, 401), 1),
            (1, (0, 30, 430), 30),
            (1, (5, 0, 0), 0),
            (2, (3, 0, 200), 100),
            (2, (4, 0, 100), 100),
            (2, (1, 0, 400), 100),
            (2, (1, 50, 350), 50),
            (5, (0, 0, 500), 500),
        ];
        for (cost, (remaining, wait, reset), want) in table {
            let terms = Terms::new(&Quota::new("q", rate(10, SECOND, 5)).cost(units(cost)), None);
            let millis = Duration::from_millis;
            let level = Level { remaining, wait: millis(wait), reset: millis(reset) };
            assert_eq!(terms.effective_window(&level), millis(want), "{cost} {level:?}");
        }
    }

    #[test]
    fn who_is_refused_and_why() {
        let quota = |name: &'static str| Quota::new(name, rate(1, SECOND, 1));
        let tariff = Tariff::new(&[quota("a"), quota("b")], None);
        let wait = |seconds| Level { wait: Duration::from_secs(seconds), ..Level::default() };
        let refused = |quota: &'static str, seconds| {
            let retry_after = Some(Duration::from_secs(seconds));
            Err(Fault::RateLimited { quota: quota.into(), retry_after })
        };
        assert_eq!(tariff.verdict(&[wait(0), wait(0)]), Ok(()));
        assert_eq!(tariff.verdict(&[wait(1), wait(0)]), refused("a", 1));
        assert_eq!(tariff.verdict(&[wait(1), wait(2)]), refused("b", 2));
        assert_eq!(tariff.verdict(&[]), Ok(()));
        let never = Level { wait: Duration::MAX, ..Level::default() };
        let fault = Fault::RateLimited { quota: "b".into(), retry_after: None };
        assert_eq!(tariff.verdict(&[wait(1), never]), Err(fault));
    }

    /// Replicas that share a store must agree on these, so that they may not change.
    #[test]
    fn buckets_are_the_same_everywhere() {
        let bucket = |name: &str, burst| {
            let quota = Quota::new(name, rate(1, SECOND, burst)).key(Key::route("r"));
            let (parts, ()) = Request::new(()).into_parts();
            Tariff::new(&[quota], None).demands(&parts)[0].bucket
        };
        assert_eq!(bucket("q", 1), BUCKET);
        assert_ne!(bucket("q", 1), bucket("q", 2));
        assert_ne!(bucket("q", 1), bucket("p", 1));
    }

    const BUCKET: u128 = 278_566_084_026_232_359_827_361_447_346_923_604_803;

    #[test]
    fn plans() {
        let quotas = [
            Quota::new("a", rate(1, SECOND, 1)).plan("pro", rate(2, SECOND, 2)),
            Quota::new("b", rate(3, SECOND, 3)).plan("max", rate(4, SECOND, 4)),
        ];
        let tariffs = Tariffs::new(&quotas);
        let table = [
            (None, r#""a";q=1;w=1, "b";q=3;w=1"#),
            (Some("pro"), r#""a";q=2;w=1, "b";q=3;w=1"#),
            (Some("max"), r#""a";q=1;w=1, "b";q=4;w=1"#),
            (Some("other"), r#""a";q=1;w=1, "b";q=3;w=1"#),
        ];
        for (plan, want) in table {
            let (mut parts, ()) = Request::new(()).into_parts();
            let mut principal = Principal::new(Arc::new(Account::new("acme")), "k");
            if let Some(plan) = plan {
                principal = principal.with_plan(plan);
            }
            parts.extensions.insert(principal);
            assert_eq!(tariffs.of(&parts).policy.as_ref().unwrap(), want, "{plan:?}");
        }
    }

    #[test]
    fn the_quotas_of_a_layer() {
        let mut quotas = Vec::new();
        for name in 0..MAX_QUOTAS {
            let quota = Quota::new(name.to_string(), rate(1, SECOND, 1));
            assert_eq!(add(&mut quotas, quota.clone()), Ok(()));
            assert_eq!(add(&mut quotas, quota), Err(InvalidQuota::Twice));
        }
        let one_more = || Quota::new("more", rate(1, SECOND, 1));
        assert_eq!(add(&mut quotas, one_more()), Err(InvalidQuota::TooMany));
        assert!(add(&mut quotas, one_more().cost(units(2))).is_err());
    }
}
