//! Configurations of tollgate, and the keys of its callers.

use super::scenario::{KEYS, key};
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};
use tollgate::auth::{ApiKey, KeyDigest};

/// What tollgate asks of its callers, and what it says of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Policy {
    None,
    /// Nothing asked, and a line in the access log for each request.
    Logged,
    /// A thousand keys in a file, and a quota for each.
    Keys,
    /// The same keys in SQLite.
    StoredKeys,
}

/// A configuration file of this policy, on ports that are free. `binary` makes the store, where there is one.
pub(super) fn write(origin: SocketAddr, policy: Policy, binary: &Path) -> PathBuf {
    let (name, template) = match policy {
        Policy::None => ("plain", include_str!("../product.plain.toml").to_owned()),
        Policy::Logged => (
            "logged",
            replace(
                include_str!("../product.plain.toml"),
                "access_log = false",
                "access_log = true",
            ),
        ),
        Policy::Keys => ("policy", include_str!("../product.policy.toml").to_owned()),
        Policy::StoredKeys => ("stored", stored(binary)),
    };
    let keys = file("sha256");
    let digests = (0..KEYS).map(|caller| {
        let key = ApiKey::parse(&key(caller)).unwrap();
        format!("{}\n", KeyDigest::of(&key))
    });
    fs::write(&keys, digests.collect::<String>()).unwrap();
    let filled = template
        .replace("{keys_sha256_file}", keys.to_str().unwrap())
        .replace("{rate}", "1000000")
        .replace("{port}", "0")
        .replace("{admin_port}", "0")
        .replace("{origin_port}", &origin.port().to_string())
        .replace("{workers}", "1");
    let path = file(&format!("{name}.toml"));
    fs::write(&path, filled).unwrap();
    path
}

/// The policy with its keys in a store that is made here.
fn stored(binary: &Path) -> String {
    let (store, keys) = (file("db"), file("csv"));
    for of_store in ["db", "db-wal", "db-shm"] {
        let _ = fs::remove_file(file(of_store));
    }
    let lines = (0..KEYS).map(|caller| format!("{},bench\n", key(caller)));
    fs::write(&keys, format!("key,account\n{}", lines.collect::<String>())).unwrap();
    let store = format!("sqlite://{}", store.display());
    let import = Command::new(binary)
        .args(["keys", "--store", &store, "import"])
        .arg(&keys)
        .output()
        .unwrap();
    assert!(import.status.success(), "{}", String::from_utf8_lossy(&import.stderr));
    let template = replace(
        include_str!("../product.policy.toml"),
        "workers = {workers}",
        &format!("workers = {{workers}}\nstore = \"{store}\""),
    );
    replace(&template, "keys_file = \"{keys_sha256_file}\"\n", "")
}

fn replace(template: &str, what: &str, with: &str) -> String {
    assert!(template.contains(what), "the template has no {what}");
    template.replace(what, with)
}

/// A file of this run.
pub(super) fn file(name: &str) -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    directory.join(format!("end_to_end-{}.{name}", std::process::id()))
}
