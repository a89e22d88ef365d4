//! A look at a store before it is used.

use super::{
    Store,
    migrate::{MIGRATIONS, version},
    session::{Session, column},
    url::PostgresUrl,
};
use crate::store::StoreError;

impl Store {
    /// The plans that its keys are on. The database stays as it is.
    ///
    /// # Errors
    ///
    /// If it cannot be connected to or read.
    pub(in crate::store) fn plans(url: &PostgresUrl) -> Result<Vec<String>, StoreError> {
        Session::open(url)?.view(async |view| {
            if version(view, MIGRATIONS.len()).await? == 0 {
                return Ok(Vec::new());
            }
            let sql = "SELECT DISTINCT plan FROM tollgate.keys
                       WHERE plan IS NOT NULL AND revoked_at IS NULL ORDER BY plan";
            view.query(sql, &[]).await?.iter().map(|row| column(row, 0)).collect()
        })
    }
}
