//! `[[limit]]`, and what routes make of them.
use super::{Checker, known_names};
use crate::config::{AuthMode, Config, Limit, LimitKey, Route, tree::KeyPath};
use crate::limit::{MAX_QUOTAS, Quota};
use std::collections::{HashMap, HashSet, hash_map::Entry};

impl Checker<'_, '_> {
    pub(super) fn limits(&mut self, config: &Config) {
        let path = KeyPath::default().key("limit");
        let mut seen: HashMap<&str, KeyPath> = HashMap::new();
        for (limit, index) in config.limit.iter().zip(self.live(&path)) {
            let place = path.index(index);
            if let Some(other) = seen.insert(limit.name.as_str(), place.clone()) {
                self.error(&place.key("name"), format!("the same name as that of {other}"), None);
            }
            if self.is_readable(&place) {
                self.numbers(limit, &place);
                self.counted_by(config, limit, &place);
            }
        }
        let used: HashSet<&str> = config
            .route
            .iter()
            .flat_map(|route| route.limits.iter().map(|limit| limit.name.as_str()))
            .collect();
        let all_routes = self.is_readable(&KeyPath::default().key("route"));
        for (limit, index) in config.limit.iter().zip(self.live(&path)) {
            if all_routes && !used.contains(limit.name.as_str()) {
                self.warning(&path.index(index), "no route names this limit in its `limits`");
            }
        }
    }

    /// Either a rate or a number of requests at a time, and plans of the same sort.
    fn numbers(&mut self, limit: &Limit, place: &KeyPath) {
        let in_flight = match (limit.rate, limit.in_flight) {
            (Some(_), None) => false,
            (None, Some(_)) => true,
            (None, None) => {
                let help = "write `rate = \"100/s\"` or `in_flight = 10`".to_owned();
                return self.error(place, "a limit needs a number", Some(help));
            }
            (Some(_), Some(_)) => {
                let help = "write two limits, and both names in the route's `limits`".to_owned();
                return self.error(&place.key("in_flight"), "cannot go with `rate`", Some(help));
            }
        };
        if in_flight {
            for key in ["burst", "on_store_failure"] {
                if self.root.at(&place.key(key)).is_some() {
                    self.error(&place.key(key), "means nothing with `in_flight`", None);
                }
            }
        }
        if !in_flight {
            self.rates(limit, place);
        }
        for (name, plan) in &limit.plans {
            let place = place.key("plans").key(name);
            let (wrong, right) = match in_flight {
                true => (plan.rate.is_some() || plan.burst.is_some(), plan.in_flight.is_some()),
                false => (plan.in_flight.is_some(), plan.rate.is_some() || plan.burst.is_some()),
            };
            let wanted = if in_flight { "`in_flight`" } else { "`rate`, `burst` or both" };
            if wrong || !right {
                self.error(&place, format!("expected {wanted}, as in the limit itself"), None);
            }
        }
    }

    /// Each rate, the limit's own and those of its plans, can be kept.
    fn rates(&mut self, limit: &Limit, place: &KeyPath) {
        for (plan, rate) in limit.rates() {
            let Err(invalid) = Quota::new(limit.name.as_str(), rate).check() else { continue };
            let place = plan.map_or(place.clone(), |plan| place.key("plans").key(plan));
            // A rate's own burst is back within its time: only one that is written can be too large.
            self.error(&place.key("burst"), invalid.to_string(), None);
        }
    }

    /// Only who is known has a plan; and nobody chooses by which value of a header they are counted.
    fn counted_by(&mut self, config: &Config, limit: &Limit, place: &KeyPath) {
        if !limit.plans.is_empty() && !is_of_principal(&limit.key) {
            let message = "only limits that are counted by principal or account have plans";
            self.error(&place.key("plans"), message, None);
        }
        let (LimitKey::Header(name), Some(auth)) = (&limit.key, &config.auth) else { return };
        if auth.forward.names().any(|ours| ours == name) {
            let message = "`auth.forward` sets this header later: here it is what the client chose";
            let help = "count by `principal` or `account`".to_owned();
            self.error(&place.key("key"), message, Some(help));
        }
    }

    /// The limits that a route names.
    pub(super) fn limits_of(&mut self, config: &Config, route: &Route, place: &KeyPath) {
        let path = place.key("limits");
        if !self.is_readable(&path) {
            return;
        }
        if route.limits.len() > MAX_QUOTAS {
            self.error(&path, format!("a route has at most {MAX_QUOTAS} limits"), None);
        }
        let (mut seen, mut at_once) = (HashSet::new(), HashMap::new());
        for (i, used) in route.limits.iter().enumerate() {
            let place = path.index(i);
            let is_new = seen.insert(&used.name);
            if !is_new {
                self.error(&place, "this limit is there twice", None);
            }
            match config.limit.iter().find(|limit| limit.name.as_str() == used.name) {
                Some(limit) => {
                    self.fits(config, route, limit, used.cost.get(), &place);
                    if is_new && limit.in_flight.is_some() {
                        self.only_one_of_its_sort(limit, &mut at_once, &place);
                    }
                }
                None if self.is_readable(&KeyPath::default().key("limit")) && !self.damaged => {
                    let names: Vec<&str> =
                        config.limit.iter().map(|limit| limit.name.as_str()).collect();
                    let none = "write a table [[limit]] with this `name`";
                    let help = known_names(&used.name, &names, none);
                    self.error(&place, "there is no limit of this name", Some(help));
                }
                None => {}
            }
        }
    }

    fn fits(&mut self, config: &Config, route: &Route, limit: &Limit, cost: u32, place: &KeyPath) {
        if is_of_principal(&limit.key) && config.auth_of(route) == AuthMode::None {
            let help = "count it by address, or set `auth = \"required\"`".to_owned();
            let message = format!("counted by {}, and this route asks for no key", limit.key);
            self.error(place, message, Some(help));
        }
        if limit.in_flight.is_some() && cost != 1 {
            self.error(place, "a limit of requests at a time has no `cost`", None);
        }
        let smallest = limit.rates().map(|(_, rate)| rate.burst().get()).min();
        if let Some(burst) = smallest.filter(|burst| *burst < cost) {
            let message = format!("a cost above the burst of {burst} would never be admitted");
            self.error(place, message, None);
        }
    }

    /// Requests at a time are counted in two places: before a route looks at the key, and behind that.
    fn only_one_of_its_sort<'c>(
        &mut self,
        limit: &'c Limit,
        seen: &mut HashMap<&'static str, &'c str>,
        place: &KeyPath,
    ) {
        let sort = match is_of_principal(&limit.key) {
            true => "principal or account",
            false => "address, route or header",
        };
        match seen.entry(sort) {
            Entry::Vacant(entry) => _ = entry.insert(limit.name.as_str()),
            Entry::Occupied(first) => {
                let first = first.get();
                let message =
                    format!("a second limit of requests at a time by {sort}, beside `{first}`");
                let help = "a route has one `in_flight` by address, route or header, and one by principal or account";
                self.error(place, message, Some(help.to_owned()));
            }
        }
    }
}

fn is_of_principal(key: &LimitKey) -> bool {
    matches!(key, LimitKey::Principal | LimitKey::Account)
}
