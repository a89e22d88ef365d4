//! The schema, from one version to the next.

use crate::store::StoreError;
use rusqlite::{Connection, TransactionBehavior};

/// What the file says that it is, so that nobody takes it for a database of something else: "toll".
const APPLICATION_ID: i32 = 0x746F_6C6C;

/// What makes version n + 1 of version n. Each one that was released stays as it is.
pub(super) const MIGRATIONS: &[&str] =
    &[include_str!("schema_1.sql"), include_str!("schema_2.sql"), include_str!("schema_3.sql")];

/// Which of these versions the file has: 0 if there is nothing in it.
///
/// # Errors
///
/// If the file is not ours, or newer than all of them.
pub(super) fn version(connection: &Connection, known: usize) -> Result<usize, StoreError> {
    // One statement, so that another process does not migrate between two answers.
    let (application, version, tables): (i32, i64, i64) = connection.query_row(
        "SELECT (SELECT application_id FROM pragma_application_id), (SELECT user_version FROM pragma_user_version),
                (SELECT count(*) FROM sqlite_schema)",
        [],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    let ours = match application {
        APPLICATION_ID => version > 0,
        _ => (application, version, tables) == (0, 0, 0),
    };
    match usize::try_from(version) {
        Ok(version) if ours && version <= known => Ok(version),
        Ok(found) if ours => Err(StoreError::Newer { found, known }),
        _ => Err(StoreError::Foreign),
    }
}

/// Brings the file to the newest of these versions. Several processes may do so at once.
pub(super) fn migrate(connection: &mut Connection, migrations: &[&str]) -> Result<(), StoreError> {
    while version(connection, migrations.len())? < migrations.len() {
        let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Another process may have been first.
        let version = version(&change, migrations.len())?;
        if let Some(migration) = migrations.get(version) {
            change.execute_batch(migration)?;
            change.execute_batch(&format!(
                "PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {}",
                version + 1
            ))?;
        }
        change.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(sql: &str) -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(sql).unwrap();
        connection
    }

    #[test]
    fn one_version_after_the_other() {
        let mut connection = memory("");
        migrate(&mut connection, &["CREATE TABLE a (x)"]).unwrap();
        let two = ["never again", "INSERT INTO a VALUES (1)"];
        migrate(&mut connection, &two).unwrap();
        migrate(&mut connection, &two).unwrap();
        let rows: i64 = connection.query_row("SELECT sum(x) FROM a", [], |row| row.get(0)).unwrap();
        assert_eq!((rows, version(&connection, 2).unwrap()), (1, 2));
        assert!(matches!(version(&connection, 1), Err(StoreError::Newer { found: 2, known: 1 })));
    }

    #[test]
    fn a_migration_that_fails_leaves_nothing() {
        let mut connection = memory("");
        migrate(&mut connection, &["CREATE TABLE a (x); CREATE TABLE a (x)"]).unwrap_err();
        assert_eq!(version(&connection, 1).unwrap(), 0);
        migrate(&mut connection, MIGRATIONS).unwrap();
    }

    #[test]
    fn what_is_not_ours() {
        for sql in [
            "CREATE TABLE users (x)",
            "PRAGMA user_version = 1",
            "PRAGMA application_id = 7",
            "PRAGMA application_id = 7; PRAGMA user_version = 1",
            "PRAGMA application_id = 1953459308",
            "PRAGMA application_id = 1953459308; PRAGMA user_version = -1",
        ] {
            let mut connection = memory(sql);
            let error = migrate(&mut connection, MIGRATIONS).unwrap_err();
            assert!(matches!(error, StoreError::Foreign), "{sql}: {error}");
        }
    }
}
