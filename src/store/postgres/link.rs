//! The connection of a thread for whose answers requests wait.

use super::{
    PostgresError,
    migrate::{MIGRATIONS, applied},
    session::{Statements, column},
    url::PostgresUrl,
};
use crate::store::StoreError;
use std::time::{Duration, Instant};
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_postgres::{Client, types::Type};

/// How long something is tried before whoever waits hears that it has failed.
const PATIENCE: Duration = Duration::from_secs(2);
/// The same while the server is known to be away: what has waited in the meantime shall not have waited in vain for much longer.
const PATIENCE_IN_OUTAGE: Duration = Duration::from_secs(1);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(50);
/// How often something is tried that meets what others do at the same time.
const MOST_CONFLICTS: u32 = 5;

/// A connection that is made anew when it breaks.
#[derive(Debug)]
pub(super) struct Link {
    url: PostgresUrl,
    open: Option<Open>,
    /// Who served a connection that was given up. It may still be at it, or find in its buffer what it was sent.
    left: Option<Backend>,
    is_out: bool,
}

#[derive(Debug)]
struct Open {
    client: Client,
    driver: JoinHandle<()>,
    backend: Backend,
}

/// A process of the server. Numbers are used again, but not at the same time.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Backend {
    process: i32,
    began: String,
}

/// Nothing more is sent, and nothing is read.
impl Drop for Open {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Link {
    pub(super) fn new(url: PostgresUrl) -> Self {
        Self { url, open: None, left: None, is_out: false }
    }

    /// Does something that may be done twice. It is done again where the connection breaks, or where it meets what others do.
    pub(super) async fn with<T>(
        &mut self,
        work: impl AsyncFn(&Statements<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let patience = if self.is_out { PATIENCE_IN_OUTAGE } else { PATIENCE };
        let began = Instant::now();
        let mut conflicts = 0;
        let mut last = None;
        loop {
            let left = patience.saturating_sub(began.elapsed());
            let error = match timeout(left, self.attempt(&work, patience)).await {
                Ok(Ok(done)) => {
                    self.is_out = false;
                    return Ok(done);
                }
                Ok(Err(error)) => error,
                Err(_) => last.take().unwrap_or(PostgresError::Silent(patience).into()),
            };
            match &error {
                StoreError::Postgres(met) if met.is_conflict() => {
                    conflicts += 1;
                    if conflicts < MOST_CONFLICTS {
                        continue;
                    }
                }
                StoreError::Postgres(broken) if broken.is_broken() => {
                    self.close();
                    if !self.is_out && began.elapsed() + PAUSE < patience {
                        last = Some(error);
                        sleep(PAUSE).await;
                        continue;
                    }
                }
                _ => {}
            }
            if error.is_outage() {
                self.is_out = true;
                self.close();
            }
            return Err(error);
        }
    }

    async fn attempt<T>(
        &mut self,
        work: &impl AsyncFn(&Statements<'_>) -> Result<T, StoreError>,
        patience: Duration,
    ) -> Result<T, StoreError> {
        if self.open.as_ref().is_none_or(|open| open.client.is_closed()) {
            self.close();
        }
        let open = match self.open.take() {
            Some(open) => open,
            None => self.connect(patience).await?,
        };
        work(&Statements::of(&self.open.insert(open).client)).await
    }

    fn close(&mut self) {
        if let Some(open) = self.open.take() {
            self.left = Some(open.backend.clone());
        }
    }

    /// Connects, and sees to it that what was begun before is over: whoever was told that it has failed would not look for it.
    async fn connect(&mut self, patience: Duration) -> Result<Open, StoreError> {
        let (client, driver) = self.url.connect_within(patience).await?;
        let driver = tokio::spawn(async {
            // How it ends, the client says too.
            let _ = driver.await;
        });
        let mut open =
            Open { client, driver, backend: Backend { process: 0, began: String::new() } };
        let statements = Statements::of(&open.client);
        if applied(&statements, MIGRATIONS.len()).await? < MIGRATIONS.len() {
            return Err(StoreError::Missing);
        }
        let sql = "SELECT pid, extract(epoch FROM backend_start)::text FROM pg_stat_activity WHERE pid = pg_backend_pid()";
        let row = statements.query_one(sql).await?;
        let backend = Backend { process: column(&row, 0)?, began: column(&row, 1)? };
        if let Some(left) = self.left.clone().filter(|left| *left != backend) {
            end(&statements, &left).await?;
        }
        self.left = None;
        open.backend = backend;
        Ok(open)
    }
}

/// Ends what a process of the server is at, and waits for that.
async fn end(statements: &Statements<'_>, backend: &Backend) -> Result<(), StoreError> {
    let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE pid = $1 AND extract(epoch FROM backend_start)::text = $2 AND usename = session_user";
    let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 2] =
        [(&backend.process, Type::INT4), (&backend.began, Type::TEXT)];
    while !statements.query(sql, &parameters).await?.is_empty() {
        sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}
