use super::{
    Store,
    accounts::accounts,
    balance::lock,
    session::{Done, Parameter, Statements, column},
    time, time_if_any,
};
use crate::{
    auth::KeyDigest,
    store::{
        KeyError, Name, NewKey, Rotation, StoreError, StoredKey,
        key::{only_one, read_scopes},
    },
};
use jiff::Timestamp;
use std::collections::{HashMap, HashSet};
use tokio_postgres::{Row, types::Type};

const SELECT: &str = "
    SELECT k.number, k.id, a.name, k.plan, k.scopes::text, k.note, k.created_at, k.expires_at, k.revoked_at,
           old.id, new.id, a.suspended_at IS NOT NULL, k.digest
    FROM tollgate.keys k
    JOIN tollgate.accounts a ON a.id = k.account
    LEFT JOIN tollgate.keys old ON old.number = k.rotated_from
    LEFT JOIN tollgate.keys new ON new.number = k.rotated_to";

impl Store {
    /// At most so many keys, in the order of their creation, from behind this one on.
    pub(crate) fn keys(
        &self,
        account: Option<&str>,
        after: Option<&StoredKey>,
        limit: u32,
    ) -> Result<Vec<StoredKey>, StoreError> {
        let (after, limit) = (after.map_or(0, |key| key.row), i64::from(limit));
        let all: &[Parameter<'_>] =
            &[(&after, Type::INT8), (&limit, Type::INT8), (&account, Type::TEXT)];
        let of_account = match account {
            None => "",
            Some(_) => "k.account = (SELECT id FROM tollgate.accounts WHERE name = $3) AND ",
        };
        let condition = format!("{of_account}k.number > $1 ORDER BY k.number LIMIT $2");
        let parameters = if account.is_some() { all } else { &all[..2] };
        self.session.view(async |view| select(view, &condition, parameters).await)
    }

    /// The key with this id, else the only one whose id begins like this.
    pub(crate) fn key(&self, id: &str) -> Result<StoredKey, KeyError> {
        self.session.view(async |view| key(view, id).await)
    }

    /// Stores a key.
    pub(crate) fn create(&mut self, key: &NewKey, now: Timestamp) -> Result<StoredKey, KeyError> {
        self.session.change(async |change, revision| {
            let id = key.id.clone().unwrap_or_else(Name::random_id);
            let line = [(&id, key)];
            if insert(change, &line, revision, now).await?.is_empty() {
                return Err(KeyError::IdTaken(id.to_string()));
            }
            Ok(Done::Changed(must_find(change, &id).await?))
        })
    }

    /// Revokes a key, for good, and says whether that is new.
    pub(crate) fn revoke(
        &mut self,
        id: &str,
        now: Timestamp,
    ) -> Result<(StoredKey, bool), KeyError> {
        self.session.change(async |change, revision| {
            let key = must_find(change, id).await?;
            if key.revoked_at.is_some() {
                return Ok(Done::Same((key, false)));
            }
            let sql = "UPDATE tollgate.keys SET revoked_at = $2, revision = $3 WHERE number = $1";
            let parameters: &[Parameter<'_>] = &[
                (&key.row, Type::INT8),
                (&now.as_millisecond(), Type::INT8),
                (&revision, Type::INT8),
            ];
            change.execute(sql, parameters).await?;
            Ok(Done::Changed((StoredKey { revoked_at: Some(now), ..key }, true)))
        })
    }

    /// Puts a new key in the place of an old one, which goes on for a while: (new, old).
    pub(crate) fn rotate(
        &mut self,
        id: &str,
        rotation: &Rotation,
        now: Timestamp,
    ) -> Result<(StoredKey, StoredKey), KeyError> {
        self.session.change(async |change, revision| {
            let old = must_find(change, id).await?;
            let ends = rotation.ends(&old, now)?;
            let new = Name::random_id();
            succeed(change, &old, &new, rotation, ends, revision, now).await?;
            Ok(Done::Changed((must_find(change, &new).await?, must_find(change, id).await?)))
        })
    }
}

/// The key with this id, else the only one whose id begins like this.
pub(super) async fn key(statements: &Statements<'_>, id: &str) -> Result<StoredKey, KeyError> {
    if let Some(key) = find(statements, id).await? {
        return Ok(key);
    }
    // No id has a character beyond the last one.
    let beyond = format!("{id}\u{10ffff}");
    let parameters: &[Parameter<'_>] = &[(&id, Type::TEXT), (&beyond, Type::TEXT)];
    only_one(select(statements, "k.id BETWEEN $1 AND $2 LIMIT 2", parameters).await?, id)
}

/// Writes the successor and the end of the old key, and limits the one as the other.
async fn succeed(
    change: &Statements<'_>,
    old: &StoredKey,
    new: &str,
    rotation: &Rotation,
    (ends_at, old_ends_at): (Option<Timestamp>, Timestamp),
    revision: i64,
    now: Timestamp,
) -> Result<(), StoreError> {
    let sql = "
        WITH new AS (
            INSERT INTO tollgate.keys
                   (id, digest, account, plan, scopes, note, created_at, expires_at, rotated_from, revision)
            SELECT $1, $2, account, plan, scopes, note, $3, $4, number, $5 FROM tollgate.keys WHERE number = $6
            RETURNING number
        )
        UPDATE tollgate.keys SET expires_at = $7, rotated_to = new.number, revision = $5
        FROM new WHERE keys.number = $6";
    let parameters: &[Parameter<'_>] = &[
        (&new, Type::TEXT),
        (&rotation.digest.as_bytes().as_slice(), Type::BYTEA),
        (&now.as_millisecond(), Type::INT8),
        (&ends_at.map(Timestamp::as_millisecond), Type::INT8),
        (&revision, Type::INT8),
        (&old.row, Type::INT8),
        (&old_ends_at.as_millisecond(), Type::INT8),
    ];
    change.execute(sql, parameters).await?;
    // Nothing is counted meanwhile.
    lock(change, &old.account).await?;
    let sql = "
        INSERT INTO tollgate.spend_limits (account, key, period, amount, start, spent, carried)
        SELECT account, $2, period, amount, start, spent, spent FROM tollgate.spend_limits
        WHERE key = $1 AND account = (SELECT id FROM tollgate.accounts WHERE name = $3)";
    let parameters: &[Parameter<'_>] =
        &[(&old.id, Type::TEXT), (&new, Type::TEXT), (&old.account, Type::TEXT)];
    change.execute(sql, parameters).await?;
    Ok(())
}

/// Stores keys under these ids, opening their accounts, and says which: not those whose id or digest is there already.
pub(super) async fn insert(
    change: &Statements<'_>,
    keys: &[(&Name, &NewKey)],
    revision: i64,
    now: Timestamp,
) -> Result<HashSet<KeyDigest>, StoreError> {
    let names = keys.iter().map(|(_, key)| &*key.account);
    let accounts = accounts(change, names, revision, now).await?;
    let account = |key: &NewKey| accounts.get(&*key.account).copied();
    let ids: Vec<&str> = keys.iter().map(|(id, _)| &***id).collect();
    let keys = || keys.iter().map(|(_, key)| *key);
    let digests: Vec<&[u8]> = keys().map(|key| key.digest.as_bytes().as_slice()).collect();
    let accounts: Vec<Option<i64>> = keys().map(account).collect();
    let plans: Vec<Option<&str>> = keys().map(|key| key.plan.as_deref()).collect();
    let scopes: Vec<String> = keys().map(|key| key.scopes.to_json()).collect();
    let notes: Vec<Option<&str>> = keys().map(|key| key.note.as_deref()).collect();
    let ends: Vec<Option<i64>> =
        keys().map(|key| key.expires_at.map(Timestamp::as_millisecond)).collect();
    let sql = "
        INSERT INTO tollgate.keys (id, digest, account, plan, scopes, note, expires_at, created_at, revision)
        SELECT id, digest, account, plan, scopes::jsonb, note, expires_at, $8, $9
        FROM unnest($1, $2, $3, $4, $5, $6, $7) WITH ORDINALITY
             AS line (id, digest, account, plan, scopes, note, expires_at, place)
        ORDER BY place
        ON CONFLICT DO NOTHING RETURNING digest";
    let parameters: &[Parameter<'_>] = &[
        (&ids, Type::TEXT_ARRAY),
        (&digests, Type::BYTEA_ARRAY),
        (&accounts, Type::INT8_ARRAY),
        (&plans, Type::TEXT_ARRAY),
        (&scopes, Type::TEXT_ARRAY),
        (&notes, Type::TEXT_ARRAY),
        (&ends, Type::INT8_ARRAY),
        (&now.as_millisecond(), Type::INT8),
        (&revision, Type::INT8),
    ];
    change.query(sql, parameters).await?.iter().map(|row| digest(row, 0)).collect()
}

/// The digest in a column.
pub(super) fn digest(row: &Row, index: usize) -> Result<KeyDigest, StoreError> {
    let bytes: &[u8] = column(row, index)?;
    let bytes = bytes.try_into().map_err(|_| StoreError::corrupt("a digest is not of 32 bytes"))?;
    Ok(KeyDigest::from_bytes(bytes))
}

/// The keys for which this holds.
pub(super) async fn select(
    statements: &Statements<'_>,
    condition: &str,
    parameters: &[Parameter<'_>],
) -> Result<Vec<StoredKey>, StoreError> {
    let rows = statements.query(&format!("{SELECT} WHERE {condition}"), parameters).await?;
    rows.iter().map(read).collect()
}

/// The keys that have one of these digests.
pub(super) async fn by_digest(
    statements: &Statements<'_>,
    digests: impl Iterator<Item = &KeyDigest>,
) -> Result<HashMap<KeyDigest, StoredKey>, StoreError> {
    let digests: Vec<&[u8]> = digests.map(|digest| digest.as_bytes().as_slice()).collect();
    let sql = format!("{SELECT} WHERE k.digest = ANY ($1)");
    let rows = statements.query(&sql, &[(&digests, Type::BYTEA_ARRAY)]).await?;
    rows.iter().map(|row| Ok((digest(row, 12)?, read(row)?))).collect()
}

async fn find(statements: &Statements<'_>, id: &str) -> Result<Option<StoredKey>, StoreError> {
    Ok(select(statements, "k.id = $1", &[(&id, Type::TEXT)]).await?.pop())
}

async fn must_find(statements: &Statements<'_>, id: &str) -> Result<StoredKey, KeyError> {
    find(statements, id).await?.ok_or_else(|| KeyError::NoSuchKey(id.to_owned()))
}

fn read(row: &Row) -> Result<StoredKey, StoreError> {
    Ok(StoredKey {
        row: column(row, 0)?,
        id: column(row, 1)?,
        account: column(row, 2)?,
        plan: column(row, 3)?,
        scopes: read_scopes(column(row, 4)?)?,
        note: column(row, 5)?,
        created_at: time(row, 6)?,
        expires_at: time_if_any(row, 7)?,
        revoked_at: time_if_any(row, 8)?,
        rotated_from: column(row, 9)?,
        rotated_to: column(row, 10)?,
        account_suspended: column(row, 11)?,
    })
}
