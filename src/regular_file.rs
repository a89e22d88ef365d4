//! Files that are read whole.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

/// What a file says, if it is one and not longer than this. Whatever else has a name among files may be silent for ever, or never end.
///
/// # Errors
///
/// When it cannot be read; [`why`] says it in words.
pub(crate) fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    check(path)?;
    read_any(path, most)
}

/// The same of anything that can be read.
///
/// # Errors
///
/// As [`read`].
pub(crate) fn read_any(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        let message = format!("it is larger than {} MiB", most >> 20);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}

/// Whether it is a file.
///
/// # Errors
///
/// If not.
pub(crate) fn check(path: &Path) -> io::Result<()> {
    let data = std::fs::metadata(path)?;
    if data.is_file() || data.is_dir() {
        // Of a directory the system has a word of its own.
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"))
}

/// Why a file cannot be read, in the words of the system's own messages, without its path.
pub(crate) fn why(error: &io::Error) -> String {
    match (error.kind(), error.get_ref()) {
        (io::ErrorKind::NotFound, _) => "there is no such file".to_owned(),
        (_, Some(ours)) => ours.to_string(),
        (kind, None) => kind.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read() {
        let directory = std::env::temp_dir().join(format!("tollgate-files-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let file = directory.join("file");
        std::fs::write(&file, "12345").unwrap();
        assert_eq!(read(&file, 5).unwrap(), b"12345");
        let table = [
            (&*file, 4, "it is larger than 0 MiB"),
            (Path::new("/dev/zero"), 5, "it is no regular file"),
            (&*directory, 5, "is a directory"),
            (&directory.join("none"), 5, "there is no such file"),
        ];
        for (path, most, reason) in table {
            assert_eq!(why(&read(path, most).unwrap_err()), reason, "{path:?}");
        }
        assert!(read_any(Path::new("/dev/zero"), 5).is_err());
        std::fs::remove_dir_all(directory).unwrap();
    }
}
