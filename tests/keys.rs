//! `tollgate keys` and `tollgate accounts`, as a process: what they print, what they store, and what they survive.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
    process::Command,
    thread,
};
use support::{
    gateway::{BINARY, run},
    store::{Store, text},
};

impl Store {
    fn ids(&self) -> Vec<String> {
        let all = self.json(&["keys", "list", "--all"]);
        all.as_array().unwrap().iter().map(|key| text(&key["id"])).collect()
    }
}

/// Whether the key itself is anywhere in the store's files.
fn is_in_files(directory: &Path, key: &str) -> bool {
    fs::read_dir(directory).unwrap().any(|entry| {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        bytes.windows(key.len()).any(|window| window == key.as_bytes())
    })
}

#[test]
fn from_creation_to_the_end() {
    let store = Store::new();
    let created = store.json(&[
        "keys",
        "create",
        "--account",
        "acme",
        "--plan",
        "pro",
        "--scope",
        "images",
        "--scope",
        "a:*",
        "--expires",
        "30d",
        "--note",
        "for CI",
    ]);
    let (key, id) = (text(&created["key"]), text(&created["id"]));
    assert!(key.starts_with("tg_") && key.len() == 39, "{created}");
    assert_eq!(created["scopes"], serde_json::json!(["a:*", "images"]));
    assert_eq!((&created["account"], &created["plan"]), (&"acme".into(), &"pro".into()));
    assert!(created["expires_at"].is_string() && created["created_at"].is_string(), "{created}");
    assert!(!is_in_files(store.directory.path(), &key));

    // It is shown once only.
    let shown = store.json(&["keys", "show", &id]);
    assert_eq!((&shown["key"], &shown["state"]), (&Value::Null, &"active".into()));
    assert_eq!(store.json(&["keys", "show", &id[..12]])["id"], created["id"]);

    let rotated = store.json(&["keys", "rotate", &id, "--grace", "1h"]);
    let successor = text(&rotated["id"]);
    assert_ne!(rotated["key"], created["key"]);
    assert_eq!((&rotated["rotated_from"], &rotated["plan"]), (&created["id"], &created["plan"]));
    let old = store.json(&["keys", "show", &id]);
    assert_eq!((&old["rotated_to"], &old["state"]), (&rotated["id"], &"active".into()));
    assert!(text(&old["expires_at"]) < text(&created["expires_at"]), "{old}");
    store.fails(1, "rotated already", &["keys", "rotate", &id]);

    assert_eq!(store.json(&["keys", "revoke", &id])["was_revoked"], false);
    assert_eq!(store.json(&["keys", "revoke", &id])["was_revoked"], true);
    store.fails(1, "cannot be rotated", &["keys", "rotate", &id]);
    let listed = |filter: &[&str]| {
        let keys = store.json(&[&["keys", "list"], filter].concat());
        keys.as_array().unwrap().iter().map(|key| text(&key["id"])).collect::<Vec<_>>()
    };
    assert_eq!(listed(&[]), [&*successor]);
    assert_eq!(listed(&["--state", "revoked"]), [&*id]);
    assert_eq!(listed(&["--state", "expired"]), [""; 0]);
    assert_eq!(listed(&["--all", "--account", "acme"]), [&*id, &*successor]);
    assert_eq!(listed(&["--account", "nobody"]), [""; 0]);

    store.ok(&["accounts", "suspend", "acme"]);
    assert_eq!(store.json(&["keys", "show", &successor])["state"], "suspended");
    assert!(store.json(&["accounts", "list"])[0]["suspended_at"].is_string());
    store.ok(&["accounts", "resume", "acme"]);
    assert_eq!(store.json(&["keys", "show", &successor])["state"], "active");
}

/// A script catches the key, and only that.
#[test]
fn text_for_scripts_and_people() {
    let store = Store::new();
    let done = store.run(&[
        "keys",
        "create",
        "--account",
        "Acme Inc.",
        "--id",
        "first",
        "--prefix",
        "acme",
    ]);
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.out.starts_with("acme_") && done.out.lines().count() == 1, "{done:?}");
    assert!(done.err.contains("first") && done.err.contains("Acme Inc."), "{done:?}");
    assert!(!done.err.contains(done.out.trim()), "{done:?}");
    let listed = store.ok(&["keys", "list"]);
    let lines: Vec<_> = listed.lines().collect();
    assert!(
        lines.len() == 2 && lines[0].starts_with("ID ") && lines[1].starts_with("first "),
        "{listed}"
    );
    assert_eq!(store.ok(&["keys", "revoke", "first"]), "first: revoked\n");
    assert!(store.ok(&["keys", "revoke", "first"]).starts_with("first: was revoked already"));
    let done = store.run(&["keys", "list"]);
    assert_eq!((done.out.as_str(), done.code), ("", 0));
    assert!(done.err.contains("--all"), "{done:?}");
}

#[test]
fn wrong_usage() {
    let store = Store::new();
    let none = store.directory.path().join("none").join("keys.db");
    let none = format!("sqlite://{}", none.display());
    let directory = format!("sqlite://{}", store.directory.path().display());
    store.ok(&["keys", "create", "--account", "a", "--id", "taken"]);
    let long = "x".repeat(129);
    let table: &[(i32, &str, &[&str])] = &[
        (2, "--account", &["keys", "create"]),
        (2, "--account", &["keys", "create", "--account", ""]),
        (2, "--account", &["keys", "create", "--account", &long]),
        (2, "--account", &["keys", "create", "--account", "a\u{1b}[2J"]),
        (2, "--scope", &["keys", "create", "--account", "a", "--scope", "a,b"]),
        (2, "--expires", &["keys", "create", "--account", "a", "--expires", "soon"]),
        (2, "not in the future", &["keys", "create", "--account", "a", "--expires", "2020-01-01"]),
        (2, "--prefix", &["keys", "create", "--account", "a", "--prefix", "Tg"]),
        (1, "taken already", &["keys", "create", "--account", "a", "--id", "taken"]),
        (2, "--grace", &["keys", "rotate", "taken", "--grace=-1h"]),
        (1, "no key nobody", &["keys", "show", "nobody"]),
        (1, "no key nobody", &["keys", "rotate", "nobody"]),
        (1, "no key nobody", &["keys", "revoke", "nobody"]),
        (2, "ID", &["keys", "revoke"]),
        (1, "no account nobody", &["accounts", "suspend", "nobody"]),
        (1, "none.csv", &["keys", "import", "none.csv"]),
        (2, "--all", &["keys", "list", "--all", "--state", "active"]),
        (2, "--store: ", &["keys", "list", "--store", "keys.db"]),
        // Without the feature there is none; with it, this one lacks the name of a database.
        (2, "PostgreSQL", &["keys", "list", "--store", "postgres://u:s3cret@h"]),
        (2, "in memory", &["keys", "list", "--store", "sqlite::memory:"]),
        (1, "no directory", &["keys", "list", "--store", &none]),
        (1, "name a file", &["keys", "list", "--store", &directory]),
    ];
    for (code, said, arguments) in table {
        let said = said.replace("taken already", "a key taken already");
        store.fails(*code, &said, arguments);
        assert!(!store.run(arguments).err.contains("s3cret"));
    }
    let (code, _, err) = run(&["keys", "list"], &[]);
    assert!(code == 2 && err.contains("TOLLGATE_STORE") && err.contains("--store"), "{err}");
    // Of several, those that are there are revoked.
    let done = store.run(&["keys", "revoke", "nobody", "taken"]);
    assert_eq!((done.code, done.out.as_str()), (1, "taken: revoked\n"), "{done:?}");
}

#[test]
fn import() {
    let store = Store::new();
    let keys = store
        .directory
        .file("keys.csv", "key,account,plan,scopes\nsk-1,acme,pro,a b\nsk-2,acme,,\n");
    let keys = keys.to_str().unwrap();
    assert_eq!(store.json(&["keys", "import", keys])["added"], 2);
    assert_eq!(store.ok(&["keys", "import", keys]), "0 added, 0 updated, 2 unchanged\n");
    let other = store.directory.file(
        "other.jsonl",
        "{\"key\":\"sk-3\",\"account\":\"acme\"}\n\n{\"key\":\"sk-2\",\"account\":\"else\"}\n",
    );
    let other = other.to_str().unwrap();
    store.fails(
        1,
        "other.jsonl:3: the key is there already, with other data: account",
        &["keys", "import", other],
    );
    assert_eq!(store.ids().len(), 2, "all or nothing");
    assert_eq!(
        store.ok(&["keys", "import", other, "--update"]),
        "1 added, 1 updated, 0 unchanged\n"
    );

    let bad = store.directory.file("bad.csv", "sk-secret-1,acme\nsk-secret-2,acme\n");
    let done = store.run(&["keys", "import", bad.to_str().unwrap()]);
    assert!(
        done.code == 1 && done.err.contains("bad.csv:1: ") && !done.err.contains("sk-secret"),
        "{done:?}"
    );

    let mut child = store.command(&["keys", "import", "-"]).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"account,key\nacme,sk-4\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.stdout, b"1 added, 0 updated, 0 unchanged\n", "{output:?}");
}

#[test]
fn two_processes_at_once() {
    let store = Store::new();
    thread::scope(|scope| {
        for process in 0..4 {
            let store = &store;
            scope.spawn(move || {
                for number in 0..5 {
                    let id = format!("p{process}-{number}");
                    store.ok(&["keys", "create", "--account", "acme", "--id", &id]);
                }
            });
        }
    });
    assert_eq!(store.ids().len(), 20);
    assert_eq!(store.json(&["accounts", "list"])[0]["keys"], 20);
}

/// `head` leaves before the end of the list.
#[test]
fn a_closed_pipe() {
    let store = Store::new();
    let lines: String = (0..5_000).map(|n| format!("sk-{n},acme\n")).collect();
    let keys = store.directory.file("keys.csv", format!("key,account\n{lines}"));
    store.ok(&["keys", "import", keys.to_str().unwrap()]);
    for format in [&["keys", "list"][..], &["keys", "list", "--json"]] {
        let mut child = store.command(format).spawn().unwrap();
        let mut some = [0; 100];
        child.stdout.take().unwrap().read_exact(&mut some).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
    }
    // A key that nobody got to see is something else.
    let mut child =
        store.command(&["keys", "create", "--account", "acme", "--id", "lost"]).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.code() == Some(1) && said.contains("lost") && said.contains("revoke"),
        "{said}"
    );
}

/// Killed wherever it is: the file is whole, and has all of the keys or none.
#[test]
fn killed_while_it_imports() {
    let count = 4_000;
    let lines: String = (0..count).map(|n| format!("sk-{n},acme\n")).collect();
    let mut outcomes = Vec::new();
    for size in [1, 100_000, 500_000] {
        let store = Store::new();
        let keys = store.directory.file("keys.csv", format!("key,account\n{lines}"));
        store.ok(&["keys", "create", "--account", "before"]);
        let mut child = store.command(&["keys", "import", keys.to_str().unwrap()]).spawn().unwrap();
        // The log of what is to be written says how far it has come.
        let log = store.directory.path().join("keys.db-wal");
        while child.try_wait().unwrap().is_none() {
            if fs::metadata(&log).is_ok_and(|log| log.len() >= size) {
                let _ = child.kill();
            }
            thread::yield_now();
        }
        let left = store.ids().len();
        assert!(left == 1 || left == 1 + count, "{size}: {left}");
        outcomes.push(left);
        // What it left behind is in nobody's way.
        store.ok(&["keys", "import", keys.to_str().unwrap()]);
        assert_eq!(store.ids().len(), 1 + count);
    }
    assert!(outcomes.contains(&1), "never killed in time: {outcomes:?}");
}

#[test]
fn files_that_are_no_store() {
    let store = Store::new();
    fs::write(store.file(), "").unwrap();
    store.fails(1, "no store", &["keys", "list"]);
    // An empty file becomes one.
    store.ok(&["keys", "create", "--account", "acme"]);
    fs::write(store.file(), "key,account\n".repeat(500)).unwrap();
    store.fails(1, "no SQLite database", &["keys", "list"]);
    fs::remove_file(store.file()).unwrap();
    store.ok(&["keys", "create", "--account", "acme"]);
    let mut bytes = fs::read(store.file()).unwrap();
    // The version of the schema, in the header of the file format.
    bytes[60..64].copy_from_slice(&99_u32.to_be_bytes());
    fs::write(store.file(), &bytes).unwrap();
    store.fails(1, "schema 99", &["keys", "list"]);
    bytes[60..64].copy_from_slice(&1_u32.to_be_bytes());
    bytes[4096..].fill(0xA5);
    fs::write(store.file(), &bytes).unwrap();
    store.fails(1, "damaged", &["keys", "list"]);
}

/// For root everything is writable: then somebody else tries.
#[test]
fn a_file_that_may_only_be_read() {
    let store = Store::new();
    store.ok(&["keys", "create", "--account", "acme", "--id", "first"]);
    let mode =
        |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let binary = store.directory.path().join("tollgate");
    fs::copy(BINARY, &binary).unwrap();
    mode(&store.file(), 0o444);
    mode(store.directory.path(), 0o555);
    let is_root = fs::OpenOptions::new().append(true).open(store.file()).is_ok();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(&binary);
        command.args(arguments).env_clear().env("TOLLGATE_STORE", &store.url);
        if is_root {
            command.uid(65_534).gid(65_534);
        }
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let create = ["keys", "create", "--account", "acme"];
    let (code, said) = run(&create);
    assert!(code == Some(1) && said.contains("writ"), "{said}");
    fs::remove_file(store.file())
        .or_else(|_| {
            mode(store.directory.path(), 0o755);
            fs::remove_file(store.file())
        })
        .unwrap();
    mode(store.directory.path(), 0o555);
    let (code, said) = run(&create);
    assert!(code == Some(1) && said.contains("cannot be made"), "{said}");
    mode(store.directory.path(), 0o755);
}

/// Only who brings keys makes a store for them.
#[test]
fn no_store_is_made_by_mistake() {
    let store = Store::new();
    let table: [&[&str]; 8] = [
        &["keys", "list"],
        &["keys", "show", "first"],
        &["keys", "revoke", "first"],
        &["keys", "rotate", "first"],
        &["accounts", "list"],
        &["accounts", "suspend", "acme"],
        &["accounts", "resume", "acme"],
        &["keys", "import", "none.csv"],
    ];
    for arguments in table {
        let said = if arguments.contains(&"import") { "none.csv" } else { "there is no store" };
        store.fails(1, said, arguments);
        assert!(!store.file().exists(), "{arguments:?}");
    }
}

#[test]
fn a_rotation_is_for_good() {
    let store = Store::new();
    let file = store.directory.file("keys.csv", "key,account,id\nsk-1,acme,first\n");
    let file = file.to_str().unwrap();
    store.ok(&["keys", "import", file]);
    store.ok(&["keys", "rotate", "first", "--grace", "0s"]);
    assert_eq!(
        store.ok(&["keys", "import", file, "--update"]),
        "0 added, 0 updated, 1 unchanged\n"
    );
    assert_eq!(store.json(&["keys", "show", "first"])["state"], "expired");

    let old = store.directory.file("old.csv", "key,account,id,expires\nsk-2,a,old,2020-01-01\n");
    store.ok(&["keys", "import", old.to_str().unwrap()]);
    store.fails(1, "--expires", &["keys", "rotate", "old"]);
    let new = store.json(&["keys", "rotate", "old", "--expires", "30d"]);
    assert_eq!(new["state"], "active");
}

/// Whoever mistakes a key for its id does not find it in the log of a terminal.
#[test]
fn keys_in_the_place_of_ids() {
    let store = Store::new();
    let key = text(&store.json(&["keys", "create", "--account", "acme"])["key"]);
    let foreign = format!("sk-{}", "5ecret".repeat(7));
    let other = key.replacen("tg_", "acme_", 1);
    for given in [&*key, &key[..12], &other, &other[..30], &foreign] {
        for command in ["show", "revoke", "rotate"] {
            let done = store.run(&["keys", command, given]);
            assert_eq!((done.code, done.out.as_str()), (1, ""), "{done:?}");
            assert!(!done.err.contains(given) && done.err.contains("no key"), "{done:?}");
        }
    }
}

#[test]
fn it_waits_for_an_import() {
    let store = Store::new();
    store.ok(&["keys", "create", "--account", "acme", "--id", "first"]);
    let import = rusqlite::Connection::open(store.file()).unwrap();
    import.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut child = store.command(&["keys", "revoke", "first"]).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert!(line.contains("another process keeps the store locked"), "{line}");
    import.execute_batch("COMMIT").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.stdout, b"first: revoked\n", "{output:?}");
}
