//! The schema, from one version to the next.

use super::{
    PostgresError,
    session::{Session, Statements, column},
};
use crate::store::StoreError;
use tokio_postgres::types::Type;

/// What makes version n + 1 of version n. Each one that was released stays as it is.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("schema_1.sql"),
    concat!(include_str!("schema_2.sql"), include_str!("functions_2.sql")),
    include_str!("schema_3.sql"),
];

/// Held by whoever migrates: "tollgate", as a number.
const LOCK: i64 = 0x746F_6C6C_6761_7465;

/// What is there before the first version.
const BEGINNING: &str = "
    CREATE TABLE tollgate.schema_version (
        version    integer PRIMARY KEY,
        applied_at timestamptz NOT NULL DEFAULT now()
    )";

/// Which of these versions the database has: 0 if there is no store in it.
///
/// # Errors
///
/// If what is in the schema is not ours, or newer than all of them.
pub(super) async fn version(
    statements: &Statements<'_>,
    known: usize,
) -> Result<usize, StoreError> {
    // As of the moment of the transaction, unlike what to_regclass says.
    let row = statements
        .query_one(
            "SELECT coalesce(bool_or(relname = 'schema_version'), false), count(*), current_setting('server_encoding')
             FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace AND nspname = 'tollgate'",
        )
        .await?;
    let (ours, relations, encoding): (bool, i64, &str) =
        (column(&row, 0)?, column(&row, 1)?, column(&row, 2)?);
    if encoding != "UTF8" {
        return Err(PostgresError::Encoding(encoding.to_owned()).into());
    }
    if !ours {
        return if relations == 0 { Ok(0) } else { Err(StoreError::Foreign) };
    }
    match applied(statements, known).await? {
        0 => Err(StoreError::Foreign),
        version => Ok(version),
    }
}

/// The same, where there is a store.
pub(super) async fn applied(
    statements: &Statements<'_>,
    known: usize,
) -> Result<usize, StoreError> {
    let sql = "SELECT coalesce(max(version), 0) FROM tollgate.schema_version";
    let row = statements.query_one(sql).await?;
    let found: i32 = column(&row, 0)?;
    match usize::try_from(found) {
        Ok(version) if version <= known => Ok(version),
        Ok(found) => Err(StoreError::Newer { found, known }),
        Err(_) => Err(StoreError::Foreign),
    }
}

/// Brings the database to the newest of these versions, and says whether it had none. Several processes may do so at once.
pub(super) fn migrate(session: &Session, migrations: &[&str]) -> Result<bool, StoreError> {
    let mut created = false;
    loop {
        let done = session.migrate(async |statements| {
            statements.migrate(&format!("SELECT pg_advisory_xact_lock({LOCK})")).await?;
            // Another process may have been first.
            let version = version(statements, migrations.len()).await?;
            let Some(migration) = migrations.get(version) else { return Ok(true) };
            if version == 0 {
                make_schema(statements).await?;
                created = true;
            }
            statements.migrate(migration).await?;
            let next = i32::try_from(version + 1).unwrap_or(i32::MAX);
            let sql = "INSERT INTO tollgate.schema_version (version) VALUES ($1)";
            statements.execute(sql, &[(&next, Type::INT4)]).await?;
            Ok(version + 1 == migrations.len())
        })?;
        if done {
            return Ok(created);
        }
    }
}

/// Makes the schema, unless somebody who may do so has done it before.
async fn make_schema(statements: &Statements<'_>) -> Result<(), StoreError> {
    let there = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'tollgate')";
    if !column(&statements.query_one(there).await?, 0)? {
        statements.migrate("CREATE SCHEMA tollgate").await?;
    }
    statements.migrate(BEGINNING).await
}
