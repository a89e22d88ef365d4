//! An endpoint as all workers know it, and what of that goes on when the configuration changes.

use super::{adapt::Adapt, process::Process, provider::UploadBody};
use crate::{
    classify::Watch,
    forward::{Endpoint, Forward, Roots},
    profile::{self, Profile},
    upstream::{AttemptListener, Ejection, Health, ReplayBody},
};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// An endpoint of an upstream.
#[derive(Clone, Debug)]
pub(super) struct PlannedEndpoint {
    pub(super) name: Arc<str>,
    pub(super) provider: Provider,
    /// What it wants otherwise, if anything.
    pub(super) adapt: Option<Arc<Adapt>>,
    pub(super) profile: Arc<Profile>,
    pub(super) priority: u32,
    pub(super) weight: u32,
    pub(super) max_bytes: usize,
    pub(super) max_event_bytes: usize,
    pub(super) heartbeat: Option<Duration>,
    pub(super) watch: Watch,
    /// Counts tries.
    pub(super) counts: AttemptListener,
}

type Calls = Forward<ReplayBody<UploadBody>>;

/// Who is behind an endpoint, and what is known of it.
#[derive(Clone, Debug)]
pub(super) struct Provider {
    identity: Arc<Identity>,
    /// How it is: known to all workers.
    health: Health,
    /// Each worker's, with connections of its own.
    forwards: Arc<[Calls]>,
}

/// What makes it the same provider in another configuration: then what is known of it goes on, and so do connections.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) endpoint: Endpoint,
    pub(super) roots: Roots,
    pub(super) ejection: Ejection,
    /// What its answers mean, as it was written down: its profile and those that this one extends.
    pub(super) profiles: Vec<(String, Option<profile::Settings>)>,
}

impl Identity {
    fn is_same(&self, other: &Self) -> bool {
        let Self { endpoint, roots, ejection, profiles } = self;
        (endpoint, ejection, profiles) == (&other.endpoint, &other.ejection, &other.profiles)
            && roots.are_same(&other.roots)
    }
}

impl PlannedEndpoint {
    /// How it is.
    pub(super) fn health(&self) -> &Health {
        &self.provider.health
    }

    /// What calls it for the worker with this number, or with connections of its own.
    pub(super) fn forward(&self, worker: Option<usize>) -> Calls {
        let Provider { identity, forwards, .. } = &self.provider;
        let own = || Forward::with_roots(identity.endpoint.clone(), &identity.roots);
        worker.and_then(|number| forwards.get(number)).map_or_else(own, Forward::clone)
    }
}

impl Provider {
    /// The one that was `known` as this endpoint, if it is the same, and else one of which nothing is known.
    pub(super) fn of(
        identity: Identity,
        label: &Arc<str>,
        process: &Process,
        known: Option<&Self>,
    ) -> Self {
        if let Some(known) = known.filter(|known| known.identity.is_same(&identity)) {
            return known.clone();
        }
        let forward = |_| Forward::with_roots(identity.endpoint.clone(), &identity.roots);
        Self {
            health: Health::new(label.clone(), identity.ejection, Instant::now()),
            forwards: process.workers.iter().map(forward).collect(),
            identity: Arc::new(identity),
        }
    }
}
