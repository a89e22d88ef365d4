//! The configuration that is in effect, for people to look at: every default filled in, and no secret.
//!
//! What a secret is says its type: none is serialized as what it is. Where a text can be anything, what the environment has
//! put in is left out. Besides, whatever is known to be a secret is looked for everywhere else.
use super::{
    Auth, Body, Callbacks, Charge, Config, ContentEncoding, Credential, Duplicates, Idempotency,
    Limit, Name, Numbers, Ratio, Secret, Setting, Size, Tasks, Timeout, Upstream, Violations,
    check::{mean_nothing, reads_bodies},
    values::REDACTED,
};
use crate::{Catalog, idempotency, tasks, validate};
use serde_json::{Map, Value};
use std::{
    num::{NonZeroU8, NonZeroU32},
    thread::available_parallelism,
};

/// A shorter secret than that is no secret: in other texts it is there by chance.
const SHORTEST: usize = 8;

impl Config {
    /// The configuration that is in effect, in the shape and with the names of the file, every default filled in.
    ///
    /// With its secrets put back it is a configuration that says the same. What is left out: keys whose default is that
    /// there is nothing, and those whose default is no value but depends on a request, an endpoint or the process
    /// (`attempts`, `max_replay_bytes` and `response_headers` of an upstream, `server.via`); keys that would mean nothing
    /// where they stand, such as `body` of a route whose bodies are not read.
    ///
    /// A secret is shown as `[redacted]`, and a variable that an endpoint waits for as `${NAME}`. Of a URL that is only
    /// the password. Where any text can be (`rewrite`, `schema` and `parameters` in place, values of an `edit`, the path
    /// of an endpoint's URL), what the environment has put into the middle is redacted. Digests of keys are shown: they
    /// tell nobody a key, and are what one compares.
    pub fn effective(&self) -> Value {
        // Only a map with keys that are no texts could fail.
        let mut shown = serde_json::to_value(self.clone().completed()).unwrap_or_default();
        let secrets: Vec<&str> =
            self.secrets().into_iter().filter(|secret| secret.len() >= SHORTEST).collect();
        clean(&mut shown, &secrets);
        without_meaningless(&mut shown, self);
        shown
    }

    /// What is said here, and what is meant where nothing is said.
    fn completed(mut self) -> Self {
        self.server.workers = self.server.workers.or(available_parallelism().ok());
        if let Ok(catalog) = Catalog::from_settings(&self.catalog) {
            self.catalog.fields.get_or_insert_with(|| catalog.fields().to_vec());
        }
        self.catalog.preset.get_or_insert_with(|| "default".to_owned());
        for index in 0..self.route.len() {
            let route = &self.route[index];
            let auth = self.auth_of(route);
            let body = reads_bodies(route).then(|| completed_body(route.body.or(self.body)));
            let violations = route.parameters.is_some().then(|| {
                let violations = route.body.violations.or(self.body.violations);
                Body { violations: violations.or(Some(Violations::First)), ..Body::default() }
            });
            let charge = route.price.is_some().then(|| Charge {
                time_limit: Some(self.time_limit(route)),
                ..completed_charge(route.charge.or(self.charge))
            });
            let route = &mut self.route[index];
            route.auth = Some(auth);
            route.body = body.or(violations).unwrap_or_default();
            route.charge = charge.unwrap_or_default();
        }
        // After the routes, whose own default it is.
        self.auth = self.auth_settings().map(|auth| completed_auth(auth.into_owned()));
        self.body = completed_body(self.body);
        self.charge = completed_charge(self.charge);
        self.idempotency = completed_idempotency(self.idempotency);
        self.tasks = completed_tasks(self.tasks);
        self.callbacks = completed_callbacks(self.callbacks);
        if self.traces.endpoint.is_some() {
            self.traces.sample.get_or_insert(Ratio::ALL);
        }
        self.limit.iter_mut().for_each(complete_limit);
        self.upstream.values_mut().for_each(complete_upstream);
        self
    }

    /// Everything that nobody is to see.
    fn secrets(&self) -> Vec<&str> {
        let endpoints = self.upstream.values().flat_map(|upstream| &upstream.endpoint);
        let credentials = endpoints.filter_map(|endpoint| endpoint.credential.as_ref());
        let credentials = credentials.chain(&self.traces.credential);
        let settings = credentials.map(Credential::secret).chain(&self.callbacks.secrets);
        let secrets = settings.filter_map(Setting::get).chain(&self.tasks.seal_keys);
        let mut secrets: Vec<&str> =
            secrets.chain(&self.server.admin_token).map(Secret::expose).collect();
        secrets.extend(self.server.store.as_ref().and_then(|store| store.get().password()));
        secrets.extend(self.server.limits.password());
        // One that begins with another one goes first.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets
    }
}

fn completed_auth(mut auth: Auth) -> Auth {
    for key in &mut auth.key {
        key.id = key.id().parse().ok();
    }
    for certificate in &mut auth.certificate {
        let subject = certificate.subject.as_str();
        certificate.id = certificate.id.take().or_else(|| subject.parse().ok());
    }
    auth
}

fn completed_body(body: Body) -> Body {
    let decodes = body.content_encoding == Some(ContentEncoding::Decode);
    let max_bytes = Size::bytes(body.max_bytes());
    body.or(Body {
        max_bytes: Some(max_bytes),
        timeout: Some(Timeout::of(validate::TIMEOUT)),
        content_encoding: Some(ContentEncoding::Refuse),
        max_decoded_bytes: decodes.then_some(max_bytes),
        max_depth: NonZeroU8::new(64),
        max_values: NonZeroU32::new(100_000),
        duplicates: Some(Duplicates::Refuse),
        numbers: Some(Numbers::Double),
        violations: Some(Violations::First),
    })
}

/// The time depends on the route.
fn completed_charge(charge: Charge) -> Charge {
    charge.or(Charge {
        on_disconnect: Some(Default::default()),
        at_time_limit: Some(Default::default()),
        time_limit: None,
    })
}

fn completed_idempotency(Idempotency { retention, max_bytes }: Idempotency) -> Idempotency {
    Idempotency {
        retention: retention.or(Some(Timeout::of(idempotency::RETENTION))),
        max_bytes: max_bytes.or(Some(Size::bytes(idempotency::MAX_BYTES))),
    }
}

fn completed_tasks(Tasks { retention, seal_keys }: Tasks) -> Tasks {
    Tasks { retention: retention.or(Some(Timeout::of(tasks::RETENTION))), seal_keys }
}

fn completed_callbacks(callbacks: Callbacks) -> Callbacks {
    Callbacks {
        id_field: callbacks.id_field.or(Some(Callbacks::ID_FIELD)),
        timestamp_field: callbacks.timestamp_field.or(Some(Callbacks::TIMESTAMP_FIELD)),
        signature_field: callbacks.signature_field.or(Some(Callbacks::SIGNATURE_FIELD)),
        timeout: callbacks.timeout.or(Some(Callbacks::TIMEOUT)),
        give_up_after: callbacks.give_up_after.or(Some(Callbacks::GIVE_UP_AFTER)),
        max_bytes: callbacks.max_bytes.or(Some(Callbacks::MAX_BYTES)),
        ..callbacks
    }
}

/// As [`Limit::rates`] has it.
fn complete_limit(limit: &mut Limit) {
    let Some(rate) = limit.rate else { return };
    limit.burst.get_or_insert(rate.get().burst());
    for plan in limit.plans.values_mut() {
        match plan.rate {
            Some(own) => _ = plan.burst.get_or_insert(own.get().burst()),
            None => plan.rate = Some(rate),
        }
    }
}

fn complete_upstream(upstream: &mut Upstream) {
    let mut priorities = Vec::with_capacity(upstream.endpoint.len());
    for (place, endpoint) in (1..).zip(&mut upstream.endpoint) {
        if endpoint.name.is_empty() {
            endpoint.name = Name::made(place.to_string());
        }
        priorities.push(*endpoint.priority.get_or_insert(place));
    }
    for endpoint in &mut upstream.endpoint {
        // By itself it has all of them.
        let is_alone =
            priorities.iter().filter(|other| Some(**other) == endpoint.priority).count() == 1;
        endpoint.weight = endpoint.weight.or((!is_alone).then_some(1));
        endpoint.profile.get_or_insert_with(|| upstream.profile.clone());
        endpoint.connect_timeout.get_or_insert(upstream.connect_timeout);
        endpoint.first_byte_timeout = endpoint.first_byte_timeout.or(upstream.first_byte_timeout);
        endpoint.idle_timeout.get_or_insert(upstream.idle_timeout);
    }
}

/// Takes out what is nothing, as TOML has no `null`, and secrets that stand where none should.
fn clean(value: &mut Value, secrets: &[&str]) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(|member| clean(member, secrets));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| clean(item, secrets)),
        Value::String(text) => {
            for secret in secrets {
                if text.contains(secret) {
                    *text = text.replace(secret, REDACTED);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Takes out keys that would mean nothing where they stand.
fn without_meaningless(shown: &mut Value, config: &Config) {
    let tables = |shown: &mut Value, key: &str, each: &dyn Fn(usize, &mut Map<String, Value>)| {
        let tables = shown.get_mut(key).and_then(Value::as_array_mut);
        for (index, table) in tables.into_iter().flatten().enumerate() {
            if let Value::Object(table) = table {
                each(index, table);
            }
        }
    };
    tables(shown, "limit", &|index, limit| {
        if config.limit[index].in_flight.is_some() {
            limit.remove("on_store_failure");
        }
    });
    tables(shown, "route", &|index, route| {
        for key in config.route[index].serve.into_iter().flat_map(mean_nothing) {
            route.remove(key);
        }
        for key in ["body", "charge"] {
            if route.get(key).and_then(Value::as_object).is_some_and(Map::is_empty) {
                route.remove(key);
            }
        }
    });
}
