use crate::limit::{Demand, Demands, Level, Levels, MAX_QUOTAS, OnStoreFailure};
use arrayvec::ArrayVec;
use std::{collections::HashMap, sync::Arc};

/// Each quota's policy. What is not named is [`OnStoreFailure::Closed`].
pub(super) type Policies = HashMap<Arc<str>, OnStoreFailure>;

/// What to answer instead of the store.
#[derive(Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "it is taken apart where it is made")]
pub(super) enum Fallback {
    /// That there is no answer.
    Refuse,
    /// That all is well.
    Admit(Levels),
    /// What the counters in memory say about some of the demands.
    Count(Demands, Places),
}

/// All levels, and which of them are counted in memory.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Places {
    levels: Levels,
    local: ArrayVec<usize, MAX_QUOTAS>,
}

pub(super) fn fallback(demands: Demands, policies: &Policies) -> Fallback {
    let levels = demands.iter().map(untouched).collect();
    let mut places = Places { levels, local: ArrayVec::new() };
    let mut counted = Demands::new();
    for (place, demand) in demands.into_iter().enumerate() {
        match policies.get(&demand.quota).copied().unwrap_or_default() {
            OnStoreFailure::Closed => return Fallback::Refuse,
            OnStoreFailure::Open => {}
            OnStoreFailure::Local => {
                places.local.push(place);
                counted.push(demand);
            }
        }
    }
    match counted.is_empty() {
        true => Fallback::Admit(places.levels),
        false => Fallback::Count(counted, places),
    }
}

impl Places {
    /// All levels, with those that were counted.
    pub(super) fn fill(mut self, counted: Levels) -> Levels {
        for (place, level) in self.local.into_iter().zip(counted) {
            self.levels[place] = level;
        }
        self.levels
    }
}

/// How a quota stands that nobody counts.
fn untouched(demand: &Demand) -> Level {
    Level { remaining: demand.rate.burst().get(), ..Level::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::Rate;
    use std::{num::NonZeroU32, time::Duration};

    const ONE: NonZeroU32 = NonZeroU32::MIN;

    fn demands(quotas: &[&str]) -> Demands {
        let rate = Rate::per(NonZeroU32::new(5).unwrap(), Duration::from_secs(1)).unwrap();
        quotas
            .iter()
            .map(|quota| Demand { quota: (*quota).into(), rate, bucket: 0, cost: ONE })
            .collect()
    }

    fn policies() -> Policies {
        Policies::from([
            ("open".into(), OnStoreFailure::Open),
            ("local".into(), OnStoreFailure::Local),
            ("local2".into(), OnStoreFailure::Local),
        ])
    }

    #[test]
    fn the_strictest_policy_of_a_request_counts() {
        let table: [(&[&str], Option<&[&str]>); 7] = [
            (&["closed"], None),
            (&["open", "closed"], None),
            (&["local", "open", "closed"], None),
            (&["open"], Some(&[])),
            (&[], Some(&[])),
            (&["open", "local"], Some(&["local"])),
            (&["local2", "open", "local"], Some(&["local2", "local"])),
        ];
        for (quotas, counted) in table {
            let answer = match fallback(demands(quotas), &policies()) {
                Fallback::Refuse => None,
                Fallback::Admit(levels) => {
                    assert_eq!(levels.len(), quotas.len());
                    Some(Demands::new())
                }
                Fallback::Count(demands, _) => Some(demands),
            };
            assert_eq!(answer, counted.map(demands), "{quotas:?}");
        }
    }

    #[test]
    fn levels_keep_the_order_of_the_demands() {
        let Fallback::Count(_, places) =
            fallback(demands(&["local2", "open", "local"]), &policies())
        else {
            panic!("two are counted");
        };
        let counted = [1, 2].map(|remaining| Level { remaining, ..Level::default() });
        let remaining: Vec<_> = places
            .fill(counted.into_iter().collect())
            .iter()
            .map(|level| level.remaining)
            .collect();
        assert_eq!(remaining, [1, 5, 2]);
    }
}
