//! What stands in the ledger, page by page, and holds that are ended by hand.

use super::{Store, holds, rows, time, time_if_any};
use crate::{
    charge::{Amount, End, HoldId},
    store::{
        Note, StoreError,
        ledger::{BalanceError, Entry, EntryFilter, HoldFilter, HoldStates, StoredHold, limit},
    },
};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, ToSql};

const ENTRIES: &str =
    "FROM entries e JOIN accounts a ON a.id = e.account LEFT JOIN holds h ON h.id = e.hold";
/// Read in the order of the ids, which the table is in, and not by the index on the account: a page never sorts what is behind it.
const HOLDS: &str = "
    SELECT h.id, a.name, h.key, h.amount, h.item, h.request, h.state, h.created_at, h.limit_at, h.at_limit, h.ended_at
    FROM holds h JOIN accounts a ON a.id = +h.account";

/// What a statement is given, by name.
type Parameters<'a> = Vec<(&'static str, &'a dyn ToSql)>;

impl Store {
    /// At most so many entries, the oldest first, from behind the one of this id on.
    pub(crate) fn entries(
        &self,
        filter: &EntryFilter,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Entry>, StoreError> {
        let columns =
            "e.id, e.at, a.name, e.kind, e.amount, h.item, h.key, h.request, e.hold, e.note";
        let filter = Columns::of(filter);
        let (conditions, mut parameters) = filter.conditions();
        parameters.extend([(":after", &after as &dyn ToSql), (":limit", &limit)]);
        let sql = format!(
            "SELECT {columns} {ENTRIES} WHERE e.id > :after{conditions} ORDER BY e.id LIMIT :limit"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        rows(statement.query(&*parameters)?, entry)
    }

    /// The id from behind which on there are only so many entries.
    pub(crate) fn before_last(&self, filter: &EntryFilter, count: u32) -> Result<i64, StoreError> {
        let filter = Columns::of(filter);
        let (conditions, mut parameters) = filter.conditions();
        parameters.push((":count", &count));
        let sql = format!(
            "SELECT e.id {ENTRIES} WHERE true{conditions} ORDER BY e.id DESC LIMIT 1 OFFSET :count"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let found = statement.query_row(&*parameters, |row| row.get(0)).optional()?;
        Ok(found.unwrap_or(0))
    }

    /// At most so many holds, the oldest first, from behind this one on.
    pub(crate) fn holds(
        &self,
        filter: &HoldFilter,
        after: Option<HoldId>,
        limit: u32,
    ) -> Result<Vec<StoredHold>, StoreError> {
        let after = after.map(|id| id.as_bytes().to_vec()).unwrap_or_default();
        let mut sql = format!("{HOLDS} WHERE h.id > :after");
        let mut parameters: Parameters<'_> = vec![(":after", &after), (":limit", &limit)];
        if let Some(account) = &filter.account {
            sql.push_str(" AND a.name = :account");
            parameters.push((":account", account));
        }
        let state;
        match filter.states {
            HoldStates::All => {}
            HoldStates::Live => sql.push_str(" AND h.state IN ('open', 'pending')"),
            HoldStates::Only(only) => {
                state = only.as_str();
                sql.push_str(" AND h.state = :state");
                parameters.push((":state", &state));
            }
        }
        sql.push_str(" ORDER BY h.id LIMIT :limit");
        rows(self.connection.prepare_cached(&sql)?.query(&*parameters)?, hold)
    }

    /// Ends a hold by hand, if it has not ended yet; the hold as it is then, and whether that is new.
    pub(crate) fn end_hold(
        &mut self,
        id: HoldId,
        end: End,
        note: Option<&Note>,
        now: Timestamp,
    ) -> Result<(StoredHold, bool), BalanceError> {
        let change = self.change()?;
        let before = must_find(&change, id)?;
        if before.state.is_ended() {
            return Ok((before, false));
        }
        holds::end(&change, id, end, now, note.map(|note| &**note))?;
        let after = must_find(&change, id)?;
        change.commit()?;
        Ok((after, true))
    }
}

/// A filter, as it is compared with columns.
struct Columns<'a> {
    filter: &'a EntryFilter,
    kind: Option<&'static str>,
    hold: Option<&'a [u8; 16]>,
    since: Option<i64>,
    until: Option<i64>,
}

impl<'a> Columns<'a> {
    fn of(filter: &'a EntryFilter) -> Self {
        Self {
            filter,
            kind: filter.kind.map(|kind| kind.as_str()),
            hold: filter.hold.as_ref().map(HoldId::as_bytes),
            since: filter.since.map(Timestamp::as_millisecond),
            until: filter.until.map(Timestamp::as_millisecond),
        }
    }

    /// Each as " AND ...", and what they are given.
    fn conditions(&self) -> (String, Parameters<'_>) {
        fn given<T: ToSql>(value: &Option<T>) -> Option<&dyn ToSql> {
            value.as_ref().map(|value| value as &dyn ToSql)
        }
        let all: [(&'static str, &str, Option<&dyn ToSql>); 7] = [
            (
                ":account",
                "e.account = (SELECT id FROM accounts WHERE name = :account)",
                given(&self.filter.account),
            ),
            (":key", "h.key = :key", given(&self.filter.key)),
            (":kind", "e.kind = :kind", given(&self.kind)),
            (":hold", "e.hold = :hold", given(&self.hold)),
            (
                ":request",
                "e.hold IN (SELECT id FROM holds WHERE request = :request)",
                given(&self.filter.request),
            ),
            (":since", "e.at >= :since", given(&self.since)),
            (":until", "e.at < :until", given(&self.until)),
        ];
        let (mut conditions, mut parameters) = (String::new(), Vec::new());
        for (name, condition, value) in all {
            if let Some(value) = value {
                conditions.push_str(" AND ");
                conditions.push_str(condition);
                parameters.push((name, value));
            }
        }
        (conditions, parameters)
    }
}

fn must_find(connection: &Connection, id: HoldId) -> Result<StoredHold, BalanceError> {
    let mut statement = connection.prepare_cached(&format!("{HOLDS} WHERE h.id = ?1"))?;
    let found = rows(statement.query([id.as_bytes()])?, hold)?.pop();
    found.ok_or(BalanceError::NoSuchHold(id))
}

fn entry(row: &Row<'_>) -> Result<Entry, StoreError> {
    let kind = row.get_ref(3)?.as_str().map_err(rusqlite::Error::from)?;
    Ok(Entry {
        id: row.get(0)?,
        at: time(row, 1)?,
        account: row.get(2)?,
        kind: kind.parse().map_err(|_| StoreError::corrupt("an entry is of no known kind"))?,
        amount: Amount::from_micros(row.get(4)?),
        item: row.get(5)?,
        key: row.get(6)?,
        request: row.get(7)?,
        hold: row.get::<_, Option<_>>(8)?.map(HoldId::from_bytes),
        note: row.get(9)?,
    })
}

fn hold(row: &Row<'_>) -> Result<StoredHold, StoreError> {
    Ok(StoredHold {
        id: HoldId::from_bytes(row.get(0)?),
        account: row.get(1)?,
        key: row.get(2)?,
        amount: Amount::from_micros(row.get(3)?),
        item: row.get(4)?,
        request: row.get(5)?,
        state: holds::state(row, 6)?,
        created_at: time(row, 7)?,
        limit_at: limit(row.get(8)?),
        at_limit: row.get(9)?,
        ended_at: time_if_any(row, 10)?,
    })
}
