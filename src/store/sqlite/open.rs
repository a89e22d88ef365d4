use super::{
    Store,
    migrate::{MIGRATIONS, migrate, version},
};
use crate::store::{Missing, StoreError};
use rusqlite::{Connection, OpenFlags, config::DbConfig};
use std::{
    fs::{self, OpenOptions},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// How long another process may keep the file locked.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Which file a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    /// Of the file that is there now.
    pub(super) fn of(path: &Path) -> Result<Self, StoreError> {
        let metadata = fs::metadata(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => StoreError::Missing,
            _ => StoreError::Look(error),
        })?;
        Ok(Self { device: metadata.dev(), inode: metadata.ino() })
    }
}

impl Store {
    /// Opens the store at a path, and brings its schema up to date.
    pub(in crate::store) fn open_path(path: &Path, missing: Missing) -> Result<Self, StoreError> {
        let created = prepare_file(path, missing)?;
        let mut connection = Connection::open_with_flags(
            path,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        connection.busy_timeout(PATIENCE)?;
        // Otherwise a statement may be planned anew for every value that it is given.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        // Looked at first: a file that is not ours stays as it is.
        version(&connection, MIGRATIONS.len())?;
        use_wal(&connection)?;
        // Full: a revoked key must not come back after a power failure.
        connection.execute_batch(
            "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA journal_size_limit = 67108864;",
        )?;
        migrate(&mut connection, MIGRATIONS)?;
        Ok(Self { connection, created })
    }
}

/// What is at a path where a store is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing, in a directory that is there.
    Nothing,
    /// A file with nothing in it.
    Empty,
    /// A file, whatever is in it.
    File,
}

/// Only looked at, never opened: closing it would let go of the locks that other connections of this process have.
pub(super) fn look(path: &Path) -> Result<Found, StoreError> {
    match fs::metadata(path) {
        Ok(found) if !found.is_file() => Err(StoreError::NotAFile),
        Ok(found) if found.len() == 0 => Ok(Found::Empty),
        Ok(_) => Ok(Found::File),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            match directory.filter(|directory| !directory.is_dir()) {
                Some(directory) => Err(StoreError::NoDirectory(directory.to_owned())),
                None => Ok(Found::Nothing),
            }
        }
        Err(error) => Err(StoreError::Look(error)),
    }
}

/// Sees to it that there is a file, of which nobody else can read anything; `true` if it was made.
fn prepare_file(path: &Path, missing: Missing) -> Result<bool, StoreError> {
    match (look(path)?, missing) {
        (Found::Nothing, Missing::Create) => make_file(path),
        (Found::Nothing | Found::Empty, Missing::Refuse) => Err(StoreError::Missing),
        (Found::Empty | Found::File, _) => Ok(false),
    }
}

fn make_file(path: &Path) -> Result<bool, StoreError> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(true),
        // Another process was first.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(StoreError::Create(error)),
    }
}

/// Readers and a writer at once. SQLite does not wait by itself when two processes switch a new file over.
fn use_wal(connection: &Connection) -> Result<(), StoreError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mode: rusqlite::Result<String> =
            connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0));
        match mode.map_err(StoreError::from) {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(_) | Err(StoreError::Locked) if Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(5));
            }
            Ok(_) => return Err(StoreError::Locked),
            Err(error) => return Err(error),
        }
    }
}
