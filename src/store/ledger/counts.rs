use super::op::{Job, Outcome};
use crate::charge::{Amount, Ended, Reservation};
use std::{fmt, sync::Arc};

/// What has happened to money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Held,
    /// There was too little.
    Insufficient,
    SpendLimit,
    Settled,
    Released,
    /// How the work ended is not known.
    Pending,
    /// A hold has reached its time limit.
    Overdue,
}

impl Operation {
    pub(crate) const ALL: [Self; 7] = [
        Self::Held,
        Self::Insufficient,
        Self::SpendLimit,
        Self::Settled,
        Self::Released,
        Self::Pending,
        Self::Overdue,
    ];

    /// The word in metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Insufficient => "insufficient_balance",
            Self::SpendLimit => "spend_limit",
            Self::Settled => "settled",
            Self::Released => "released",
            Self::Pending => "pending",
            Self::Overdue => "overdue",
        }
    }
}

/// Who counts that.
#[derive(Clone)]
pub(crate) struct Counts(Arc<dyn Fn(Operation, Amount) + Send + Sync>);

impl Counts {
    pub(crate) fn new(count: impl Fn(Operation, Amount) + Send + Sync + 'static) -> Self {
        Self(Arc::new(count))
    }

    pub(super) fn add(&self, operation: Operation, amount: Amount) {
        (self.0)(operation, amount);
    }

    /// What a job has come to, if it was about money.
    pub(super) fn add_outcome(&self, job: &Job, outcome: &Outcome) {
        let (operation, amount) = match (job, outcome) {
            (Job::Hold(new, _), Outcome::Held(reservation)) => match reservation {
                Reservation::Held => (Operation::Held, new.amount),
                Reservation::InsufficientBalance => (Operation::Insufficient, new.amount),
                Reservation::SpendLimitReached => (Operation::SpendLimit, new.amount),
                Reservation::Ended => return,
            },
            (_, Outcome::Ended(ended) | Outcome::TaskEnded(Some(ended))) => match ended {
                Ended::Settled => (Operation::Settled, Amount::ZERO),
                Ended::Released => (Operation::Released, Amount::ZERO),
                Ended::Pending => (Operation::Pending, Amount::ZERO),
                Ended::Unknown => return,
            },
            _ => return,
        };
        self.add(operation, amount);
    }
}

impl Default for Counts {
    fn default() -> Self {
        Self::new(|_, _| {})
    }
}

impl fmt::Debug for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Counts")
    }
}
