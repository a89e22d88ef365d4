use crate::file_stamps::FileStamps;

/// For so many looks nobody has written: half a file can read well.
const QUIET: u32 = 2;

/// Whether the files have changed since they were read.
#[derive(Debug, Default)]
pub(super) struct Changes {
    read: FileStamps,
    /// How they were at the last look, if that was another way, and at how many before it.
    seen: Option<(FileStamps, u32)>,
}

impl Changes {
    /// Since they were read like this.
    pub(super) fn since(read: FileStamps) -> Self {
        Self { read, seen: None }
    }

    /// Whether it is time to read them again: they have changed, and nobody writes any more.
    pub(super) fn look(&mut self) -> bool {
        self.is_due(self.read.again())
    }

    fn is_due(&mut self, now: FileStamps) -> bool {
        if now == self.read {
            self.seen = None;
            return false;
        }
        let looks = match &self.seen {
            Some((seen, looks)) if *seen == now => looks.saturating_add(1),
            _ => 0,
        };
        self.seen = Some((now, looks));
        looks >= QUIET
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, path::PathBuf};

    /// A directory of this test's own.
    fn directory() -> PathBuf {
        let name = format!("tollgate-changes-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn read_again_when_nobody_writes_any_more() {
        let directory = directory();
        let [one, two] = ["one", "two"].map(|name| directory.join(name));
        fs::write(&one, "1").unwrap();
        // The second is not there yet.
        let mut changes = Changes::since(FileStamps::of([&*one, &*two]));
        assert!(!changes.look());
        fs::write(&one, "1 and a half").unwrap();
        assert!(!changes.look() && !changes.look());
        fs::write(&one, "1 and all the rest").unwrap();
        assert!(!changes.look() && !changes.look(), "somebody writes");
        assert!(changes.look());
        // Until it is read.
        assert!(changes.look());
        changes = Changes::since(FileStamps::of([&*one, &*two]));
        for _ in 0..4 {
            assert!(!changes.look());
        }
        fs::write(&two, "").unwrap();
        assert!(!changes.look() && !changes.look() && changes.look());
        fs::remove_file(&two).unwrap();
        for _ in 0..4 {
            assert!(!changes.look(), "as it was");
        }
        // Another file of the same length in its place, as editors and Kubernetes do it.
        fs::write(directory.join("new"), "1 and all the rest").unwrap();
        fs::rename(directory.join("new"), &one).unwrap();
        assert!(!changes.look() && !changes.look() && changes.look());
        fs::remove_dir_all(directory).unwrap();
    }
}
