use super::{Store, accounts::account, keys, next_revision};
use crate::store::{
    ImportError, Imported, Name, NewKey, StoreError, StoredKey,
    import::{Clash, Outcome, end, outcome},
};
use jiff::Timestamp;
use rusqlite::Transaction;

impl Store {
    /// Stores keys of numbered lines: all of them, or none.
    pub(crate) fn import(
        &mut self,
        lines: &[(u64, NewKey)],
        update: bool,
        now: Timestamp,
    ) -> Result<Imported, ImportError> {
        // 256 MiB, so that the indexes of a million keys are not read again and again.
        self.connection.pragma_update(None, "cache_size", -262_144)?;
        let change = self.change()?;
        let revision = next_revision(&change)?;
        let mut imported = Imported::default();
        let mut clashes = Vec::new();
        for (line, key) in lines {
            let outcome = import(&change, key, update, revision, now)?;
            imported.count(*line, outcome, &mut clashes);
        }
        if !clashes.is_empty() {
            return Err(ImportError::Clashes(clashes));
        }
        if imported.is_change() {
            change.commit()?;
        }
        Ok(imported)
    }
}

fn import(
    change: &Transaction<'_>,
    key: &NewKey,
    update: bool,
    revision: i64,
    now: Timestamp,
) -> Result<Outcome, StoreError> {
    let account = account(change, &key.account, revision, now)?;
    let drawn;
    let id = match &key.id {
        Some(id) => id,
        None => {
            drawn = Name::random_id();
            &drawn
        }
    };
    if keys::insert(change, id, key, account, revision, now)?.is_some() {
        return Ok(Outcome::Added);
    }
    let Some(there) = keys::select(change, "k.digest = ?1", &[key.digest.as_bytes()])?.pop() else {
        return Ok(Outcome::Clash(Clash::IdTaken));
    };
    if let Some(outcome) = outcome(key, &there, update) {
        return Ok(outcome);
    }
    Ok(match replace(change, &there, key, account, revision)? {
        true => Outcome::Updated,
        false => Outcome::Clash(Clash::IdTaken),
    })
}

/// Gives a stored key other data; `false` if another one has its id.
fn replace(
    change: &Transaction<'_>,
    there: &StoredKey,
    key: &NewKey,
    account: i64,
    revision: i64,
) -> rusqlite::Result<bool> {
    let updated = change
        .prepare_cached(
            "UPDATE OR IGNORE keys SET id = coalesce(?2, id), account = ?3, plan = ?4, scopes = ?5,
                    note = coalesce(?6, note), expires_at = ?7, revision = ?8
             WHERE row = ?1",
        )?
        .execute((
            there.row,
            key.id.as_deref(),
            account,
            key.plan.as_deref(),
            key.scopes.to_json(),
            key.note.as_deref(),
            end(key, there).map(Timestamp::as_millisecond),
            revision,
        ))?;
    if updated == 1 && there.account != *key.account {
        // They were on what it spends of another account.
        change
            .prepare_cached(
                "DELETE FROM spend_limits WHERE key = ?1 AND account = (SELECT id FROM accounts WHERE name = ?2)",
            )?
            .execute((&there.id, &there.account))?;
    }
    Ok(updated == 1)
}
