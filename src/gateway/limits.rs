use crate::{
    config::{AuthMode, Config, Limit, LimitKey, LimitUse, RateLimitHeaders, Route},
    limit::{Headers, InFlightLimitLayer, InvalidQuota, Key, Quota, RateLimitLayer},
};
use std::collections::HashMap;

/// The limits of one route, by where in its stack they stand.
///
/// Where they are counted is each worker's to say.
#[derive(Clone, Debug)]
pub(super) struct RouteLimits {
    /// Before the credential: guessing is limited too.
    pub(super) before: RateLimitLayer<()>,
    /// Behind it: counted by whose it is.
    pub(super) after: RateLimitLayer<()>,
    /// How many at once, on each side; one of a sort that nothing limits where the route has none.
    pub(super) before_at_once: InFlightLimitLayer,
    pub(super) after_at_once: InFlightLimitLayer,
    /// What they are called, on each side.
    pub(super) names: [Vec<String>; 2],
}

impl RouteLimits {
    /// Those that the route names; names that nothing has were refused with the configuration.
    pub(super) fn new(
        config: &Config,
        route: &Route,
        in_flight: &InFlightLimits,
    ) -> Result<Self, (String, InvalidQuota)> {
        let none = RateLimitLayer::new(()).headers(headers(config.server.rate_limit_headers));
        let (mut before, mut after) = (none.clone(), none);
        let (mut before_at_once, mut after_at_once) = (unlimited(), unlimited());
        let mut names = [Vec::new(), Vec::new()];
        for used in &route.limits {
            let known = |limit: &&Limit| limit.name.as_str() == used.name;
            let Some(limit) = config.limit.iter().find(known) else { continue };
            let key = key_of(limit, route);
            let is_before = !matches!(limit.key, LimitKey::Principal | LimitKey::Account);
            names[usize::from(!is_before)].push(limit.name.as_str().to_owned());
            if let Some(layer) = in_flight.get(limit.name.as_str()) {
                let place = if is_before { &mut before_at_once } else { &mut after_at_once };
                *place = layer.clone().key(key.clone());
            }
            if let Some(quota) = rated(limit, used, key) {
                let invalid = |error| (used.name.clone(), error);
                if is_before {
                    before = before.quota(quota).map_err(invalid)?;
                } else {
                    after = after.quota(quota).map_err(invalid)?;
                }
            }
        }
        Ok(Self { before, after, before_at_once, after_at_once, names })
    }
}

/// Whether anything is counted by address, or would be where a caller need not say who it is.
pub(super) fn ask_for_client(config: &Config) -> bool {
    let by_address = |used: &LimitUse, anonymous: bool| {
        let limit = config.limit.iter().find(|limit| limit.name.as_str() == used.name);
        limit.is_some_and(|limit| match limit.key {
            LimitKey::Address => true,
            LimitKey::Principal | LimitKey::Account => anonymous,
            LimitKey::Route | LimitKey::Header(_) => false,
        })
    };
    config.route.iter().any(|route| {
        let anonymous = config.auth_of(route) != AuthMode::Required;
        route.limits.iter().any(|used| by_address(used, anonymous))
    })
}

/// In the place of a limit that a route does not have.
fn unlimited() -> InFlightLimitLayer {
    InFlightLimitLayer::default().enabled(false)
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

/// The limits of requests at a time, by name. Each is one, whichever routes share it.
#[derive(Clone, Debug)]
pub(super) struct InFlightLimits(HashMap<String, (LimitKey, InFlightLimitLayer)>);

impl InFlightLimits {
    /// Those of a configuration. Where the one `before` has counted the same, what runs since then counts.
    pub(super) fn new(
        config: &Config,
        before: Option<&Self>,
    ) -> Result<Self, (String, InvalidQuota)> {
        let mut layers = HashMap::new();
        for limit in &config.limit {
            let mut numbers = limit.in_flights();
            let Some((_, own)) = numbers.next() else { continue };
            let name = limit.name.as_str();
            let layer =
                InFlightLimitLayer::new(name, own).map_err(|error| (name.to_owned(), error))?;
            let plans = numbers.filter_map(|(plan, most)| Some((plan?, most)));
            let mut layer = plans.fold(layer, |layer, (plan, most)| layer.plan(plan, most));
            match before.and_then(|before| before.0.get(name)) {
                Some((key, before)) if *key == limit.key => layer = layer.together_with(before),
                _ => {}
            }
            layers.insert(name.to_owned(), (limit.key.clone(), layer));
        }
        Ok(Self(layers))
    }

    fn get(&self, name: &str) -> Option<&InFlightLimitLayer> {
        self.0.get(name).map(|(_, layer)| layer)
    }
}

/// Which header fields tell callers about their limits.
fn headers(configured: RateLimitHeaders) -> Headers {
    match configured {
        RateLimitHeaders::None => Headers::None,
        RateLimitHeaders::Standard => Headers::Standard,
        RateLimitHeaders::Legacy => Headers::Legacy,
        RateLimitHeaders::Both => Headers::Both,
    }
}
