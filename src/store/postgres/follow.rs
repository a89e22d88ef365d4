use super::{Store, changes::State, url::PostgresUrl};
use crate::store::{
    Missing, StoreError,
    changes::{Changes, Snapshot},
};

/// A database that is followed.
pub(in crate::store) struct Source {
    url: PostgresUrl,
    /// None after a failure.
    open: Option<Open>,
}

struct Open {
    store: Store,
    /// What was there before it was read.
    state: State,
}

impl Source {
    /// Makes the store if there is none.
    pub(in crate::store) fn new(url: PostgresUrl) -> Result<Self, StoreError> {
        Store::open(&url, Missing::Create)?;
        Ok(Self { url, open: None })
    }

    /// Reads what has changed, if anything has.
    ///
    /// A store that is not the one that was opened is read whole. None at all is a failure: a backup is being restored,
    /// and the keys are not to vanish meanwhile.
    pub(in crate::store) fn poll(
        &mut self,
        snapshot: &mut Snapshot,
    ) -> Result<Option<Changes>, StoreError> {
        let Some(open) = &mut self.open else {
            return self.reopen(snapshot).map(Some);
        };
        let state = open.store.state()?;
        if state == open.state {
            return Ok(None);
        }
        if state.identity != open.state.identity {
            snapshot.restart();
        }
        let changes = open.store.changes(snapshot)?;
        open.state = state;
        Ok(Some(changes))
    }

    /// Connects anew and reads everything. Whatever changes in between is noticed with the next poll.
    fn reopen(&mut self, snapshot: &mut Snapshot) -> Result<Changes, StoreError> {
        snapshot.restart();
        let mut store = Store::open(&self.url, Missing::Refuse)?;
        let state = store.state()?;
        let changes = store.changes(snapshot)?;
        self.open = Some(Open { store, state });
        Ok(changes)
    }

    /// Lets go of the connection, until the next poll.
    pub(in crate::store) fn close(&mut self) {
        self.open = None;
    }
}
