//! What stands in the ledger, page by page, and holds that are ended by hand.

use super::{
    Store, holds,
    session::{Done, Parameter, Statements, column},
    time, time_if_any,
    uuid::Uuid,
};
use crate::{
    charge::{Amount, End, HoldId},
    store::{
        Note, StoreError,
        ledger::{
            BalanceError, Entry, EntryFilter, HoldFilter, HoldState, HoldStates, StoredHold, limit,
        },
    },
};
use jiff::Timestamp;
use tokio_postgres::{
    Row,
    types::{ToSql, Type},
};

const ENTRIES: &str = "FROM tollgate.entries e JOIN tollgate.accounts a ON a.id = e.account
                       LEFT JOIN tollgate.holds h ON h.id = e.hold";
const HOLDS: &str = "
    SELECT h.id, a.name, h.key, h.amount, h.item, h.request, h.state, h.created_at, h.limit_at, h.at_limit, h.ended_at
    FROM tollgate.holds h JOIN tollgate.accounts a ON a.id = h.account";

impl Store {
    /// At most so many entries, in the order of their ids, from behind the one of this id on.
    ///
    /// An id is given when an entry is written, not when it is there for others to see: one that is written meanwhile may be
    /// before others that were read already.
    pub(crate) fn entries(
        &self,
        filter: &EntryFilter,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Entry>, StoreError> {
        let filter = Columns::of(filter);
        let limit = i64::from(limit);
        let mut conditions = filter.conditions();
        conditions.push("e.id >", "", &after, Type::INT8);
        let sql = format!(
            "SELECT e.id, e.at, a.name, e.kind, e.amount, h.item, h.key, h.request, e.hold, e.note {ENTRIES}
             WHERE {} ORDER BY e.id LIMIT {limit}",
            conditions.text
        );
        let parameters = &*conditions.parameters;
        self.session
            .view(async |view| view.query(&sql, parameters).await?.iter().map(entry).collect())
    }

    /// The id from behind which on there are only so many entries.
    pub(crate) fn before_last(&self, filter: &EntryFilter, count: u32) -> Result<i64, StoreError> {
        let filter = Columns::of(filter);
        let Conditions { text, parameters } = filter.conditions();
        let sql =
            format!("SELECT e.id {ENTRIES} WHERE {text} ORDER BY e.id DESC LIMIT 1 OFFSET {count}");
        let rows = self.session.view(async |view| view.query(&sql, &parameters).await)?;
        Ok(rows.first().map(|row| column(row, 0)).transpose()?.unwrap_or(0))
    }

    /// At most so many holds, the oldest first, from behind this one on.
    pub(crate) fn holds(
        &self,
        filter: &HoldFilter,
        after: Option<HoldId>,
        limit: u32,
    ) -> Result<Vec<StoredHold>, StoreError> {
        let after = after.map(|id| Uuid(*id.as_bytes()));
        let state;
        let mut conditions = Conditions::default();
        if let Some(after) = &after {
            conditions.push("h.id >", "", after, Type::UUID);
        }
        if let Some(account) = &filter.account {
            conditions.push("a.name =", "", account, Type::TEXT);
        }
        match filter.states {
            HoldStates::All => {}
            HoldStates::Live => conditions.text.push_str(" AND h.state IN ('open', 'pending')"),
            HoldStates::Only(only) => {
                state = HoldState::as_str(only);
                conditions.push("h.state =", "", &state, Type::TEXT);
            }
        }
        let Conditions { text, parameters } = conditions;
        let sql = format!("{HOLDS} WHERE {text} ORDER BY h.id LIMIT {limit}");
        self.session
            .view(async |view| view.query(&sql, &parameters).await?.iter().map(hold).collect())
    }

    /// Ends a hold by hand, if it has not ended yet; the hold as it is then, and whether that is new.
    pub(crate) fn end_hold(
        &mut self,
        id: HoldId,
        end: End,
        note: Option<&Note>,
        now: Timestamp,
    ) -> Result<(StoredHold, bool), BalanceError> {
        self.session.change(async |change, _| {
            let before = must_lock(change, id).await?;
            if before.state.is_ended() {
                return Ok(Done::Same((before, false)));
            }
            holds::end(change, id, end, now, note.map(|note| &**note)).await?;
            Ok(Done::Kept((must_find(change, id).await?, true)))
        })
    }
}

/// Conditions, and what they are given.
struct Conditions<'a> {
    text: String,
    parameters: Vec<Parameter<'a>>,
}

impl Default for Conditions<'_> {
    fn default() -> Self {
        Self { text: "true".to_owned(), parameters: Vec::new() }
    }
}

impl<'a> Conditions<'a> {
    /// One more, with the parameter between these.
    fn push(&mut self, before: &str, behind: &str, value: &'a (dyn ToSql + Sync), of: Type) {
        self.parameters.push((value, of));
        let number = self.parameters.len();
        self.text.push_str(&format!(" AND {before} ${number}{behind}"));
    }
}

/// A filter, as it is compared with columns.
struct Columns<'a> {
    filter: &'a EntryFilter,
    kind: Option<&'static str>,
    hold: Option<Uuid>,
    since: Option<i64>,
    until: Option<i64>,
}

impl<'a> Columns<'a> {
    fn of(filter: &'a EntryFilter) -> Self {
        Self {
            filter,
            kind: filter.kind.map(|kind| kind.as_str()),
            hold: filter.hold.map(|hold| Uuid(*hold.as_bytes())),
            since: filter.since.map(Timestamp::as_millisecond),
            until: filter.until.map(Timestamp::as_millisecond),
        }
    }

    fn conditions(&self) -> Conditions<'_> {
        fn given<T: ToSql + Sync>(value: &Option<T>) -> Option<&(dyn ToSql + Sync)> {
            value.as_ref().map(|value| value as &(dyn ToSql + Sync))
        }
        let all: [(&str, &str, Option<&(dyn ToSql + Sync)>, Type); 7] = [
            (
                "e.account = (SELECT id FROM tollgate.accounts WHERE name =",
                ")",
                given(&self.filter.account),
                Type::TEXT,
            ),
            ("h.key =", "", given(&self.filter.key), Type::TEXT),
            ("e.kind =", "", given(&self.kind), Type::TEXT),
            ("e.hold =", "", given(&self.hold), Type::UUID),
            (
                "e.hold IN (SELECT id FROM tollgate.holds WHERE request =",
                ")",
                given(&self.filter.request),
                Type::TEXT,
            ),
            ("e.at >=", "", given(&self.since), Type::INT8),
            ("e.at <", "", given(&self.until), Type::INT8),
        ];
        let mut conditions = Conditions::default();
        for (before, behind, value, of) in all {
            if let Some(value) = value {
                conditions.push(before, behind, value, of);
            }
        }
        conditions
    }
}

/// The hold, of which nothing changes from here on: neither does the balance of its account.
async fn must_lock(change: &Statements<'_>, id: HoldId) -> Result<StoredHold, BalanceError> {
    let sql = "SELECT FROM tollgate.accounts
               WHERE id = (SELECT account FROM tollgate.holds WHERE id = $1) FOR NO KEY UPDATE";
    let parameters: &[Parameter<'_>] = &[(&Uuid(*id.as_bytes()), Type::UUID)];
    change.query(sql, parameters).await?;
    let sql = "SELECT FROM tollgate.holds WHERE id = $1 FOR NO KEY UPDATE";
    change.query(sql, parameters).await?;
    must_find(change, id).await
}

async fn must_find(statements: &Statements<'_>, id: HoldId) -> Result<StoredHold, BalanceError> {
    let parameters: &[Parameter<'_>] = &[(&Uuid(*id.as_bytes()), Type::UUID)];
    let rows = statements.query(&format!("{HOLDS} WHERE h.id = $1"), parameters).await?;
    let row = rows.first().ok_or(BalanceError::NoSuchHold(id))?;
    Ok(hold(row)?)
}

fn entry(row: &Row) -> Result<Entry, StoreError> {
    let kind: &str = column(row, 3)?;
    let hold: Option<Uuid> = column(row, 8)?;
    Ok(Entry {
        id: column(row, 0)?,
        at: time(row, 1)?,
        account: column(row, 2)?,
        kind: kind.parse().map_err(|_| StoreError::corrupt("an entry is of no known kind"))?,
        amount: Amount::from_micros(column(row, 4)?),
        item: column(row, 5)?,
        key: column(row, 6)?,
        request: column(row, 7)?,
        hold: hold.map(|Uuid(bytes)| HoldId::from_bytes(bytes)),
        note: column(row, 9)?,
    })
}

fn hold(row: &Row) -> Result<StoredHold, StoreError> {
    Ok(StoredHold {
        id: holds::id(row, 0)?,
        account: column(row, 1)?,
        key: column(row, 2)?,
        amount: Amount::from_micros(column(row, 3)?),
        item: column(row, 4)?,
        request: column(row, 5)?,
        state: holds::state(row, 6)?,
        created_at: time(row, 7)?,
        limit_at: limit(column(row, 8)?),
        at_limit: column(row, 9)?,
        ended_at: time_if_any(row, 10)?,
    })
}
