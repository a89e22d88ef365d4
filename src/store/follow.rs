use super::{
    Store, StoreError,
    sqlite::{Changes, Identity, Missing, Snapshot},
};
use crate::auth::KeyTable;
use std::path::PathBuf;

/// A store, and how far it was read into the table.
pub(super) struct Follower {
    path: PathBuf,
    table: KeyTable,
    snapshot: Snapshot,
    /// None after a failure.
    pub(super) open: Option<Open>,
}

pub(super) struct Open {
    store: Store,
    identity: Identity,
    /// The version of its data that was read.
    version: i64,
}

impl Follower {
    /// Opens a store and reads all of it.
    pub(super) fn open(path: PathBuf, table: KeyTable) -> Result<Self, StoreError> {
        Store::open_path(&path, Missing::Create)?;
        let mut follower = Self { path, table, snapshot: Snapshot::default(), open: None };
        follower.reopen(Identity::of(&follower.path)?)?;
        Ok(follower)
    }

    /// How many keys there are.
    pub(super) fn keys(&self) -> usize {
        self.table.len()
    }

    /// Reads what has changed, if anything has.
    ///
    /// A file in the place of the one that was opened is read whole. No file there, or an empty one, is a failure:
    /// it is being replaced, and the keys are not to vanish meanwhile.
    pub(super) fn poll(&mut self) -> Result<(), StoreError> {
        let polled = self.try_poll();
        if polled.is_err() {
            self.open = None;
        }
        polled
    }

    fn try_poll(&mut self) -> Result<(), StoreError> {
        let there = Identity::of(&self.path)?;
        match &mut self.open {
            Some(open) if open.identity == there => {
                let version = open.store.data_version()?;
                if version != open.version {
                    apply(&mut open.store, &mut self.snapshot, &self.table)?;
                    open.version = version;
                }
                Ok(())
            }
            _ => self.reopen(there),
        }
    }

    /// Opens the file that was there when it was looked at, and reads all of it. Whatever changes in between is
    /// noticed with the next poll.
    fn reopen(&mut self, identity: Identity) -> Result<(), StoreError> {
        self.open = None;
        self.snapshot.restart();
        let mut store = Store::open_path(&self.path, Missing::Refuse)?;
        let version = store.data_version()?;
        apply(&mut store, &mut self.snapshot, &self.table)?;
        self.open = Some(Open { store, identity, version });
        Ok(())
    }
}

fn apply(store: &mut Store, snapshot: &mut Snapshot, table: &KeyTable) -> Result<(), StoreError> {
    match store.changes(snapshot)? {
        Changes::All(keys) => table.replace_all(keys),
        Changes::Some(keys) => table.apply(keys),
    }
    Ok(())
}
