use super::{Begun, FirstRequest, IdempotencyStore, Kept, KeyName};
use crate::charge::{LedgerError, Turn};
use std::{
    collections::HashMap,
    future::{Ready, ready},
    sync::{Arc, Mutex, PoisonError},
};

/// Keys in memory, for tests. Clones are the same store.
///
/// It has no clock: nothing is ever forgotten by itself.
#[derive(Clone, Debug, Default)]
pub struct MemoryKeys {
    keys: Arc<Mutex<HashMap<(Box<str>, Box<str>), Known>>>,
}

#[derive(Debug)]
struct Known {
    turn: Turn,
    fingerprint: [u8; 32],
    answer: Option<Kept>,
}

impl IdempotencyStore for MemoryKeys {
    type Beginning = Ready<Result<Begun, LedgerError>>;
    type Ending = Ready<Result<(), LedgerError>>;

    fn begin(&self, request: FirstRequest) -> Self::Beginning {
        let FirstRequest { name, fingerprint, .. } = request;
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let mut first = false;
        let known = keys.entry((name.account, name.key)).or_insert_with(|| {
            first = true;
            Known { turn: name.turn, fingerprint, answer: None }
        });
        ready(Ok(match &known.answer {
            _ if first => Begun::First,
            _ if known.fingerprint != fingerprint => Begun::Reused,
            Some(answer) => Begun::Answered(answer.clone()),
            None => Begun::InUse,
        }))
    }

    fn keep(&self, name: &KeyName, answer: Option<Kept>) -> Self::Ending {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = keys.get_mut(&(name.account.clone(), name.key.clone()))
            && known.turn == name.turn
        {
            known.answer = answer;
        }
        ready(Ok(()))
    }

    fn forget(&self, name: &KeyName) -> Self::Ending {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (name.account.clone(), name.key.clone());
        if keys.get(&place).is_some_and(|known| known.turn == name.turn) {
            keys.remove(&place);
        }
        ready(Ok(()))
    }
}
