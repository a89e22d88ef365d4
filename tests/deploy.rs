//! What `deploy/` promises, as far as it can be told without a cluster, a Docker engine or a running systemd: that the tools
//! which read it take it, that every configuration in it is right, and that what belongs together agrees.
//!
//! The tools are those of `deploy/requirements.txt` beside this file, which `tests/all` installs, and Debian's `docker-compose`
//! and `systemd`. One that is missing is a failure.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

#[path = "deploy/docker.rs"]
mod docker;
#[path = "deploy/kubernetes.rs"]
mod kubernetes;
#[path = "deploy/monitoring.rs"]
mod monitoring;
#[path = "deploy/pod_security.rs"]
mod pod_security;
mod support;
#[path = "deploy/systemd.rs"]
mod systemd;

use serde_json::Value;
use std::{
    collections::BTreeMap,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};
use support::gateway::{self, Directory};

/// What a process needs between the end of the drain and its own end, in seconds: the margin of every time to stop.
const MARGIN: u64 = 5;

/// A path in the repository.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    let path = repository(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A tool that `tests/all` has installed, or one on the path.
fn tool(name: &str) -> Command {
    let installed = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .with_file_name("deploy-tools")
        .join("bin")
        .join(name);
    Command::new(if installed.is_file() { installed } else { name.into() })
}

/// Runs a tool to its end, with this on its standard input.
fn finish(command: &mut Command, input: &str) -> Output {
    let child = command
        .current_dir(repository(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child
        .unwrap_or_else(|error| panic!("{command:?}: {error}; tests/all installs what is missing"));
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// What a tool prints that has nothing to complain of.
#[track_caller]
fn output(command: &mut Command, input: &str) -> String {
    let done = finish(command, input);
    let (out, error) =
        (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{command:?}: {}\n{out}{error}", done.status);
    out.into_owned()
}

/// The documents of a YAML text.
#[track_caller]
fn yaml(text: &str) -> Vec<Value> {
    let program = "import json, sys, yaml; json.dump([d for d in yaml.safe_load_all(sys.stdin) if d], sys.stdout)";
    serde_json::from_str(&output(tool("python3").args(["-c", program]), text)).unwrap()
}

/// The variables of an environment file that is shipped as an example, with what it says of them.
fn variables(path: &str) -> BTreeMap<String, String> {
    let text = read(path);
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| line.split_once('=').unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// What an operator has put where an example leaves a secret empty.
fn secret(value: &str) -> String {
    if value.is_empty() { "secret".repeat(8) } else { value.to_owned() }
}

/// Checks a configuration as its gateway would find it: no mistake, and nothing to warn of.
#[track_caller]
fn check(file: &Path, mut environment: BTreeMap<String, String>) -> toml::Table {
    let directory = Directory::default();
    if let Some(store) = environment.get_mut("TOLLGATE_STORE") {
        // The real one is asked by `check` whether it can be reached.
        *store = directory.store();
    }
    let environment: Vec<_> = environment.iter().map(|(name, value)| (&**name, &**value)).collect();
    let (code, out, error) = gateway::run(&["check", file.to_str().unwrap()], &environment);
    assert!(
        code == 0 && error.is_empty() && !out.contains("warning"),
        "{}: {code}\n{out}{error}",
        file.display()
    );
    toml::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

/// A duration of a configuration, in seconds.
fn seconds(table: &toml::Table, key: &str, default: u64) -> u64 {
    let Some(value) = table.get(key) else {
        return default;
    };
    let text = value.as_str().unwrap();
    let number = text.strip_suffix('s').and_then(|number| number.parse().ok());
    number.unwrap_or_else(|| panic!("{key} = {text:?}: whole seconds are easier to compare"))
}

/// Seconds from the signal to stop until a gateway with this configuration has ended by itself, at the latest.
fn drain(configuration: &toml::Table) -> u64 {
    let server = configuration["server"].as_table().unwrap();
    seconds(server, "drain_delay", 0) + seconds(server, "drain_timeout", 30)
}

/// Work that a provider was asked for is not cut off by a stop.
#[track_caller]
fn assert_patient(configuration: &toml::Table) {
    let drain = seconds(configuration["server"].as_table().unwrap(), "drain_timeout", 30);
    for (name, upstream) in configuration["upstream"].as_table().unwrap() {
        let timeout = seconds(upstream.as_table().unwrap(), "timeout", 60);
        assert!(timeout <= drain, "upstream {name} may take {timeout} s, and a drain {drain} s");
    }
}

/// What may be needed at most of this much memory for bodies, in MiB: a second copy while one is at work, and a process around it.
fn memory(configuration: &toml::Table) -> u64 {
    let size = configuration["server"]["max_buffered_bytes"].as_str().unwrap();
    2 * size.strip_suffix("MiB").unwrap().parse::<u64>().unwrap() + 64
}

/// An image by its version, which is not another one tomorrow.
#[track_caller]
fn assert_pinned(image: &str) {
    let tag = image.rsplit('/').next().unwrap().split_once(':').map(|(_, tag)| tag);
    assert!(
        tag.is_some_and(|tag| tag.starts_with(|first: char| first.is_ascii_digit())),
        "{image}: no version"
    );
}
