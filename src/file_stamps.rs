//! Whether files have changed.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Files, and what tells one state of them from another. Links are followed: Kubernetes changes a link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FileStamps(Vec<(PathBuf, Option<Stamp>)>);

/// Device, inode, length, change of the content, change of anything.
type Stamp = (u64, u64, u64, (i64, i64), (i64, i64));

impl FileStamps {
    /// These files, as they are now.
    pub(crate) fn of<'a>(files: impl IntoIterator<Item = &'a Path>) -> Self {
        Self(files.into_iter().map(|file| (file.to_owned(), stamp(file))).collect())
    }

    /// One more file, as it is now: to be called before it is read, so that no change is missed.
    pub(crate) fn note(&mut self, file: &Path) {
        self.0.push((file.to_owned(), stamp(file)));
    }

    /// The same files, as they are now.
    pub(crate) fn again(&self) -> Self {
        Self::of(self.0.iter().map(|(file, _)| &**file))
    }
}

/// `None` where there is no such file.
fn stamp(file: &Path) -> Option<Stamp> {
    let data = fs::metadata(file).ok()?;
    let (content, any) = ((data.mtime(), data.mtime_nsec()), (data.ctime(), data.ctime_nsec()));
    Some((data.dev(), data.ino(), data.len(), content, any))
}
