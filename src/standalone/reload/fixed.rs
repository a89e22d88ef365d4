use crate::config::Config;

/// Keys that differ and that a process has for life: sockets and threads are there from the start, and a store holds what is owed
/// for requests that still run.
pub(super) fn changed(before: &Config, after: &Config) -> Vec<&'static str> {
    let (before, after) = (&before.server, &after.server);
    let keys = [
        ("server.listen", before.listen != after.listen),
        ("server.admin", before.admin != after.admin),
        ("server.workers", before.workers != after.workers),
        ("server.store", before.store != after.store),
    ];
    keys.into_iter().filter_map(|(key, differs)| differs.then_some(key)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_has_for_life() {
        let config =
            |server: &str| toml::from_str::<Config>(&format!("[server]\n{server}")).unwrap();
        let table: [(&str, &str, &[&str]); 7] = [
            ("", "", &[]),
            ("", "max_connections = 5\nvia = \"a\"\ndrain_timeout = \"1s\"", &[]),
            ("", "listen = \"127.0.0.1:8080\"", &[]),
            ("listen = \"127.0.0.1:1\"", "listen = \"127.0.0.1:2\"", &["server.listen"]),
            ("", "admin = \"127.0.0.1:1\"\nworkers = 2", &["server.admin", "server.workers"]),
            ("store = \"sqlite://a\"", "store = \"sqlite://b\"", &["server.store"]),
            ("store = \"sqlite://a\"", "", &["server.store"]),
        ];
        for (before, after, want) in table {
            assert_eq!(changed(&config(before), &config(after)), want, "{before} → {after}");
        }
    }
}
