//! A look at a store before it is used.

use super::{
    Store,
    migrate::{MIGRATIONS, version},
};
use crate::store::{StoreError, StoreUrl};
use rusqlite::{Connection, OpenFlags};
use std::fs;

impl Store {
    /// The plans that its keys are on, without making or changing anything. A store that is not there yet has none.
    ///
    /// # Errors
    ///
    /// If it cannot be opened, or if it is not there and there is no directory for it.
    pub(crate) fn plans(url: &StoreUrl) -> Result<Vec<String>, StoreError> {
        let StoreUrl::Sqlite(path) = url;
        match fs::metadata(path) {
            Ok(found) if !found.is_file() => return Err(StoreError::NotAFile),
            Ok(found) if found.len() == 0 => return Ok(Vec::new()),
            Ok(_) => {}
            Err(_) => {
                let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
                return match parent.filter(|parent| !parent.is_dir()) {
                    Some(parent) => Err(StoreError::NoDirectory(parent.to_owned())),
                    None => Ok(Vec::new()),
                };
            }
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(super::open::PATIENCE)?;
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
