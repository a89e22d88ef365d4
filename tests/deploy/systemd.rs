//! The unit for a machine without containers.

use super::{MARGIN, check, drain, output, read, repository, secret, tool, variables};
use crate::support::gateway::{BINARY, Directory};
use std::{collections::BTreeMap, path::PathBuf};

const UNIT: &str = "deploy/systemd/tollgate.service";
/// The most that `systemd-analyze security` may find open, of 100.
const EXPOSURE: &str = "--threshold=15";

/// What the unit says of this.
fn settings(key: &str) -> Vec<String> {
    let text = read(UNIT);
    text.lines()
        .filter_map(|line| line.strip_prefix(key)?.strip_prefix('='))
        .map(str::to_owned)
        .collect()
}

/// The unit with the binary under test.
fn unit(directory: &Directory) -> PathBuf {
    directory.file("tollgate.service", read(UNIT).replace("/usr/local/bin/tollgate", BINARY))
}

#[test]
fn systemd_takes_the_unit() {
    let directory = Directory::default();
    let mut verify = tool("systemd-analyze");
    // The state of other units is another machine's business.
    verify
        .args(["verify", "--man=no", "--recursive-errors=no"])
        .arg(unit(&directory))
        .arg("--no-pager");
    let done = super::finish(&mut verify, "");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && !said.contains("tollgate"), "{said}");
}

#[test]
fn the_unit_is_confined() {
    let directory = Directory::default();
    let mut security = tool("systemd-analyze");
    security.args(["security", "--offline=true", "--no-pager", EXPOSURE]).arg(unit(&directory));
    output(&mut security, "");
}

#[test]
fn the_user_is_one_that_can_be_made() {
    let file = repository("deploy/systemd/tollgate.sysusers");
    let made = tool("systemd-sysusers").arg("--dry-run").arg(&file).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let text = read("deploy/systemd/tollgate.sysusers");
    let user =
        text.lines().find_map(|line| line.strip_prefix("u ")).unwrap().split(' ').next().unwrap();
    assert_eq!(
        (settings("User"), settings("Group")),
        (vec![user.to_owned()], vec![user.to_owned()])
    );
}

#[test]
fn the_unit_lets_a_drain_end() {
    let mut environment: BTreeMap<_, _> = variables("deploy/systemd/tollgate.env.example")
        .into_iter()
        .map(|(name, value)| (name, secret(&value)))
        .collect();
    let given = settings("Environment");
    environment.extend(
        given
            .iter()
            .map(|line| line.split_once('=').unwrap())
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    // Its store is where it may write.
    let state = format!("sqlite:///var/lib/{}/", settings("StateDirectory")[0]);
    assert!(environment["TOLLGATE_STORE"].starts_with(&state), "{environment:?}");
    let configuration = check(&repository("examples/apistor.toml"), environment);
    let stop: u64 = settings("TimeoutStopSec")[0].strip_suffix('s').unwrap().parse().unwrap();
    let needed = drain(&configuration) + MARGIN;
    assert!(stop >= needed, "{stop} s, and {needed} s needed");
    // Wrong usage and wrong configuration end it for good.
    assert_eq!(settings("RestartPreventExitStatus"), ["2 78"]);
}
