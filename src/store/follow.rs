#[cfg(feature = "postgres")]
use super::postgres;
use super::{
    StoreError, StoreUrl,
    changes::{Changes, Snapshot},
    sqlite,
};
use crate::auth::KeyTable;

/// A store, and how far it was read into the table.
pub(super) struct Follower {
    source: Source,
    table: KeyTable,
    snapshot: Snapshot,
}

/// Where changes come from.
enum Source {
    Sqlite(sqlite::Source),
    #[cfg(feature = "postgres")]
    Postgres(postgres::Source),
}

impl Follower {
    /// Opens a store, making it if there is none, and reads all of it.
    pub(super) fn open(url: &StoreUrl, table: KeyTable) -> Result<Self, StoreError> {
        let source = match url {
            StoreUrl::Sqlite(path) => Source::Sqlite(sqlite::Source::new(path.clone())?),
            #[cfg(feature = "postgres")]
            StoreUrl::Postgres(url) => Source::Postgres(postgres::Source::new(url.clone())?),
        };
        let mut follower = Self { source, table, snapshot: Snapshot::default() };
        follower.poll()?;
        Ok(follower)
    }

    /// How many keys there are.
    pub(super) fn keys(&self) -> usize {
        self.table.len()
    }

    /// Reads what has changed, if anything has. The store is opened anew after a failure, and read whole.
    pub(super) fn poll(&mut self) -> Result<(), StoreError> {
        let snapshot = &mut self.snapshot;
        let polled = match &mut self.source {
            Source::Sqlite(source) => source.poll(snapshot),
            #[cfg(feature = "postgres")]
            Source::Postgres(source) => source.poll(snapshot),
        };
        match polled {
            Ok(None) => {}
            Ok(Some(Changes::All(keys))) => self.table.replace_all(keys),
            Ok(Some(Changes::Some(keys))) => self.table.apply(keys),
            Err(error) => {
                self.close();
                return Err(error);
            }
        }
        Ok(())
    }

    /// Lets go of the store, until the next poll.
    pub(super) fn close(&mut self) {
        match &mut self.source {
            Source::Sqlite(source) => source.close(),
            #[cfg(feature = "postgres")]
            Source::Postgres(source) => source.close(),
        }
    }
}
