use super::{PostgresError, url::PostgresUrl};
use crate::store::StoreError;
use std::{fmt, pin::pin, time::Duration};
use tokio::{
    runtime::{self, Runtime},
    time::timeout,
};
use tokio_postgres::{
    Client, Row,
    types::{FromSql, ToSql, Type},
};

/// How long the server may say nothing after a statement. Each one is a small piece of work.
const PATIENCE: Duration = Duration::from_secs(10);
/// The same for what changes the schema, which may rewrite a table, or looks at all of it.
const PATIENCE_WITH_EVERYTHING: Duration = Duration::from_secs(600);
/// The same for the end of what has failed: it may have been for silence.
const PATIENCE_AFTER_FAILURE: Duration = Duration::from_secs(1);
/// How long one attempt at a locked store is.
const ATTEMPT: Duration = Duration::from_millis(1);

/// All of it as of one moment.
const BEGIN_VIEW: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// Each statement sees what was committed before it: whoever has the lock is alone.
const BEGIN_CHANGE: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";
/// For the server, should it lose its client. Only within a transaction, so that a pool of connections can be in between.
const LIMITS: &str = "SET LOCAL statement_timeout = '10min'; \
                      SET LOCAL idle_in_transaction_session_timeout = '1min'";
/// How long another process may keep the store locked.
const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '5s'";
/// The same where somebody is asked after every attempt, or the others migrate.
const LONG_LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '10min'";

/// A connection whose every step is waited for, by a thread that has nothing else to do.
pub(super) struct Session {
    runtime: Runtime,
    client: Client,
    try_again: Option<fn(i32) -> bool>,
}

/// What a transaction has come to.
pub(super) enum Done<T> {
    /// Something was changed.
    Changed(T),
    /// Something was changed that no gateway follows: the revision stays.
    Kept(T),
    /// It is as it was; the transaction is not stored.
    Same(T),
}

/// What can be asked within a transaction.
pub(super) struct Statements<'a>(&'a Client);

/// A parameter, and its type: no statement is prepared, and nothing of it outlives the transaction.
pub(super) type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

impl Session {
    pub(super) fn open(url: &PostgresUrl) -> Result<Self, StoreError> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(StoreError::Thread)?;
        let client = runtime.block_on(async {
            let (client, driver) = url.connect().await?;
            // It runs only while something is waited for. How it ends, the client says too.
            tokio::spawn(driver);
            Ok::<_, StoreError>(client)
        })?;
        Ok(Self { runtime, client, try_again: None })
    }

    /// Asks this, instead of giving up after a few seconds, whenever another process keeps the store locked.
    pub(super) fn when_locked(&mut self, try_again: fn(i32) -> bool) {
        self.try_again = Some(try_again);
    }

    /// Asks one thing, outside of any transaction.
    pub(super) fn ask(&self, sql: &str) -> Result<Option<Row>, StoreError> {
        self.runtime.block_on(answer(PATIENCE, self.client.query_typed_opt(sql, &[])))
    }

    /// Reads, as of one moment.
    pub(super) fn view<T, E: From<StoreError>>(
        &self,
        read: impl AsyncFnOnce(&Statements<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.runtime.block_on(async {
            self.begin(&[BEGIN_VIEW, LIMITS, LOCK_TIMEOUT]).await?;
            self.rolled_back(read(&Statements(&self.client)).await).await
        })
    }

    /// Changes something. From its beginning on nobody else does; the change is told its revision.
    pub(super) fn change<T, E: From<StoreError>>(
        &self,
        change: impl AsyncFnOnce(&Statements<'_>, i64) -> Result<Done<T>, E>,
    ) -> Result<T, E> {
        self.runtime.block_on(async {
            let lock_timeout =
                if self.try_again.is_some() { LONG_LOCK_TIMEOUT } else { LOCK_TIMEOUT };
            self.begin(&[BEGIN_CHANGE, LIMITS, lock_timeout]).await?;
            let changed = match self.lock().await {
                Ok(revision) => change(&Statements(&self.client), revision).await,
                Err(error) => Err(error.into()),
            };
            match changed {
                Ok(Done::Changed(result)) => {
                    let store = "UPDATE tollgate.revision SET value = value + 1; COMMIT";
                    self.stored(store, result).await
                }
                Ok(Done::Kept(result)) => self.stored("COMMIT", result).await,
                Ok(Done::Same(result)) => self.rolled_back(Ok(result)).await,
                Err(error) => self.rolled_back(Err(error)).await,
            }
        })
    }

    /// Changes the schema; whoever else does so waits.
    pub(super) fn migrate<T>(
        &self,
        migrate: impl AsyncFnOnce(&Statements<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.runtime.block_on(async {
            self.begin(&[BEGIN_CHANGE, LIMITS, LONG_LOCK_TIMEOUT]).await?;
            match migrate(&Statements(&self.client)).await {
                Ok(result) => {
                    answer(PATIENCE, self.client.batch_execute("COMMIT")).await?;
                    Ok(result)
                }
                Err(error) => self.rolled_back(Err(error)).await,
            }
        })
    }

    /// Ends a transaction that is to be stored.
    async fn stored<T, E: From<StoreError>>(&self, how: &str, result: T) -> Result<T, E> {
        match answer(PATIENCE, self.client.batch_execute(how)).await {
            Ok(()) => Ok(result),
            Err(error) => self.rolled_back(Err(PostgresError::storing(error).into())).await,
        }
    }

    async fn begin(&self, statements: &[&str]) -> Result<(), StoreError> {
        answer(PATIENCE, self.client.batch_execute(&statements.join("; "))).await
    }

    /// Waits for its turn, and returns the revision of the change that can be made now.
    async fn lock(&self) -> Result<i64, StoreError> {
        let sql = "SELECT value + 1 FROM tollgate.revision FOR UPDATE";
        let mut locked = pin!(self.client.query_typed_opt(sql, &[]));
        let row = match self.try_again {
            None => answer(PATIENCE, locked).await?,
            Some(try_again) => {
                let mut attempts = 0;
                loop {
                    match timeout(ATTEMPT, locked.as_mut()).await {
                        Ok(row) => break row?,
                        Err(_) if try_again(attempts) => attempts += 1,
                        Err(_) => return Err(StoreError::Locked),
                    }
                }
            }
        };
        column(&row.ok_or(StoreError::Missing)?, 0)
    }

    /// Ends a transaction of which nothing is to be stored.
    async fn rolled_back<T, E: From<StoreError>>(&self, result: Result<T, E>) -> Result<T, E> {
        // What has failed is reported; the next statement finds out whether there still is a connection.
        let patience = if result.is_ok() { PATIENCE } else { PATIENCE_AFTER_FAILURE };
        let ended = answer(patience, self.client.batch_execute("ROLLBACK")).await;
        let result = result?;
        ended?;
        Ok(result)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

impl<'a> Statements<'a> {
    /// Those of a connection that is somebody else's.
    pub(super) const fn of(client: &'a Client) -> Self {
        Self(client)
    }

    /// Statements of which only the failure is news.
    pub(super) async fn run(&self, sql: &str) -> Result<(), StoreError> {
        answer(PATIENCE, self.0.batch_execute(sql)).await
    }

    /// All rows of something that may take its time.
    pub(super) async fn add_up(&self, sql: &str) -> Result<Vec<Row>, StoreError> {
        answer(PATIENCE_WITH_EVERYTHING, self.0.query_typed(sql, &[])).await
    }

    /// All rows.
    pub(super) async fn query(
        &self,
        sql: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        answer(PATIENCE, self.0.query_typed(sql, parameters)).await
    }

    /// The one row that there must be.
    pub(super) async fn query_one(&self, sql: &str) -> Result<Row, StoreError> {
        let row = answer(PATIENCE, self.0.query_typed_opt(sql, &[])).await?;
        row.ok_or(StoreError::Missing)
    }

    /// How many rows were changed.
    pub(super) async fn execute(
        &self,
        sql: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<u64, StoreError> {
        answer(PATIENCE, self.0.execute_typed(sql, parameters)).await
    }

    /// Statements that may take their time.
    pub(super) async fn migrate(&self, sql: &str) -> Result<(), StoreError> {
        answer(PATIENCE_WITH_EVERYTHING, self.0.batch_execute(sql)).await
    }
}

/// What a row has in a column.
pub(super) fn column<'a, T: FromSql<'a>>(row: &'a Row, index: usize) -> Result<T, StoreError> {
    row.try_get(index).map_err(|error| StoreError::Corrupt(error.to_string()))
}

/// Waits for an answer of the server, for some time.
async fn answer<T>(
    patience: Duration,
    asked: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, StoreError> {
    match timeout(patience, asked).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(PostgresError::Silent(patience).into()),
    }
}
