use super::{
    Store,
    keys::{by_digest, insert},
    session::{Done, Parameter, Statements},
};
use crate::store::{
    ImportError, Imported, Name, NewKey, StoreError, StoredKey,
    import::{Clash, Outcome, differences, end, outcome},
};
use jiff::Timestamp;
use std::iter;
use tokio_postgres::types::Type;

/// How many lines are sent at once: a statement for each would be a round trip for each.
const LINES: usize = 1_000;

/// One import.
struct Import<'a> {
    change: &'a Statements<'a>,
    update: bool,
    revision: i64,
    now: Timestamp,
}

impl Store {
    /// Stores keys of numbered lines: all of them, or none.
    pub(crate) fn import(
        &mut self,
        lines: &[(u64, NewKey)],
        update: bool,
        now: Timestamp,
    ) -> Result<Imported, ImportError> {
        self.session.change(async |change, revision| {
            let import = Import { change, update, revision, now };
            let mut imported = Imported::default();
            let mut clashes = Vec::new();
            for lines in lines.chunks(LINES) {
                for (line, outcome) in import.lines(lines).await? {
                    imported.count(line, outcome, &mut clashes);
                }
            }
            match (clashes.is_empty(), imported.is_change()) {
                (false, _) => Err(ImportError::Clashes(clashes)),
                (true, true) => Ok(Done::Changed(imported)),
                (true, false) => Ok(Done::Same(imported)),
            }
        })
    }
}

impl Import<'_> {
    /// All at once where that is possible, one after the other where something is there already.
    async fn lines(&self, lines: &[(u64, NewKey)]) -> Result<Vec<(u64, Outcome)>, StoreError> {
        let ids: Vec<Name> =
            lines.iter().map(|(_, key)| key.id.clone().unwrap_or_else(Name::random_id)).collect();
        let keys: Vec<_> = ids.iter().zip(lines).map(|(id, (_, key))| (id, key)).collect();
        let mut added = insert(self.change, &keys, self.revision, self.now).await?;
        let others = lines.iter().map(|(_, key)| &key.digest).filter(|key| !added.contains(*key));
        let mut there = by_digest(self.change, others).await?;
        let mut outcomes = Vec::with_capacity(lines.len());
        for (&(id, key), (line, _)) in keys.iter().zip(lines) {
            let is_same = |there| differences(key, there).is_empty();
            let outcome = if added.remove(&key.digest) {
                Outcome::Added
            } else if there.get(&key.digest).is_some_and(is_same) {
                Outcome::Unchanged
            } else {
                // What this line changes, one that comes later is to see.
                there.remove(&key.digest);
                self.line(id, key).await?
            };
            outcomes.push((*line, outcome));
        }
        Ok(outcomes)
    }

    async fn line(&self, id: &Name, key: &NewKey) -> Result<Outcome, StoreError> {
        if !insert(self.change, &[(id, key)], self.revision, self.now).await?.is_empty() {
            return Ok(Outcome::Added);
        }
        let there = by_digest(self.change, iter::once(&key.digest)).await?.remove(&key.digest);
        let Some(there) = there else {
            return Ok(Outcome::Clash(Clash::IdTaken));
        };
        if let Some(outcome) = outcome(key, &there, self.update) {
            return Ok(outcome);
        }
        Ok(match self.replace(&there, key).await? {
            true => Outcome::Updated,
            false => Outcome::Clash(Clash::IdTaken),
        })
    }

    /// Gives a stored key other data; `false` if another one has its id.
    async fn replace(&self, there: &StoredKey, key: &NewKey) -> Result<bool, StoreError> {
        let sql = "
            UPDATE tollgate.keys k
            SET id = coalesce($2, id), account = (SELECT a.id FROM tollgate.accounts a WHERE a.name = $3),
                plan = $4, scopes = $5::jsonb, note = coalesce($6, note), expires_at = $7, revision = $8
            WHERE number = $1
              AND NOT EXISTS (SELECT FROM tollgate.keys o WHERE o.id = $2 AND o.number <> k.number)";
        let parameters: &[Parameter<'_>] = &[
            (&there.row, Type::INT8),
            (&key.id.as_deref(), Type::TEXT),
            (&&*key.account, Type::TEXT),
            (&key.plan.as_deref(), Type::TEXT),
            (&key.scopes.to_json(), Type::TEXT),
            (&key.note.as_deref(), Type::TEXT),
            (&end(key, there).map(Timestamp::as_millisecond), Type::INT8),
            (&self.revision, Type::INT8),
        ];
        let replaced = self.change.execute(sql, parameters).await? == 1;
        if replaced && there.account != *key.account {
            // They were on what it spends of another account.
            let sql = "DELETE FROM tollgate.spend_limits
                       WHERE key = $1 AND account = (SELECT id FROM tollgate.accounts WHERE name = $2)";
            let of: &[Parameter<'_>] = &[(&there.id, Type::TEXT), (&there.account, Type::TEXT)];
            self.change.execute(sql, of).await?;
        }
        Ok(replaced)
    }
}
