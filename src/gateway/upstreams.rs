//! Upstreams, made ready: endpoints that can be called, and what their answers mean.

use super::{
    adapt::Adapt,
    endpoint::{Identity, PlannedEndpoint, Provider},
    plan::{InvalidPlan, PlannedUpstream},
    process::Process,
};
use crate::{
    Fault, certificate,
    classify::Watch,
    config::{self, Config},
    fault::Outcome,
    forward::{
        ClientCertificate, Credential, Endpoint, Http2, InvalidEndpoint, PoolLimits, Roots,
        Timeouts,
    },
    metrics::Metrics,
    profile::{self, InvalidProfile, Profile},
    upstream::{Attempt, AttemptListener, Backoff, Ejection, Settings},
};
use rustls::crypto::ring;
use std::{num::NonZeroU32, path::Path, sync::Arc};

impl PlannedUpstream {
    /// Those that can be called.
    pub(super) fn endpoints(&self) -> &[PlannedEndpoint] {
        match self {
            Self::Configured { endpoints, .. } => endpoints,
            Self::NotConfigured(_) => &[],
        }
    }
}

/// Makes an upstream ready; what is known of its endpoints goes on from `before`. Endpoints of which something is missing are left out;
/// without any the upstream is not configured.
pub(super) fn plan(
    config: &Config,
    name: &str,
    upstream: &config::Upstream,
    process: &Process,
    before: Option<&PlannedUpstream>,
) -> Result<PlannedUpstream, InvalidPlan> {
    let invalid = |error| InvalidPlan::Endpoint { upstream: name.to_owned(), error };
    let invalid_profile = |error| InvalidPlan::Profile { upstream: name.to_owned(), error };
    let via = config.server.via.as_ref().map_or(&*process.via, |via| via.as_str());
    let roots = roots(name, upstream)?;
    let before = before.map_or(&[][..], PlannedUpstream::endpoints);
    let mut endpoints = Vec::new();
    for (place, configured) in (1_u32..).zip(&upstream.endpoint) {
        if configured.missing_variable().is_some() {
            continue;
        }
        let Some(url) = configured.url.get() else { continue };
        let endpoint = endpoint(upstream, configured, &url.to_uri(), via).map_err(invalid)?;
        let endpoint = match upstream.client_pair(configured).filter(|_| url.is_https()) {
            Some(files) => endpoint
                .with_client_certificate(client_certificate(name, files)?)
                .map_err(invalid)?,
            None => endpoint,
        };
        let profile_name = configured.profile.as_ref().unwrap_or(&upstream.profile);
        let profile = profile(config, profile_name).map_err(invalid_profile)?;
        let identity = Identity {
            endpoint,
            roots: roots.clone(),
            ejection: ejection(upstream.ejection),
            profiles: profiles(config, profile_name),
        };
        let label: Arc<str> = format!("{name}/{}", configured.name.as_str()).into();
        let known = before.iter().find(|known| *known.name == *configured.name.as_str());
        let known = known.map(|known| &known.provider);
        let provider = Provider::of(identity, &label, process, known);
        endpoints.push(PlannedEndpoint {
            name: configured.name.as_str().into(),
            provider,
            adapt: (!configured.adapt.is_empty()).then(|| Arc::new(Adapt::new(&configured.adapt))),
            profile: Arc::new(profile),
            priority: configured.priority.unwrap_or(place),
            weight: configured.weight.unwrap_or(1),
            max_bytes: upstream.max_inspect_bytes.get(),
            max_event_bytes: upstream.max_event_bytes.get(),
            heartbeat: upstream.heartbeat.map(config::Timeout::get),
            watch: Watch { unmatched: process.unmatched.clone(), endpoint: label },
            counts: counts(&process.metrics, name, configured.name.as_str()),
        });
    }
    if endpoints.is_empty() {
        let fault = Fault::NotConfigured { upstream: name.to_owned().into() };
        return Ok(PlannedUpstream::NotConfigured(fault));
    }
    Ok(PlannedUpstream::Configured { endpoints, settings: settings(upstream) })
}

/// Whose certificates are trusted.
fn roots(name: &str, upstream: &config::Upstream) -> Result<Roots, InvalidPlan> {
    let Some(path) = &upstream.ca_file else { return Ok(Roots::system()) };
    let upstream = || name.to_owned();
    let certificates = certificate::certificates(path)
        .map_err(|error| InvalidPlan::Roots { upstream: upstream(), error })?;
    Roots::given(certificates)
        .map_err(|error| InvalidPlan::Endpoint { upstream: upstream(), error })
}

/// Counts what becomes of tries at an endpoint.
fn counts(metrics: &Metrics, upstream: &str, endpoint: &str) -> AttemptListener {
    let counters = Outcome::ALL
        .map(|outcome| (outcome, metrics.attempts(upstream, endpoint, outcome.as_str())));
    AttemptListener::new(move |attempt: &Attempt| {
        if let Some((_, counter)) = counters.iter().find(|(known, _)| *known == attempt.outcome) {
            counter.increment(1);
        }
    })
}

fn endpoint(
    upstream: &config::Upstream,
    configured: &config::Endpoint,
    url: &http::Uri,
    via: &str,
) -> Result<Endpoint, InvalidEndpoint> {
    let first_byte = configured.first_byte_timeout.or(upstream.first_byte_timeout);
    let endpoint = Endpoint::new(url)?
        .with_via(via)?
        .with_preserved_host(upstream.preserve_host)
        .with_http2(match upstream.http2 {
            config::Http2::Auto => Http2::Auto,
            config::Http2::Never => Http2::Never,
            config::Http2::Always => Http2::Always,
        })
        .with_timeouts(Timeouts {
            connect: configured.connect_timeout.unwrap_or(upstream.connect_timeout).get(),
            first_byte: first_byte.map(config::Timeout::get),
            idle: configured.idle_timeout.unwrap_or(upstream.idle_timeout).get(),
            total: upstream.timeout.get(),
        })
        .with_pool(PoolLimits {
            max_idle: upstream.max_idle,
            idle_timeout: upstream.pool_idle_timeout.get(),
        });
    let endpoint = match &configured.server_name {
        Some(name) => endpoint.with_server_name(name.as_str())?,
        None => endpoint,
    };
    let credential = configured.credential.as_ref().and_then(config::Credential::header);
    let endpoint = match response_headers(upstream, credential.is_some()) {
        Some(names) => endpoint.with_response_fields(names),
        None => endpoint,
    };
    Ok(match credential {
        Some((name, value)) => endpoint.with_credential(Credential::field(name, value)),
        None => endpoint,
    })
}

/// The header fields that alone pass; `None` for all. What is said behind our own credential was said to us.
fn response_headers(upstream: &config::Upstream, is_ours: bool) -> Option<Vec<String>> {
    match &upstream.response_headers {
        None => is_ours.then(Vec::new),
        Some(names) if names.iter().any(|name| name.as_str() == "*") => None,
        Some(names) => Some(names.iter().map(|name| name.as_str().to_ascii_lowercase()).collect()),
    }
}

/// The profile of this name and those that it extends, as they were written down; presets are not.
fn profiles(config: &Config, name: &str) -> Vec<(String, Option<profile::Settings>)> {
    let mut chain: Vec<(String, Option<profile::Settings>)> = Vec::new();
    let mut next = Some(name);
    while let Some(name) = next.filter(|name| chain.iter().all(|(known, _)| known != name)) {
        let settings = config.profile.get(name);
        chain.push((name.to_owned(), settings.cloned()));
        next = settings.and_then(|settings| settings.extends.as_deref());
    }
    chain
}

/// What the endpoint's answers mean. No credential of ours and no host of a provider, this one or another, reaches a caller.
fn profile(config: &Config, name: &str) -> Result<Profile, InvalidProfile> {
    let profile = Profile::named(name, &config.profile)?;
    let endpoints = || config.upstream.values().flat_map(|upstream| &upstream.endpoint);
    let uris: Vec<http::Uri> =
        endpoints().filter_map(|endpoint| Some(endpoint.url.get()?.to_uri())).collect();
    let names = endpoints().filter_map(|endpoint| Some(endpoint.server_name.as_ref()?.as_str()));
    let hosts = uris.iter().filter_map(http::Uri::host).chain(names);
    let secrets = endpoints().filter_map(|endpoint| endpoint.credential.as_ref()?.secret().get());
    Ok(profile.redact(hosts.chain(secrets.map(config::Secret::expose))))
}

fn settings(upstream: &config::Upstream) -> Settings {
    let deadline_header = upstream.deadline_header.as_ref();
    let default = Settings::default();
    Settings {
        timeout: upstream.timeout.get(),
        attempts: upstream.attempts.map(NonZeroU32::get),
        retry_percent: upstream.retry_percent,
        backoff: Backoff { base: upstream.backoff.get(), longest: upstream.max_backoff.get() },
        ejection: ejection(upstream.ejection),
        max_replay_bytes: upstream
            .max_replay_bytes
            .map_or(default.max_replay_bytes, config::Size::get),
        deadline_header: deadline_header.map(|name| name.get().clone()),
        ..default
    }
}

fn ejection(configured: config::Ejection) -> Ejection {
    Ejection {
        failures: configured.failures.get(),
        percent: configured.percent,
        window: configured.window.get(),
        base: configured.base.get(),
        longest: configured.longest.get(),
        all: configured.all,
    }
}

/// What an upstream is shown, out of these files of the certificate and its key.
fn client_certificate(
    upstream: &str,
    (certificate, key): (&Path, &Path),
) -> Result<ClientCertificate, InvalidPlan> {
    certificate::read_pair(certificate, key, &ring::default_provider())
        .map(|pair| pair.certified.into())
        .map_err(|mistakes| InvalidPlan::ClientCertificate {
            upstream: upstream.to_owned(),
            mistakes,
        })
}
