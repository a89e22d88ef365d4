//! What the admin listener tells.

use super::stores::{Health, Stores, is_up};
use crate::{
    config::{Config, Secret},
    gateway::Plan,
    server::{
        admin::{Access, Admin, Page},
        tls::Tls,
    },
    signal::Signal,
};
use std::{net::SocketAddr, sync::Arc};

/// The pages about this configuration; `address` is where they are.
pub(super) fn admin(
    config: &Arc<Config>,
    plan: &Arc<Plan>,
    stores: &Stores,
    tls: Option<Arc<Tls>>,
    stopping: &Signal,
    address: Option<SocketAddr>,
) -> Admin {
    let not_ready = Box::new({
        let (plan, stopping, ledger) =
            (plan.clone(), stopping.clone(), stores.ledger_health(config));
        move || not_ready(&plan, &stopping, &ledger)
    });
    let access = access(config.server.admin_token.as_ref(), address);
    Admin { access, not_ready, pages: pages(config, plan, stores, tls) }
}

/// Who may see more than whether the gateway is alive and ready.
fn access(token: Option<&Secret>, address: Option<SocketAddr>) -> Access {
    match token {
        Some(token) => Access::Token(token.expose().into()),
        None if address.is_some_and(|address| !address.ip().is_loopback()) => Access::Nobody,
        None => Access::Anybody,
    }
}

fn not_ready(plan: &Plan, stopping: &Signal, ledger: &Health) -> Vec<String> {
    let reasons = [
        (stopping.has_begun(), "draining"),
        (is_up(ledger) == Some(false), "the store of balances, tasks and keys is away"),
        (plan.counters_refuse(), "the store of limits is away, and a limit refuses without it"),
    ];
    reasons.into_iter().filter(|(is, _)| *is).map(|(_, reason)| reason.to_owned()).collect()
}

fn pages(
    config: &Arc<Config>,
    plan: &Arc<Plan>,
    stores: &Stores,
    tls: Option<Arc<Tls>>,
) -> Vec<Page> {
    let (endpoints, unmatched) = (plan.clone(), plan.clone());
    let effective = config.clone();
    vec![
        Page {
            path: "/metrics",
            // Prometheus' text format, version 0.0.4.
            content_type: "text/plain; version=0.0.4",
            make: metrics(config, plan.clone(), stores, tls),
        },
        Page::json("/endpoints", move || endpoints.endpoints_report()),
        Page::json("/unmatched", move || unmatched.unmatched_report()),
        Page::json("/config", move || effective.effective()),
    ]
}

fn metrics(
    config: &Config,
    plan: Arc<Plan>,
    stores: &Stores,
    tls: Option<Arc<Tls>>,
) -> Box<dyn Fn() -> String + Send + Sync> {
    let stores = [("keys", stores.key_health(config)), ("ledger", stores.ledger_health(config))];
    Box::new(move || {
        for (store, health) in &stores {
            plan.process.metrics.set_store_up(store, is_up(health));
        }
        if let Some(end) = tls.as_ref().and_then(|tls| tls.not_after()) {
            plan.process.metrics.set_certificate_expiry(end);
        }
        plan.measure();
        plan.process.metrics.render()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_see_more() {
        let token: Secret = "a token".parse().unwrap();
        for (address, is_local) in [
            ("127.0.0.1:9", true),
            ("127.1.2.3:9", true),
            ("[::1]:9", true),
            ("0.0.0.0:9", false),
            ("[::]:9", false),
            ("10.0.0.1:9", false),
            ("[fd00::1]:9", false),
        ] {
            let address = Some(address.parse().unwrap());
            assert!(matches!(access(Some(&token), address), Access::Token(_)), "{address:?}");
            let found = access(None, address);
            assert_eq!(matches!(found, Access::Anybody), is_local, "{address:?}");
            assert_eq!(matches!(found, Access::Nobody), !is_local, "{address:?}");
        }
    }
}
