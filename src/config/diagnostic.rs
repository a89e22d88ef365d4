use crate::file_stamps::FileStamps;
use std::{
    fmt,
    path::{Path, PathBuf},
};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The configuration is refused.
    Error,
    /// The configuration is used, but something in it will not work.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// One thing to say about a configuration file, and where.
///
/// Neither the message nor the help repeats a value from the file: it may be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// The file, as it was named to [`load`](super::load).
    pub file: PathBuf,
    /// The line, from 1. None where the mistake is in no line: a file that cannot be read, something missing.
    pub line: Option<usize>,
    /// The column, from 1, counted in characters.
    pub column: Option<usize>,
    /// The key, such as `upstream.grsai.endpoint[0].url`. Empty where no key is to blame.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it, where that is known.
    pub help: Option<String>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.severity, self.file.display())?;
        for number in [self.line, self.column].into_iter().flatten() {
            write!(f, ":{number}")?;
        }
        if !self.path.is_empty() {
            write!(f, ": {}", self.path)?;
        }
        write!(f, ": {}", self.message)?;
        match &self.help {
            Some(help) => write!(f, "\n  help: {help}"),
            None => Ok(()),
        }
    }
}

impl Diagnostic {
    /// Says it in the log, as something that will not work.
    pub(crate) fn log_warning(&self) {
        tracing::warn!("{}", self.to_string().trim_start_matches("warning: "));
    }
}

/// Why a configuration is refused: everything there is to say about it, warnings included, in the order of the lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errors(pub Vec<Diagnostic>);

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, diagnostic) in self.0.iter().enumerate() {
            let separator = if i == 0 { "" } else { "\n" };
            write!(f, "{separator}{diagnostic}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Errors {}

/// Collects diagnostics for one file and turns offsets into lines.
pub(super) struct Report<'a> {
    file: &'a Path,
    text: &'a str,
    /// What is read besides.
    files: &'a mut FileStamps,
    diagnostics: Vec<Diagnostic>,
}

impl<'a> Report<'a> {
    pub(super) fn new(file: &'a Path, text: &'a str, files: &'a mut FileStamps) -> Self {
        Self { file, text, files, diagnostics: Vec::new() }
    }

    /// To be called before another file is read that the configuration depends on.
    pub(super) fn reads(&mut self, file: &Path) {
        self.files.note(file);
    }

    pub(super) fn add(
        &mut self,
        severity: Severity,
        offset: Option<usize>,
        path: &str,
        message: String,
        help: Option<String>,
    ) {
        let (line, column) = offset.map(|offset| self.position(offset)).unzip();
        self.diagnostics.push(Diagnostic {
            severity,
            file: self.file.to_owned(),
            line,
            column,
            path: path.to_owned(),
            message,
            help,
        });
    }

    /// The line and the column of an offset, both from 1.
    pub(super) fn position(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.matches('\n').count() + 1;
        (line, before[start..].chars().count() + 1)
    }

    pub(super) fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// Everything that was added, in the order of the lines; what has no line comes first.
    pub(super) fn finish(mut self) -> Vec<Diagnostic> {
        self.diagnostics.sort_by_key(|diagnostic| (diagnostic.line, diagnostic.column));
        self.diagnostics
    }
}
