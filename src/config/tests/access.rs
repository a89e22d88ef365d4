//! Who may call, and how often.
use super::*;
use crate::{
    config::{AuthMode, LimitKey, Scheme},
    limit::OnStoreFailure,
};

/// A digest, `d` times 64.
fn digest(d: &str) -> String {
    d.repeat(64)
}

#[test]
fn keys_and_limits() {
    let directory = Directory::new("access");
    let config = load(&directory.file(FILE, EVERYTHING), env).unwrap().config;
    let auth = config.auth.as_ref().unwrap();
    assert_eq!(auth.accept, [Scheme::Bearer]);
    assert_eq!((auth.realm.as_str(), auth.key_prefix.get().as_str()), ("image api", "img"));
    assert_eq!(auth.file_digests, [digest("1").parse().unwrap(), digest("2").parse().unwrap()]);
    assert_eq!(auth.key[0].digest.get(), digest("A").parse().unwrap());
    assert_eq!(auth.forward.account.as_ref().unwrap().get(), "x-tollgate-account");
    let mut route = config.route[0].clone();
    assert_eq!(config.auth_of(&route), AuthMode::Optional);
    route.auth = None;
    assert_eq!(config.auth_of(&route), AuthMode::Required);
    assert_eq!(accept(REST).config.auth_of(&route), AuthMode::None);
    let limit = &config.limit[1];
    assert_eq!((&limit.key, limit.on_store_failure), (&LimitKey::Principal, OnStoreFailure::Local));
    let rates: Vec<_> = limit
        .rates()
        .map(|(plan, rate)| (plan, rate.interval().as_millis(), rate.burst().get()))
        .collect();
    assert_eq!(rates, [(None, 12_000, 7), (Some("big"), 12_000, 9), (Some("pro"), 600, 100)]);
    let at_once: Vec<_> =
        config.limit[2].in_flights().map(|(plan, most)| (plan, most.get())).collect();
    assert_eq!(at_once, [(None, 3), (Some("pro"), 8)]);
    assert_eq!(config.route[0].limits[1].cost.get(), 2);
}

#[test]
fn mistakes_about_keys() {
    let directory = Directory::new("keys");
    directory.file("keys.sha256", format!("{}\nsk-5ecret\n", digest("1")));
    let text = format!(
        r#"
[auth]
accept = []
realm = "a\"b"
keys_file = "{}"
forward = {{ account = "x-a", plan = "X-A", key_id = "host" }}
[[auth.key]]
digest = "{}"
account = "acme"
plan = "por"
expires = "2001-01-01T00:00:00Z"
[[auth.key]]
digest = "{}"
account = ""
[[auth.key]]
digest = "sk-5ecret"
account = "b"
[[auth.key]]
digest = "{}"
account = "b"
scopes = ["a b"]
[[limit]]
name = "per-key"
key = "principal"
rate = "1/s"
plans = {{ pro = {{ rate = "2/s" }} }}
{REST}
limits = ["per-key"]
"#,
        directory.0.join("keys.sha256").display(),
        digest("a"),
        digest("A"),
        digest("b")
    );
    assert_eq!(
        reject(&text),
        [
            ":3:10: auth.accept: nobody could send a key | name `bearer`, `x-api-key` or both",
            ":4:9: auth.realm: expected up to 128 visible ASCII characters and spaces, without quotes and backslashes",
            ":5:13: auth.keys_file: line 2: expected a SHA-256 digest: 64 hexadecimal digits",
            ":6:37: auth.forward.plan: the same header as `account`",
            ":6:53: auth.forward.key_id: this header has a meaning of its own and cannot carry anything of ours",
            ":10:8: auth.key[0].plan: no limit knows this plan | did you mean `pro`?",
            "warning: tollgate.toml:11:11: auth.key[0].expires: this key has expired",
            ":14:11: auth.key[1].account: a name is 1 to 128 visible characters, with spaces only between them",
            ":16:10: auth.key[2].digest: expected the SHA-256 of a key, 64 hexadecimal digits",
            ":21:11: auth.key[3].scopes[0]: a scope is 1 to 128 visible ASCII characters without spaces, commas, quotes and backslashes",
        ]
    );
    let twice = format!(
        "[auth]\n[[auth.key]]\ndigest = \"{}\"\naccount = \"a\"\nid = \"i\"\n[[auth.key]]\ndigest = \"{}\"\naccount = \"b\"\nid = \"i\"\n{REST}",
        digest("a"),
        digest("A")
    );
    assert_eq!(
        reject(&twice),
        [
            ":7:10: auth.key[1].digest: the same digest as auth.key[0]",
            ":9:6: auth.key[1].id: the same id as auth.key[0]"
        ]
    );
    for (text, expected) in [
        (
            format!("[auth]\n{REST}"),
            ":1:1: auth: there are no keys: nobody could call | name a store in `server.store`, digests in [[auth.key]], a `keys_file` or [[auth.certificate]]",
        ),
        (
            format!("{REST}auth = \"required\"\n"),
            ":8:8: route[0].auth: there are no keys to be asked for | write a table [auth], or name a store in `server.store`",
        ),
        (
            format!("{REST}auth = \"no\"\n"),
            ":8:8: route[0].auth: expected `required`, `optional` or `none`",
        ),
        (
            format!("{REST}scopes = [\"a\"]\n"),
            ":8:10: route[0].scopes: this route asks for no key, so nobody has scopes",
        ),
        (
            format!(
                "[server]\nstore = \"sqlite://k.db\"\n{REST}auth = \"required\"\nscopes = [\"m:{{x}}\"]\n"
            ),
            ":11:11: route[0].scopes[0]: a parameter that `path` does not have",
        ),
        (
            format!("[auth]\nkeys_file = \"nowhere.sha256\"\n{REST}"),
            ":2:13: auth.keys_file: the file cannot be read: there is no such file",
        ),
    ] {
        assert_eq!(reject(&text), [expected], "{text}");
    }
}

#[test]
fn mistakes_about_limits() {
    let text = format!(
        r#"
[[limit]]
name = "a b"
key = "ip"
rate = "100"
[[limit]]
name = "both"
key = "address"
rate = "1/s"
in_flight = 1
[[limit]]
name = "neither"
key = "address"
[[limit]]
name = "slots"
key = "account"
in_flight = 2
burst = 3
[limit.plans]
pro = {{ rate = "1/s" }}
[[limit]]
name = "rated"
key = "address"
rate = "10/s"
burst = 5
plans = {{ pro = {{ in_flight = 1 }}, none = {{}} }}
[[limit]]
name = "rated"
key = "route"
rate = "0/s"
{REST}
limits = ["both", "neither", "slots", {{ name = "rated", cost = 6 }}, "both", "ratde", {{ name = "slots", cots = 1 }}]
"#
    );
    assert_eq!(
        reject(&text),
        [
            ":3:8: limit[0].name: expected up to 64 letters, digits, `_`, `-` and `.`",
            ":4:7: limit[0].key: expected `address`, `principal`, `account`, `route` or `header:NAME`",
            ":5:8: limit[0].rate: expected a number and a time, such as \"100/s\", \"5/m\", \"1000/h\" or \"10/15s\"",
            ":10:13: limit[1].in_flight: cannot go with `rate` | write two limits, and both names in the route's `limits`",
            ":11:1: limit[2]: a limit needs a number | write `rate = \"100/s\"` or `in_flight = 10`",
            ":18:9: limit[3].burst: means nothing with `in_flight`",
            ":20:7: limit[3].plans.pro: expected `in_flight`, as in the limit itself",
            ":26:9: limit[4].plans: only limits that are counted by principal or account have plans",
            ":26:17: limit[4].plans.pro: expected `rate`, `burst` or both, as in the limit itself",
            ":26:43: limit[4].plans.none: expected `rate`, `burst` or both, as in the limit itself",
            ":28:8: limit[5].name: the same name as that of limit[4]",
            ":30:8: limit[5].rate: a rate of nothing would refuse every request",
            ":39:104: route[0].limits[6].cots: unknown key | did you mean `cost`?",
        ]
    );
    let limits = r#"
[[limit]]
name = "per-address"
key = "address"
rate = "5/s"
[[limit]]
name = "per-key"
key = "principal"
rate = "5/s"
[[limit]]
name = "slots"
key = "address"
in_flight = 5
[[limit]]
name = "idle"
key = "address"
rate = "1/s"
"#;
    let text = format!(
        "{limits}{REST}limits = [\"per-address\", \"per-adress\", \"nothing\", \"per-key\", {{ name = \"per-address\", cost = 6 }}, {{ name = \"slots\", cost = 2 }}]\n"
    );
    assert_eq!(
        reject(&text),
        [
            "warning: tollgate.toml:14:1: limit[3]: no route names this limit in its `limits`",
            ":25:26: route[0].limits[1]: there is no limit of this name | did you mean `per-address`?",
            ":25:40: route[0].limits[2]: there is no limit of this name | known here: per-address, per-key, slots, idle",
            ":25:51: route[0].limits[3]: counted by principal, and this route asks for no key | count it by address, or set `auth = \"required\"`",
            ":25:62: route[0].limits[4]: this limit is there twice",
            ":25:62: route[0].limits[4]: a cost above the burst of 5 would never be admitted",
            ":25:98: route[0].limits[5]: a limit of requests at a time has no `cost`",
        ]
    );
}

#[test]
fn requests_at_a_time_are_counted_twice_at_most() {
    let limit = |name: &str, key: &str| {
        format!("[[limit]]\nname = \"{name}\"\nkey = \"{key}\"\nin_flight = 5\n")
    };
    let limits = [("a", "address"), ("b", "principal"), ("c", "header:x-c"), ("d", "account")]
        .map(|(name, key)| limit(name, key))
        .concat();
    let keys = format!("[auth]\n[[auth.key]]\ndigest = \"{}\"\naccount = \"a\"\n", digest("1"));
    let route = |names: &str| format!("{keys}{limits}{REST}limits = [{names}]\n");
    let help =
        "a route has one `in_flight` by address, route or header, and one by principal or account";
    let of_sort = |text: &str| -> Vec<String> {
        reject(text).into_iter().filter(|line| !line.starts_with("warning")).collect()
    };
    accept(
        &route("\"a\", \"b\"")
            .replace("[[limit]]\nname = \"c\"\nkey = \"header:x-c\"\nin_flight = 5\n", ""),
    );
    for (names, at, name, sort, first) in [
        ("'a', 'c'", ":28:16", "limits[1]", "address, route or header", "a"),
        ("'b', 'a', 'd'", ":28:21", "limits[2]", "principal or account", "b"),
    ] {
        let line = format!(
            "{at}: route[0].{name}: a second limit of requests at a time by {sort}, beside `{first}` | {help}"
        );
        assert_eq!(of_sort(&route(names)), [line], "{names}");
    }
}

#[test]
fn limits_that_could_not_work() {
    let text = format!(
        r#"
[auth]
forward = {{ account = "x-account" }}
[[auth.key]]
digest = "{}"
account = "acme"
[[limit]]
name = "chosen"
key = "header:X-Account"
rate = "1/s"
[[limit]]
name = "slow"
key = "account"
rate = "1/h"
burst = 1000000
[limit.plans]
slow = {{ burst = 2000000 }}
slower = {{ rate = "1/d", burst = 40000 }}
fine = {{ rate = "2/h" }}
{REST}
limits = ["chosen", "slow"]
"#,
        digest("1")
    );
    let slow = "it takes more than a hundred years to recover";
    assert_eq!(
        reject(&text),
        [
            ":9:7: limit[0].key: `auth.forward` sets this header later: here it is what the client chose | count by `principal` or `account`".to_owned(),
            format!(":15:9: limit[1].burst: {slow}"),
            format!(":17:18: limit[1].plans.slow.burst: {slow}"),
            format!(":18:34: limit[1].plans.slower.burst: {slow}"),
        ]
    );
}

#[test]
fn authorities_are_for_a_redis_over_tls() {
    let directory = Directory::new("authorities");
    let check = |limits: &str| {
        let text = format!("[server]\n{limits}\nlimits_ca_file = \"ca.pem\"\n{REST}");
        load(&directory.file(FILE, text), env).map_err(|error| error.to_string())
    };
    let mut table = vec![("", false), ("limits = \"local\"", false)];
    if cfg!(feature = "redis") {
        table.extend([
            ("limits = \"redis://h\"", false),
            ("limits = \"rediss://h\"", true),
            ("limits = \"valkeys://h\"", true),
        ]);
    }
    for (limits, good) in table {
        match check(limits) {
            Ok(loaded) => {
                let file = directory.0.join("ca.pem");
                assert_eq!(
                    (loaded.config.server.limits_ca_file, good),
                    (Some(file), true),
                    "{limits}"
                );
            }
            Err(error) => assert!(!good && error.contains("means nothing unless"), "{error}"),
        }
    }
}
