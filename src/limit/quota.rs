use super::{Key, Rate};
use std::{fmt, num::NonZeroU32, sync::Arc, time::Duration};

/// A named limit: how much, how fast, and for whom.
///
/// Callers whose rates differ are counted apart, and so are quotas whose names do. Two layers with the same quota and
/// the same counters count together.
///
/// ```
/// use std::{num::NonZeroU32, time::Duration};
/// use tollgate::limit::{Key, Quota, Rate};
///
/// let rate = |units| Rate::per(NonZeroU32::new(units)?, Duration::from_secs(60));
/// let quota = Quota::new("per-key", rate(60).unwrap())
///     .key(Key::Principal)
///     .plan("pro", rate(600).unwrap());
/// assert!(quota.check().is_ok());
/// ```
#[derive(Clone, Debug)]
pub struct Quota {
    pub(super) name: Arc<str>,
    pub(super) rate: Rate,
    pub(super) plans: Vec<(Box<str>, Rate)>,
    pub(super) key: Key,
    pub(super) ipv6_prefix: u8,
    pub(super) cost: NonZeroU32,
}

/// The longest name of a quota, in bytes.
pub const MAX_NAME_LEN: usize = 64;

/// The longest time that a burst may take to come back: a hundred years.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// What a network of IPv6 addresses is counted as unless somebody says otherwise: what one customer gets at least
/// (RFC 6177, section 2).
pub(super) const IPV6_PREFIX: u8 = 64;

impl Quota {
    /// So much for each client address, with a cost of one.
    pub fn new(name: impl Into<Arc<str>>, rate: Rate) -> Self {
        Self {
            name: name.into(),
            rate,
            plans: Vec::new(),
            key: Key::Address,
            ipv6_prefix: IPV6_PREFIX,
            cost: NonZeroU32::MIN,
        }
    }

    /// What requests are counted by. Default: the address.
    #[must_use]
    pub fn key(mut self, key: Key) -> Self {
        self.key = key;
        self
    }

    /// Another rate for principals on this plan. Others, and those on a plan that is not named here, have the rate
    /// of [`new`](Self::new).
    #[must_use]
    pub fn plan(mut self, plan: impl Into<Box<str>>, rate: Rate) -> Self {
        self.plans.push((plan.into(), rate));
        self
    }

    /// As how many requests one is counted. Default: 1.
    #[must_use]
    pub fn cost(mut self, units: NonZeroU32) -> Self {
        self.cost = units;
        self
    }

    /// How many bits of an IPv6 address are its network's, which is counted as one address. Default: 64.
    #[must_use]
    pub fn ipv6_prefix(mut self, bits: u8) -> Self {
        self.ipv6_prefix = bits;
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it can be kept and told to callers.
    ///
    /// # Errors
    ///
    /// What is wrong with it, if anything.
    pub fn check(&self) -> Result<(), InvalidQuota> {
        if !is_name(&self.name) {
            return Err(InvalidQuota::Name);
        }
        if self.ipv6_prefix > 128 {
            return Err(InvalidQuota::Ipv6Prefix);
        }
        for (i, (plan, _)) in self.plans.iter().enumerate() {
            if self.plans.iter().take(i).any(|(earlier, _)| earlier == plan) {
                return Err(InvalidQuota::PlanTwice { plan: plan.clone() });
            }
        }
        let plans = self.plans.iter().map(|(plan, rate)| (Some(plan), rate));
        for (plan, rate) in std::iter::once((None, &self.rate)).chain(plans) {
            if self.cost > rate.burst() {
                let (cost, burst) = (self.cost, rate.burst());
                return Err(InvalidQuota::Cost { cost, burst, plan: plan.cloned() });
            }
            if rate.interval().checked_mul(rate.burst().get()).is_none_or(|all| all > LONGEST) {
                return Err(InvalidQuota::TooSlow { plan: plan.cloned() });
            }
        }
        Ok(())
    }

    /// The rate on this plan.
    pub(super) fn rate_on(&self, plan: Option<&str>) -> Rate {
        let of_plan = |plan: &str| self.plans.iter().find(|(name, _)| **name == *plan);
        plan.and_then(of_plan).map_or(self.rate, |(_, rate)| *rate)
    }
}

/// Whether it can stand between the quotes of a string (RFC 9651, section 3.3.3) without escapes.
pub(super) fn is_name(name: &str) -> bool {
    let plain = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    (1..=MAX_NAME_LEN).contains(&name.len()) && name.bytes().all(plain)
}

/// Why a quota cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidQuota {
    /// Its name is not 1 to [`MAX_NAME_LEN`] printable ASCII characters without `"` and `\`.
    Name,
    /// A network of IPv6 has more than 128 bits.
    Ipv6Prefix,
    /// A request costs more than can ever be spent at once.
    Cost {
        /// What a request costs.
        cost: NonZeroU32,
        /// What can be spent at once.
        burst: NonZeroU32,
        /// On which plan, if not on all that are not named.
        plan: Option<Box<str>>,
    },
    /// It takes more than a hundred years until the whole burst is back.
    TooSlow {
        /// On which plan, if not on all that are not named.
        plan: Option<Box<str>>,
    },
    /// It has two rates for one plan.
    PlanTwice {
        /// The plan.
        plan: Box<str>,
    },
    /// The layer has a quota of this name.
    Twice,
    /// The layer has [`MAX_QUOTAS`](super::MAX_QUOTAS).
    TooMany,
}

impl fmt::Display for InvalidQuota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on = |plan: &Option<Box<str>>| match plan {
            Some(plan) => format!(" on plan {plan}"),
            None => String::new(),
        };
        match self {
            Self::Name => write!(
                f,
                r#"a name is 1 to {MAX_NAME_LEN} printable ASCII characters without " and \"#
            ),
            Self::Ipv6Prefix => f.write_str("an IPv6 prefix has at most 128 bits"),
            Self::Cost { cost, burst, plan } => write!(
                f,
                "a request costs {cost}, and no more than {burst} can be spent at once{}",
                on(plan)
            ),
            Self::TooSlow { plan } => {
                write!(f, "it takes more than a hundred years to recover{}", on(plan))
            }
            Self::PlanTwice { plan } => write!(f, "plan {plan} has two rates"),
            Self::Twice => f.write_str("a layer cannot have two quotas of one name"),
            Self::TooMany => write!(f, "a layer has at most {} quotas", super::MAX_QUOTAS),
        }
    }
}

impl std::error::Error for InvalidQuota {}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(units: u32, seconds: u64) -> Rate {
        Rate::per(NonZeroU32::new(units).unwrap(), Duration::from_secs(seconds)).unwrap()
    }

    fn quota() -> Quota {
        Quota::new("q", rate(10, 1))
    }

    #[test]
    fn what_cannot_be() {
        let units = |n| NonZeroU32::new(n).unwrap();
        let century = 100 * 365 * 24 * 3600;
        let pro = || Some("pro".into());
        let table = [
            (quota(), Ok(())),
            (Quota::new("a b-c_1.%,;=", rate(1, 1)), Ok(())),
            (Quota::new("a".repeat(64), rate(1, 1)), Ok(())),
            (Quota::new("a".repeat(65), rate(1, 1)), Err(InvalidQuota::Name)),
            (Quota::new("", rate(1, 1)), Err(InvalidQuota::Name)),
            (Quota::new("a\"", rate(1, 1)), Err(InvalidQuota::Name)),
            (Quota::new("a\\", rate(1, 1)), Err(InvalidQuota::Name)),
            (Quota::new("a\n", rate(1, 1)), Err(InvalidQuota::Name)),
            (Quota::new("é", rate(1, 1)), Err(InvalidQuota::Name)),
            (quota().ipv6_prefix(128), Ok(())),
            (quota().ipv6_prefix(129), Err(InvalidQuota::Ipv6Prefix)),
            (quota().cost(units(10)), Ok(())),
            (
                quota().cost(units(11)),
                Err(InvalidQuota::Cost { cost: units(11), burst: units(10), plan: None }),
            ),
            (
                quota().plan("pro", rate(5, 1)).cost(units(6)),
                Err(InvalidQuota::Cost { cost: units(6), burst: units(5), plan: pro() }),
            ),
            (Quota::new("q", rate(2, century)), Ok(())),
            (Quota::new("q", rate(1, century + 1)), Err(InvalidQuota::TooSlow { plan: None })),
            (
                quota().plan("pro", rate(1, century).with_burst(units(2))),
                Err(InvalidQuota::TooSlow { plan: pro() }),
            ),
            (
                quota().plan("pro", rate(5, 1)).plan("pro", rate(6, 1)),
                Err(InvalidQuota::PlanTwice { plan: "pro".into() }),
            ),
        ];
        for (quota, want) in table {
            assert_eq!(quota.check(), want, "{quota:?}");
        }
    }

    #[test]
    fn rates_by_plan() {
        let quota = quota().plan("pro", rate(100, 1));
        assert_eq!(quota.rate_on(None), rate(10, 1));
        assert_eq!(quota.rate_on(Some("pro")), rate(100, 1));
        assert_eq!(quota.rate_on(Some("unheard-of")), rate(10, 1));
    }
}
