//! What a gateway reads: everything at first, then what is new.

use super::{
    Store,
    keys::digest,
    migrate::{MIGRATIONS, applied},
    session::{Parameter, Statements, column},
    time_if_any,
};
use crate::{
    auth::{KeyDigest, KeyRecord},
    store::{
        StoreError,
        changes::{Changes, KeyRow, Snapshot},
    },
};
use tokio_postgres::{Row, types::Type};

/// How many rows are read at once, so that a million keys are not in memory twice.
const PAGE: i64 = 10_000;

/// In the order of an index, which serves a few new rows as well as all of them.
const ACCOUNTS: &str = "
    SELECT revision, id, name, suspended_at IS NOT NULL FROM tollgate.accounts
    WHERE (revision, id) > ($1, $2) ORDER BY revision, id LIMIT $3";
const KEYS: &str = "
    SELECT revision, number, digest, id, account, plan, scopes::text, expires_at, revoked_at IS NOT NULL
    FROM tollgate.keys WHERE (revision, number) > ($1, $2) ORDER BY revision, number LIMIT $3";

/// Which state of which store there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) identity: Identity,
    revision: i64,
    /// The version of its schema.
    version: i32,
}

/// Which store it is: a copy of another one, or one that a backup was restored into, has tables of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    store: String,
    table: u32,
}

impl Store {
    /// Something else whenever somebody has changed something, for one round trip.
    pub(super) fn state(&self) -> Result<State, StoreError> {
        let sql = "SELECT store::text, tableoid, value, (SELECT max(version) FROM tollgate.schema_version)
                   FROM tollgate.revision";
        let row = self.session.ask(sql)?.ok_or(StoreError::Missing)?;
        let identity = Identity { store: column(&row, 0)?, table: column(&row, 1)? };
        Ok(State { identity, revision: column(&row, 2)?, version: column(&row, 3)? })
    }

    /// Reads what is new since the snapshot.
    pub(in crate::store) fn changes(
        &mut self,
        snapshot: &mut Snapshot,
    ) -> Result<Changes, StoreError> {
        self.session.view(async |view| {
            applied(view, MIGRATIONS.len()).await?;
            let row = view.query_one("SELECT value FROM tollgate.revision").await?;
            let revision = column(&row, 0)?;
            let since = snapshot.begin(revision);
            each_newer(view, ACCOUNTS, since, |row| {
                snapshot.account(column(row, 1)?, column(row, 2)?, column(row, 3)?);
                Ok(())
            })
            .await?;
            let mut keys = Vec::new();
            each_newer(view, KEYS, since, |row| {
                keys.push(read_key(row, snapshot)?);
                Ok(())
            })
            .await?;
            Ok(snapshot.end(revision, since, keys))
        })
    }
}

/// Reads what is newer than a revision, or everything, page by page.
async fn each_newer(
    view: &Statements<'_>,
    select: &str,
    since: Option<i64>,
    mut read: impl FnMut(&Row) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut last = (since.unwrap_or(-1), i64::MAX);
    loop {
        let parameters: &[Parameter<'_>] =
            &[(&last.0, Type::INT8), (&last.1, Type::INT8), (&PAGE, Type::INT8)];
        let rows = view.query(select, parameters).await?;
        let Some(end) = rows.last() else { return Ok(()) };
        last = (column(end, 0)?, column(end, 1)?);
        rows.iter().try_for_each(&mut read)?;
    }
}

fn read_key(row: &Row, snapshot: &mut Snapshot) -> Result<(KeyDigest, KeyRecord), StoreError> {
    snapshot.key(&KeyRow {
        digest: *digest(row, 2)?.as_bytes(),
        id: column(row, 3)?,
        account: column(row, 4)?,
        plan: column(row, 5)?,
        scopes: column(row, 6)?,
        expires_at: time_if_any(row, 7)?,
        revoked: column(row, 8)?,
    })
}
