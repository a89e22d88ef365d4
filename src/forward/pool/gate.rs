use super::lock;
use crate::fault::UpstreamFault;
use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};
use tokio::sync::MutexGuard;

/// Lets one attempt to connect through at a time; who waited for one that failed is told so.
#[derive(Debug, Default)]
pub(super) struct Gate {
    turn: tokio::sync::Mutex<()>,
    /// Attempts that have ended.
    attempts: AtomicUsize,
    /// How the last one failed, if it did.
    failure: Mutex<Option<UpstreamFault>>,
}

/// The right to try.
#[derive(Debug)]
pub(super) struct Pass<'g> {
    gate: &'g Gate,
    _turn: MutexGuard<'g, ()>,
}

impl Gate {
    /// Waits for a turn.
    ///
    /// # Errors
    ///
    /// With the failure of an attempt that ended while this one waited: another would only take as long again.
    pub(super) async fn enter(&self) -> Result<Pass<'_>, UpstreamFault> {
        let before = self.attempts.load(Ordering::Acquire);
        let turn = self.turn.lock().await;
        if self.attempts.load(Ordering::Acquire) != before
            && let Some(failure) = lock(&self.failure).clone()
        {
            return Err(failure);
        }
        Ok(Pass { gate: self, _turn: turn })
    }
}

impl Pass<'_> {
    /// The attempt has ended, with a failure or without.
    pub(super) fn leave(self, failure: Option<&UpstreamFault>) {
        *lock(&self.gate.failure) = failure.cloned();
        self.gate.attempts.fetch_add(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Cause, UpstreamKind};

    #[tokio::test]
    async fn who_waits_for_a_failure_fails_with_it() {
        let gate = Gate::default();
        let fault = UpstreamFault::new(UpstreamKind::Unreachable, Cause::Connect);
        let first = gate.enter().await.unwrap();
        let mut waiting = tokio_test::task::spawn(gate.enter());
        tokio_test::assert_pending!(waiting.poll());
        first.leave(Some(&fault));
        assert_eq!(waiting.await.unwrap_err(), fault);
        // Who comes later tries for itself, and who waits for a success goes on.
        let second = gate.enter().await.unwrap();
        let mut waiting = tokio_test::task::spawn(gate.enter());
        tokio_test::assert_pending!(waiting.poll());
        second.leave(None);
        assert!(waiting.await.is_ok());
    }
}
