use super::Failure;
use crate::{
    config::Config,
    gateway::Plan,
    metrics::Metrics,
    store::{
        KeyWatch, Store,
        ledger::{Counts, LedgerThread, Operation},
    },
};
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

/// What is kept open of the store. Once opened it stays so, also under a configuration that does not ask for it: requests that
/// began under another one may.
#[derive(Debug, Default)]
pub(super) struct Stores {
    /// Keeps the keys up to date.
    keys: Option<KeyWatch>,
    /// Writes what is asked of the ledger; when it is dropped, to the last of it.
    ledger: Option<LedgerThread>,
}

/// The process's own hold on its stores. When it is dropped they are closed, whoever else may have them: somebody who hangs must not keep
/// the ledger from being written.
#[derive(Debug, Default)]
pub(super) struct OpenStores(pub(super) Arc<Mutex<Stores>>);

impl Drop for OpenStores {
    fn drop(&mut self) {
        let mut stores = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(std::mem::take(&mut *stores));
    }
}

/// Whether a store answers; `None` where it is not used.
pub(super) type Health = Option<Arc<AtomicBool>>;

impl Stores {
    /// Opens what this configuration needs, and gives it to its plan.
    ///
    /// # Errors
    ///
    /// When the store cannot be used.
    pub(super) fn open(&mut self, config: &Config, plan: &mut Plan) -> Result<(), Failure> {
        if self.keys.is_none() {
            self.keys = watch_keys(config, plan)?;
        }
        if self.ledger.is_none() {
            self.ledger = keep_ledger(config, plan)?;
        }
        if let Some(thread) = &self.ledger {
            plan.ledger = thread.ledger();
            plan.usage = Some(thread.usage());
        }
        Ok(())
    }

    /// Of the keys, as far as this configuration uses them.
    pub(super) fn key_health(&self, config: &Config) -> Health {
        self.keys.as_ref().filter(|_| asks_for_keys(config)).map(KeyWatch::health)
    }

    /// Of the ledger, as far as this configuration uses it.
    pub(super) fn ledger_health(&self, config: &Config) -> Health {
        self.ledger.as_ref().filter(|_| config.keeps_books()).map(LedgerThread::health)
    }
}

/// Whether it answers, if it is used at all.
pub(super) fn is_up(health: &Health) -> Option<bool> {
    health.as_ref().map(|healthy| healthy.load(Ordering::Relaxed))
}

fn asks_for_keys(config: &Config) -> bool {
    config.auth_settings().is_some()
}

/// Reads the keys of the store, and follows what becomes of them; where no route asks for a key, nothing is opened.
fn watch_keys(config: &Config, plan: &Plan) -> Result<Option<KeyWatch>, Failure> {
    let Some(store) = config.server.store.as_ref().filter(|_| asks_for_keys(config)) else {
        return Ok(None);
    };
    let url = store.get();
    let watch = KeyWatch::start(url, plan.keys.stored.clone())
        .map_err(|error| Failure::Store { url: url.clone(), error })?;
    if let Ok(plans) = Store::plans(url) {
        for plan in config.unknown_plans(&plans) {
            tracing::warn!(
                plan,
                "keys are on a plan that no limit knows: they have the limits of no plan"
            );
        }
    }
    tracing::info!(store = %url, keys = plan.keys.stored.len(), "keys are loaded");
    Ok(Some(watch))
}

/// Opens the ledger, where a route has a price or tasks.
fn keep_ledger(config: &Config, plan: &Plan) -> Result<Option<LedgerThread>, Failure> {
    let Some(store) = config.server.store.as_ref().filter(|_| config.keeps_books()) else {
        return Ok(None);
    };
    let url = store.get();
    let thread = LedgerThread::start(url, ledger_counts(&plan.process.metrics))
        .map_err(|error| Failure::Store { url: url.clone(), error })?;
    Ok(Some(thread))
}

/// Counts what is written into the ledger.
fn ledger_counts(metrics: &Metrics) -> Counts {
    let operations = Operation::ALL.map(|operation| metrics.ledger(operation.as_str()));
    let held = metrics.held();
    Counts::new(move |operation, amount| {
        operations[operation as usize].increment(1);
        if operation == Operation::Held {
            held.increment(amount.micros().unsigned_abs());
        }
    })
}
