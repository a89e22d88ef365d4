use super::{Store, open::Identity};
use crate::store::{
    Missing, StoreError,
    changes::{Changes, Snapshot},
};
use std::path::PathBuf;

/// A file that is followed.
pub(in crate::store) struct Source {
    path: PathBuf,
    /// None after a failure.
    open: Option<Open>,
}

struct Open {
    store: Store,
    identity: Identity,
    /// The version of its data that was read.
    version: i64,
}

impl Source {
    /// Makes the file if there is none.
    pub(in crate::store) fn new(path: PathBuf) -> Result<Self, StoreError> {
        Store::open_path(&path, Missing::Create)?;
        Ok(Self { path, open: None })
    }

    /// Reads what has changed, if anything has.
    ///
    /// A file in the place of the one that was opened is read whole. No file there, or an empty one, is a failure:
    /// it is being replaced, and the keys are not to vanish meanwhile.
    pub(in crate::store) fn poll(
        &mut self,
        snapshot: &mut Snapshot,
    ) -> Result<Option<Changes>, StoreError> {
        let there = Identity::of(&self.path)?;
        match &mut self.open {
            Some(open) if open.identity == there && !open.store.is_read_only() => {
                let version = open.store.data_version()?;
                if version == open.version {
                    return Ok(None);
                }
                let changes = open.store.changes(snapshot)?;
                open.version = version;
                Ok(Some(changes))
            }
            _ => self.reopen(there, snapshot).map(Some),
        }
    }

    /// Opens the file that was there when it was looked at, and reads all of it. Whatever changes in between is
    /// noticed with the next poll.
    fn reopen(
        &mut self,
        identity: Identity,
        snapshot: &mut Snapshot,
    ) -> Result<Changes, StoreError> {
        self.open = None;
        snapshot.restart();
        let mut store = Store::open_path(&self.path, Missing::Refuse)?;
        let version = store.data_version()?;
        let changes = store.changes(snapshot)?;
        self.open = Some(Open { store, identity, version });
        Ok(changes)
    }

    /// Lets go of the file, until the next poll.
    pub(in crate::store) fn close(&mut self) {
        self.open = None;
    }
}
