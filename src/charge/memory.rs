use super::{Amount, End, Ended, HoldId, Ledger, LedgerError, NewHold, Reservation};
use std::{
    collections::HashMap,
    future::{Ready, ready},
    sync::{Arc, Mutex, PoisonError},
};

/// Accounts in memory: for tests, and for credit that may be lost with the process. Clones are the same ledger.
///
/// It has no clock: a hold that nobody ends stays, whatever its time limit.
#[derive(Clone, Debug, Default)]
pub struct MemoryLedger {
    books: Arc<Mutex<Books>>,
}

#[derive(Debug, Default)]
struct Books {
    balances: HashMap<Box<str>, Amount>,
    holds: HashMap<HoldId, Held>,
}

#[derive(Debug)]
struct Held {
    account: Box<str>,
    amount: Amount,
    state: Ended,
}

impl MemoryLedger {
    /// Without any account.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives an account that much more, and opens it if there is none.
    pub fn add(&self, account: &str, amount: Amount) {
        self.with(|books| {
            let balance = books.balances.entry(account.into()).or_default();
            *balance = Amount::from_micros(balance.micros().saturating_add(amount.micros()));
        });
    }

    /// What an account can spend: what is reserved is not in it.
    pub fn balance(&self, account: &str) -> Amount {
        self.with(|books| books.balances.get(account).copied().unwrap_or_default())
    }

    /// What became of a hold so far.
    pub fn state(&self, id: HoldId) -> Ended {
        self.with(|books| books.holds.get(&id).map_or(Ended::Unknown, |held| held.state))
    }

    /// How much is reserved, of all accounts.
    pub fn reserved(&self) -> Amount {
        self.with(|books| {
            let open = books.holds.values().filter(|held| held.state == Ended::Pending);
            open.fold(Amount::ZERO, |sum, held| sum + held.amount)
        })
    }

    fn with<T>(&self, look: impl FnOnce(&mut Books) -> T) -> T {
        // Nothing in here panics between two changes that belong together.
        look(&mut self.books.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Books {
    fn hold(&mut self, hold: &NewHold) -> Reservation {
        if let Some(there) = self.holds.get(&hold.id) {
            return match there.state {
                Ended::Pending => Reservation::Held,
                _ => Reservation::Ended,
            };
        }
        let account = hold.principal.account();
        let Some(balance) = self.balances.get_mut(account).filter(|has| **has >= hold.amount)
        else {
            return Reservation::InsufficientBalance;
        };
        *balance = *balance + -hold.amount;
        let held = Held { account: account.into(), amount: hold.amount, state: Ended::Pending };
        self.holds.insert(hold.id, held);
        Reservation::Held
    }

    fn end(&mut self, id: HoldId, end: End) -> Ended {
        let Some(held) = self.holds.get_mut(&id) else { return Ended::Unknown };
        if held.state == Ended::Pending {
            held.state = match end {
                End::Settle => Ended::Settled,
                End::Release => Ended::Released,
                End::Pend => Ended::Pending,
            };
            if held.state == Ended::Released {
                let balance = self.balances.entry(held.account.clone()).or_default();
                *balance = *balance + held.amount;
            }
        }
        held.state
    }
}

impl Ledger for MemoryLedger {
    type Holding = Ready<Result<Reservation, LedgerError>>;
    type Ending = Ready<Result<Ended, LedgerError>>;

    fn hold(&self, hold: NewHold) -> Self::Holding {
        ready(Ok(self.with(|books| books.hold(&hold))))
    }

    fn end(&self, id: HoldId, end: End) -> Self::Ending {
        ready(Ok(self.with(|books| books.end(id, end))))
    }
}
