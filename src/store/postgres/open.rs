use super::{
    Store,
    migrate::{MIGRATIONS, migrate, version},
    session::Session,
    url::PostgresUrl,
};
use crate::store::{Missing, StoreError};

impl Store {
    /// Opens the store in a database, and brings its schema up to date. One that is up to date is only read.
    pub(in crate::store) fn open(url: &PostgresUrl, missing: Missing) -> Result<Self, StoreError> {
        let session = Session::open(url)?;
        let known = MIGRATIONS.len();
        let version = session.view(async |statements| version(statements, known).await)?;
        let created = match (version, missing) {
            (0, Missing::Refuse) => return Err(StoreError::Missing),
            (version, _) if version < known => migrate(&session, MIGRATIONS)?,
            _ => false,
        };
        Ok(Self { session, created })
    }
}
