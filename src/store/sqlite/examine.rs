//! A look at a store before it is used.

use super::{
    Store,
    migrate::{MIGRATIONS, version},
    open::{Found, PATIENCE, look},
};
use crate::store::StoreError;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;

impl Store {
    /// The plans that its keys are on.
    ///
    /// The file stays as it is; even a reader may leave `-wal` and `-shm` beside it, as its log needs them.
    ///
    /// # Errors
    ///
    /// If it cannot be looked at or opened, or if it is not there and there is no directory for it.
    pub(in crate::store) fn plans(path: &Path) -> Result<Vec<String>, StoreError> {
        if look(path)? != Found::File {
            return Ok(Vec::new());
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(PATIENCE)?;
        if version(&connection, MIGRATIONS.len())? == 0 {
            return Ok(Vec::new());
        }
        let mut statement = connection.prepare(
            "SELECT DISTINCT plan FROM keys WHERE plan IS NOT NULL AND revoked_at IS NULL ORDER BY plan",
        )?;
        let plans = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        Ok(plans)
    }
}
