//! A store, and the commands that work on it, as processes.

use super::gateway::{BINARY, Directory, run};
use serde_json::Value;
use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

/// A store of the test's own.
pub struct Store {
    pub directory: Directory,
    pub url: String,
}

/// What a command did.
#[derive(Debug)]
pub struct Done {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Default for Store {
    fn default() -> Self {
        let directory = Directory::default();
        let url = format!("sqlite://{}", directory.path().join("keys.db").display());
        Self { directory, url }
    }
}

impl Store {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn file(&self) -> PathBuf {
        self.directory.path().join("keys.db")
    }

    pub fn run(&self, arguments: &[&str]) -> Done {
        let (code, out, err) = run(arguments, &[("TOLLGATE_STORE", &self.url)]);
        assert!(!err.contains("panicked"), "{err}");
        Done { code, out, err }
    }

    #[track_caller]
    pub fn ok(&self, arguments: &[&str]) -> String {
        let done = self.run(arguments);
        assert_eq!(done.code, 0, "{arguments:?}: {done:?}");
        done.out
    }

    /// What a command prints with `--json`.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Value {
        let out = self.ok(&[arguments, &["--json"]].concat());
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
    }

    #[track_caller]
    pub fn fails(&self, code: i32, said: &str, arguments: &[&str]) {
        let done = self.run(arguments);
        assert_eq!((done.code, done.out.as_str()), (code, ""), "{arguments:?}: {done:?}");
        assert!(done.err.contains(said), "{arguments:?}: {said}: {done:?}");
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.args(arguments).env_clear().env("TOLLGATE_STORE", &self.url);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

/// Gives an account of a store money.
pub fn pay_in(store: &str, account: &str, amount: &str) {
    let (code, _, error) =
        run(&["balance", "add", "--store", store, account, amount, "--open"], &[]);
    assert_eq!(code, 0, "{account} {amount}: {error}");
}

/// A new key of an account.
pub fn key(store: &str, account: &str) -> String {
    let create = ["keys", "create", "--store", store, "--json", "--account", account];
    let (code, out, error) = run(&create, &[]);
    assert_eq!(code, 0, "{account}: {error}");
    text(&serde_json::from_str::<Value>(&out).unwrap()["key"])
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value}")).to_owned()
}
