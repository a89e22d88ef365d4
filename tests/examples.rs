//! The examples that are programs do what they say: each asserts that itself.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use std::{path::PathBuf, process::Command};

/// `cargo test` builds them beside the tests; `cargo test --test examples` alone does not.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(|deps| deps.parent()).unwrap();
    profile.join("examples").join(name)
}

#[test]
fn they_run() {
    for name in ["own_key_store", "own_ledger", "own_profile", "tower_stack"] {
        let program = example(name);
        let output = Command::new(&program).output().unwrap_or_else(|error| {
            panic!("{}: {error}; cargo build --examples", program.display())
        });
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !output.stdout.is_empty(), "{name}: {said}");
    }
}
