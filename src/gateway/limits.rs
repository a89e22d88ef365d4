use crate::{
    config::{Config, Limit, LimitKey, LimitUse, RateLimitHeaders, Route},
    limit::{Headers, InFlightQuota, InvalidQuota, Key, Quota},
};

/// The limits of one route, by where in its stack they stand.
#[derive(Clone, Debug, Default)]
pub(super) struct RouteLimits {
    /// Before the credential: guessing is limited too.
    pub(super) before: Vec<Quota>,
    /// Behind it: counted by whose it is.
    pub(super) after: Vec<Quota>,
    pub(super) in_flight: Vec<InFlightQuota>,
}

impl RouteLimits {
    /// Those that the route names; names that nothing has were refused with the configuration.
    pub(super) fn new(config: &Config, route: &Route) -> Result<Self, (String, InvalidQuota)> {
        let mut limits = Self::default();
        for used in &route.limits {
            let known = |limit: &&Limit| limit.name.as_str() == used.name;
            let Some(limit) = config.limit.iter().find(known) else { continue };
            let key = key_of(limit, route);
            if let Some(quota) = in_flight(limit, key.clone()) {
                limits.in_flight.push(quota);
            }
            if let Some(quota) = rated(limit, used, key) {
                quota.check().map_err(|error| (used.name.clone(), error))?;
                match limit.key {
                    LimitKey::Principal | LimitKey::Account => limits.after.push(quota),
                    LimitKey::Address | LimitKey::Route | LimitKey::Header(_) => {
                        limits.before.push(quota);
                    }
                }
            }
        }
        Ok(limits)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.before.is_empty() && self.after.is_empty() && self.in_flight.is_empty()
    }
}

fn key_of(limit: &Limit, route: &Route) -> Key {
    match &limit.key {
        LimitKey::Address => Key::Address,
        LimitKey::Principal => Key::Principal,
        LimitKey::Account => Key::Account,
        LimitKey::Route => Key::route(route.name.as_str()),
        LimitKey::Header(name) => Key::Header(name.clone()),
    }
}

fn rated(limit: &Limit, used: &LimitUse, key: Key) -> Option<Quota> {
    let mut rates = limit.rates();
    let (_, own) = rates.next()?;
    let quota = Quota::new(limit.name.as_str(), own).key(key).cost(used.cost);
    Some(rates.fold(quota, |quota, (plan, rate)| match plan {
        Some(plan) => quota.plan(plan, rate),
        None => quota,
    }))
}

fn in_flight(limit: &Limit, key: Key) -> Option<InFlightQuota> {
    let mut numbers = limit.in_flights();
    let (_, own) = numbers.next()?;
    let quota = InFlightQuota::new(limit.name.as_str(), own).key(key);
    Some(numbers.fold(quota, |quota, (plan, most)| match plan {
        Some(plan) => quota.plan(plan, most),
        None => quota,
    }))
}

/// Which header fields tell callers about their limits.
pub(super) fn headers(configured: RateLimitHeaders) -> Headers {
    match configured {
        RateLimitHeaders::None => Headers::None,
        RateLimitHeaders::Standard => Headers::Standard,
        RateLimitHeaders::Legacy => Headers::Legacy,
        RateLimitHeaders::Both => Headers::Both,
    }
}
