//! Who may call, and how often: the shipped contracts and the real binary, over real sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

#[cfg(feature = "redis")]
#[path = "support/redis_server.rs"]
mod redis_server;
mod support;

use serde_json::Value;
use std::time::{Duration, Instant};
use support::{
    Act, Answer, CREDENTIAL, Gateway, Origin, Version, assert_envelope, assert_fault,
    client::Ask,
    gateway::{Directory, run},
    origin::answer,
    soon,
};
use tollgate::Kind;

const GENERATE: &str = "/api/v1/images/nanobanana/generate";

/// `tollgate … --json` with the directory's store; what it prints.
fn cli(directory: &Directory, arguments: &[&str]) -> Value {
    let store = directory.store();
    let (code, out, err) = run(&[arguments, &["--store", &store, "--json"]].concat(), &[]);
    assert_eq!(code, 0, "{arguments:?}: {err}");
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
}

/// A new key: its id and the key itself.
fn create(directory: &Directory, arguments: &[&str]) -> (String, String) {
    let made = cli(directory, &[&["keys", "create"], arguments].concat());
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    (text("id"), text("key"))
}

fn error(answer: &Answer) -> Value {
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    body["error"].clone()
}

/// A request that the shipped contracts accept.
fn post(path: &str) -> Ask {
    let model = if path == GENERATE { "nanobanano-2" } else { "nanobanana" };
    let ask = Ask::new(Version::Http1, "POST", path).field("content-type", "application/json");
    Ask { body: format!(r#"{{"model":"{model}","prompt":"a cat"}}"#).into_bytes(), ..ask }
}

fn bearer(ask: Ask, key: &str) -> Ask {
    ask.field("authorization", &format!("Bearer {key}"))
}

/// A key that is in form and nobody's.
const NOBODY: &str = "sk-nobody-0123456789";

#[tokio::test]
async fn apistor_answers_every_sort_of_credential() {
    let origin = Origin::ok("made").await;
    let directory = Directory::default();
    let (_, good) = create(&directory, &["--account", "acme"]);
    let (revoked_id, revoked) = create(&directory, &["--account", "acme"]);
    cli(&directory, &["keys", "revoke", &revoked_id]);
    let (rotated_id, rotated) = create(&directory, &["--account", "acme"]);
    let fresh = cli(&directory, &["keys", "rotate", &rotated_id, "--grace", "0s"]);
    let fresh = fresh["key"].as_str().unwrap().to_owned();
    let (_, suspended) = create(&directory, &["--account", "bad-payer"]);
    cli(&directory, &["accounts", "suspend", "bad-payer"]);
    let environment = [("GRSAI_BASE_URL", &*origin.url()), ("GRSAI_API_KEY", CREDENTIAL)];
    let secrets = [&*good, &revoked, &rotated, &fresh, &suspended, NOBODY, "typo"];
    directory.pay_in("acme", "25");
    let gateway = Gateway::example("apistor.toml", directory, &environment, &secrets).await;

    let bearer_of = |key: &str| vec![("authorization", format!("Bearer {key}"))];
    let last = if good.ends_with('x') { 'y' } else { 'x' };
    let damaged = format!("{}{last}", &good[..good.len() - 1]);
    let long = "k".repeat(20_000);
    let table = [
        (vec![], Kind::MissingCredential),
        (bearer_of(NOBODY), Kind::UnknownCredential),
        (vec![("x-api-key", NOBODY.to_owned())], Kind::UnknownCredential),
        (bearer_of(&damaged), Kind::UnknownCredential),
        (bearer_of(&revoked), Kind::RevokedCredential),
        (bearer_of(&rotated), Kind::ExpiredCredential),
        (bearer_of(&suspended), Kind::AccountSuspended),
        (bearer_of(""), Kind::MalformedCredential),
        (bearer_of(&format!("{good} {good}")), Kind::MalformedCredential),
        (bearer_of(&format!("{good},{good}")), Kind::MalformedCredential),
        (bearer_of(&long), Kind::MalformedCredential),
        (vec![("authorization", format!("Basic {good}"))], Kind::MalformedCredential),
        (vec![("authorization", good.clone())], Kind::MalformedCredential),
        (vec![("x-api-key", String::new())], Kind::MalformedCredential),
        ([bearer_of(&good), bearer_of(&good)].concat(), Kind::MalformedCredential),
        (
            [bearer_of(&good), vec![("x-api-key", fresh.clone())]].concat(),
            Kind::MalformedCredential,
        ),
    ];
    for (fields, kind) in table {
        for version in Version::BOTH {
            let mut ask = Ask::new(version, "POST", GENERATE);
            for (name, value) in &fields {
                ask = ask.field(name, value);
            }
            let answer = gateway.ask(ask).await;
            assert_fault(&answer, &gateway.catalog, kind);
            let challenge = answer.fields.one("www-authenticate").unwrap_or_default().to_owned();
            let wanted = match kind {
                Kind::MissingCredential => r#"Bearer realm="api""#,
                Kind::MalformedCredential => r#"Bearer realm="api", error="invalid_request""#,
                Kind::AccountSuspended => "",
                _ => r#"Bearer realm="api", error="invalid_token""#,
            };
            assert!(challenge.starts_with(wanted), "{kind}: {challenge}");
            let says_error = challenge.contains("error=");
            assert_eq!(says_error, wanted.contains("error="), "{kind}: {challenge}");
            let line = gateway.request_line(answer.fields.one("x-request-id").unwrap()).await;
            assert_eq!(line["fault"], kind.as_str(), "{line}");
        }
    }
    assert!(origin.requests().is_empty(), "{:?}", origin.requests());

    for ask in [
        bearer(post(GENERATE), &good),
        bearer(post(GENERATE), &fresh),
        post(GENERATE).field("authorization", &format!("bEARER  {good}")),
        post(GENERATE).field("x-api-key", &good),
        bearer(post(GENERATE), &good).field("x-api-key", &good),
    ] {
        gateway.ask(ask).await.assert_ok("made");
        let request = origin.last_request();
        assert_eq!(request.fields.all("authorization"), [format!("Bearer {CREDENTIAL}")]);
        assert!(!request.fields.has("x-api-key"));
        assert!(!origin.raw().contains(&good) && !origin.raw().contains(&fresh));
    }
}

#[tokio::test]
async fn eggapi_has_two_messages_for_one_code() {
    let origin = Origin::start(|_| {
        vec![Act::send(answer(200, "content-type: application/json\r\n", r#"{"id":"gen_1"}"#))]
    })
    .await;
    let directory = Directory::default();
    let (_, good) = create(&directory, &["--account", "acme"]);
    let (_, suspended) = create(&directory, &["--account", "bad-payer"]);
    cli(&directory, &["accounts", "suspend", "bad-payer"]);
    let environment = [("EGGAPI_PRIMARY_URL", &*origin.url()), ("EGGAPI_PRIMARY_KEY", CREDENTIAL)];
    let secrets = [&*good, &suspended, NOBODY];
    directory.pay_in("acme", "25");
    let gateway = Gateway::example("eggapi.toml", directory, &environment, &secrets).await;

    let missing = "The Authorization header is missing";
    let wrong_form = "The Authorization header must have the form: Bearer YOUR_KEY";
    let invalid = "Invalid or missing API key";
    let table = [
        (post("/v1/generate"), 401, "UNAUTHORIZED", missing),
        // It takes no other header: what is there is nothing.
        (post("/v1/generate").field("x-api-key", &good), 401, "UNAUTHORIZED", missing),
        (post("/v1/generate").field("authorization", &good), 401, "UNAUTHORIZED", wrong_form),
        (post("/v1/generate").field("authorization", "Bearer"), 401, "UNAUTHORIZED", wrong_form),
        (bearer(post("/v1/generate"), NOBODY), 401, "UNAUTHORIZED", invalid),
        (
            bearer(post("/v1/generate"), &suspended),
            403,
            "FORBIDDEN",
            "Your account is suspended, contact support",
        ),
    ];
    for (ask, status, code, message) in table {
        let answer = gateway.ask(ask).await;
        assert_envelope(&answer, &gateway.catalog);
        let error = error(&answer);
        assert_eq!(
            (answer.status, error["code"].as_str(), error["message"].as_str()),
            (status, Some(code), Some(message))
        );
    }
    let made = gateway.ask(bearer(post("/v1/generate"), &good)).await;
    made.assert_ok(r#"{"data":{"id":"gen_1"},"error":null}"#);
    assert!(!origin.only_request().fields.has("x-api-key"));
}

/// Sends so many requests one after the other on one connection; the answers.
async fn burst(gateway: &Gateway, path: &str, fields: &str, count: usize) -> Vec<Answer> {
    let mut client = gateway.client().await;
    let request = format!("GET {path} HTTP/1.1\r\nhost: api.test\r\n{fields}\r\n");
    let mut answers = Vec::with_capacity(count);
    for _ in 0..count {
        answers.push(client.send(&request).await.answer("GET").await);
    }
    answers
}

/// The parameters of one quota in `RateLimit`, such as `r` and `t`.
fn parameter(answer: &Answer, quota: &str, name: &str) -> Option<u64> {
    let field = answer.fields.one("ratelimit")?;
    let member = field.split(',').find(|member| member.contains(&format!("\"{quota}\"")))?;
    let value = member.split(';').find_map(|p| p.trim().strip_prefix(&format!("{name}=")))?;
    value.parse().ok()
}

#[tokio::test]
async fn a_hundred_requests_a_second_for_each_address() {
    let origin = Origin::ok("[]").await;
    let directory = Directory::default();
    let (_, key) = create(&directory, &["--account", "acme", "--plan", "pro"]);
    let environment = [("EGGAPI_PRIMARY_URL", &*origin.url()), ("EGGAPI_PRIMARY_KEY", CREDENTIAL)];
    let gateway = Gateway::example("eggapi.toml", directory, &environment, &[&key]).await;
    let started = Instant::now();
    let fields = format!("authorization: Bearer {key}\r\n");
    let answers = burst(&gateway, "/v1/usage", &fields, 300).await;
    let more = (started.elapsed().as_secs_f64() * 100.0) as usize + 1;
    let admitted = answers.iter().filter(|answer| answer.status == 200).count();
    assert!((100..=100 + more).contains(&admitted), "{admitted} of {}", 100 + more);
    // It is answered here.
    assert_eq!(origin.requests().len(), 0);
    let policy = "\"per-address\";q=100;w=1, \"per-key\";q=";
    for answer in &answers {
        assert!(
            answer.fields.one("ratelimit-policy").unwrap().starts_with("\"per-address\";q=100")
        );
        if answer.status == 200 {
            assert!(
                answer.fields.one("ratelimit-policy").unwrap().starts_with(policy),
                "{answer:?}"
            );
            assert!(parameter(answer, "per-address", "r").is_some_and(|r| r < 100), "{answer:?}");
            continue;
        }
        assert_fault(answer, &gateway.catalog, Kind::RateLimited);
        assert_eq!(error(answer)["code"], "RATE_LIMITED");
        assert_eq!(answer.fields.one("retry-after"), Some("1"));
        assert_eq!(parameter(answer, "per-address", "r"), Some(0), "{answer:?}");
        assert_eq!(parameter(answer, "per-address", "t"), Some(1), "{answer:?}");
    }
    // Whoever has no key is limited as well, and told so before the key is looked at.
    let guesses = burst(&gateway, "/v1/usage", "authorization: Bearer guess\r\n", 200).await;
    assert!(guesses.iter().any(|answer| answer.status == 429));
}

#[tokio::test]
async fn each_key_by_its_plan() {
    let origin = Origin::ok("[]").await;
    let directory = Directory::default();
    let (_, free) = create(&directory, &["--account", "acme", "--plan", "free"]);
    let (_, pro) = create(&directory, &["--account", "acme", "--plan", "pro"]);
    let environment = [("EGGAPI_PRIMARY_URL", &*origin.url()), ("EGGAPI_PRIMARY_KEY", CREDENTIAL)];
    let gateway = Gateway::example("eggapi.toml", directory, &environment, &[&free, &pro]).await;
    let started = Instant::now();
    let fields = format!("authorization: Bearer {free}\r\n");
    let answers = burst(&gateway, "/v1/usage", &fields, 40).await;
    let more = (started.elapsed().as_secs_f64() * 5.0) as usize + 1;
    let admitted = answers.iter().filter(|answer| answer.status == 200).count();
    assert!((10..=10 + more).contains(&admitted), "{admitted}");
    let refused = answers.iter().rev().find(|answer| answer.status == 429).unwrap();
    assert_eq!(parameter(refused, "per-key", "r"), Some(0), "{refused:?}");
    let fields = format!("authorization: Bearer {pro}\r\n");
    let answers = burst(&gateway, "/v1/usage", &fields, 30).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
}

#[tokio::test]
async fn a_running_gateway_learns_of_keys_within_a_second() {
    let origin = Origin::ok("made").await;
    let directory = Directory::default();
    let store = directory.store();
    let environment = [("GRSAI_BASE_URL", &*origin.url()), ("GRSAI_API_KEY", CREDENTIAL)];
    directory.pay_in("acme", "25");
    let gateway = Gateway::example("apistor.toml", directory, &environment, &[]).await;
    let cli = |arguments: &[&str]| -> Value {
        let (code, out, err) = run(&[arguments, &["--store", &store, "--json"]].concat(), &[]);
        assert_eq!(code, 0, "{err}");
        serde_json::from_str(&out).unwrap()
    };
    let made = cli(&["keys", "create", "--account", "acme"]);
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    let within_a_second = async |status: u16| {
        let changed = Instant::now();
        loop {
            let answer = gateway.ask(bearer(post(GENERATE), key)).await;
            if answer.status == status {
                return answer;
            }
            assert!(changed.elapsed() < Duration::from_secs(1), "still {answer:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    within_a_second(200).await.assert_ok("made");
    cli(&["accounts", "suspend", "acme"]);
    assert_fault(&within_a_second(403).await, &gateway.catalog, Kind::AccountSuspended);
    cli(&["accounts", "resume", "acme"]);
    within_a_second(200).await;
    cli(&["keys", "revoke", id]);
    assert_fault(&within_a_second(401).await, &gateway.catalog, Kind::RevokedCredential);
}

/// A key of the configuration.
const STATIC: &str = "static-key-51";

fn static_key(key: &str, lines: &str) -> String {
    let digest = tollgate::auth::KeyDigest::of(&tollgate::auth::ApiKey::parse(key).unwrap());
    format!("[[auth.key]]\ndigest = \"{digest}\"\n{lines}\n")
}

#[tokio::test]
async fn each_route_asks_for_what_it_wants() {
    let origin = Origin::ok("ok").await;
    let key = STATIC;
    let gateway = Gateway::setup()
        .secret(key)
        .tables(
            "[auth]\nforward = { account = \"x-tollgate-account\", key_id = \"x-key\", plan = \"x-plan\", scopes = \"x-scopes\" }",
        )
        .tables(&static_key(key, "account = \"acme\"\nid = \"k1\"\nscopes = [\"images\", \"model:a*\"]"))
        .upstream_with("provider", &origin.url(), "", "")
        .route("/required", "provider", "")
        .route("/optional", "provider", "auth = \"optional\"")
        .route("/none", "provider", "auth = \"none\"")
        .route("/images", "provider", "scopes = [\"images\"]")
        .route("/admin", "provider", "scopes = [\"images\", \"admin\"]")
        .route("/models/{model}", "provider", "scopes = [\"model:{model}\"]")
        .start()
        .await;
    let forged = |ask: Ask| {
        ask.field("x-tollgate-account", "root")
            .field("x_tollgate_account", "root")
            .field("x-key", "root")
            .field("x_key", "root")
            .field("x-scopes", "*")
            .field("x-plan", "root")
            // Not chosen, and still nothing that a client could say.
            .field("x-tollgate-plan", "root")
    };
    let good = |path: &str| forged(bearer(post(path), key));
    let none = |path: &str| forged(post(path));
    let bad = |path: &str| forged(bearer(post(path), NOBODY));
    let told = "x-key: k1\nx-scopes: images model:a*\nx-tollgate-account: acme";
    let table = [
        (good("/required"), Ok(told)),
        (none("/required"), Err(Kind::MissingCredential)),
        (good("/optional"), Ok(told)),
        (none("/optional"), Ok("")),
        (bad("/optional"), Err(Kind::UnknownCredential)),
        (good("/none"), Ok("")),
        (bad("/none"), Ok("")),
        (good("/images"), Ok(told)),
        (good("/admin"), Err(Kind::Forbidden)),
        (good("/models/abc"), Ok(told)),
        (good("/models/bcd"), Err(Kind::Forbidden)),
    ];
    for (ask, want) in table {
        let path = ask.path.clone();
        let before = origin.requests().len();
        let answer = gateway.ask(ask).await;
        match want {
            Ok(told) => {
                answer.assert_ok("ok");
                let request = origin.last_request();
                let mut about: Vec<_> = request
                    .fields
                    .0
                    .iter()
                    .filter(|(name, _)| {
                        name.starts_with("x-")
                            && !name.starts_with("x-forwarded")
                            && name != "x-request-id"
                            || name.contains('_')
                    })
                    .map(|(name, value)| format!("{name}: {value}"))
                    .collect();
                about.sort();
                assert_eq!(about.join("\n"), told, "{path}");
                assert!(!request.fields.has("authorization"), "{path}");
            }
            Err(kind) => {
                assert_fault(&answer, &gateway.catalog, kind);
                assert_eq!(origin.requests().len(), before);
            }
        }
    }
    // Behind a body, where a provider may look for them too.
    let chunked = format!(
        "POST /required HTTP/1.1\r\nhost: a\r\nte: trailers\r\nauthorization: Bearer {key}\r\ntransfer-encoding: chunked\r\n\
         trailer: x-key, x-other\r\n\r\n2\r\nhi\r\n0\r\nx-key: root\r\nx-other: 1\r\n\r\n"
    );
    gateway.raw(chunked).await.assert_ok("ok");
    let request = origin.last_request();
    assert_eq!((request.fields.all("x-key"), request.trailers.has("x-key")), (vec!["k1"], false));

    let answer = gateway.ask(good("/admin")).await;
    let challenge = answer.fields.one("www-authenticate");
    assert_eq!(
        challenge.map(|c| c.contains(r#"error="insufficient_scope", scope="images admin""#)),
        Some(true),
        "{challenge:?}"
    );
}

#[tokio::test]
async fn a_key_where_none_is_taken_goes_no_further() {
    let origin = Origin::ok("ok").await;
    let gateway = Gateway::setup()
        .secret(STATIC)
        .tables("[auth]\naccept = [\"bearer\"]")
        .tables(&static_key(STATIC, "account = \"acme\"\nid = \"k1\""))
        .upstream_with("provider", &origin.url(), "", "")
        .route("/required", "provider", "")
        .route("/none", "provider", "auth = \"none\"")
        .start()
        .await;
    for path in ["/required", "/none"] {
        let ask = bearer(post(path), STATIC).field("x-api-key", STATIC);
        gateway.ask(ask).await.assert_ok("ok");
    }
    assert!(!origin.raw().contains(STATIC), "{}", origin.raw());
    let line = gateway.logged(|line| line["route"] == "* /required").await;
    assert_eq!((&line["account"], &line["key"]), (&"acme".into(), &"k1".into()), "{line}");
    let line = gateway.logged(|line| line["route"] == "* /none").await;
    assert!(line["account"].is_null(), "{line}");
}

#[tokio::test]
async fn what_is_refused_for_want_of_a_place_costs_no_units() {
    let origin = Origin::start(|_| vec![Act::Hold]).await;
    let gateway = Gateway::setup()
        .secret(STATIC)
        .tables("[auth]")
        .tables(&static_key(STATIC, "account = \"acme\""))
        .tables("[[limit]]\nname = \"at-once\"\nkey = \"principal\"\nin_flight = 1")
        .tables("[[limit]]\nname = \"one-route\"\nkey = \"route\"\nin_flight = 9")
        .tables("[[limit]]\nname = \"per-key\"\nkey = \"principal\"\nrate = \"20/h\"")
        .upstream("provider", &origin.url(), "")
        .upstream("nobody", "http://127.0.0.1:9", "")
        .route("/x", "provider", "limits = [\"per-key\", \"at-once\", \"one-route\"]")
        .route("/dead", "nobody", "limits = [\"per-key\"]")
        .start()
        .await;
    let request = |path: &str| {
        format!("GET {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {STATIC}\r\n\r\n")
    };
    let mut slow = gateway.client().await;
    slow.send(request("/x")).await;
    origin.until("one at the provider", |origin| origin.requests().len() == 1).await;
    for _ in 0..3 {
        let refused = gateway.raw(request("/x")).await;
        assert_fault(&refused, &gateway.catalog, Kind::ConcurrencyLimited);
    }
    // What failed at the provider was counted, and says so.
    let failed = gateway.raw(request("/dead")).await;
    assert_fault(
        &failed,
        &gateway.catalog,
        Kind::Upstream(tollgate::fault::UpstreamKind::Unreachable),
    );
    assert_eq!(parameter(&failed, "per-key", "r"), Some(18), "{failed:?}");
}

#[tokio::test]
async fn a_slot_is_held_until_the_last_byte() {
    let release = std::sync::Arc::new(tokio::sync::Notify::new());
    let wait = release.clone();
    let origin = Origin::connections(move |mut connection| {
        let wait = wait.clone();
        async move {
            while let Some(request) = connection.request().await? {
                connection
                    .wire
                    .send("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 4\r\n\r\nab")
                    .await?;
                if request.target != "/first" {
                    std::future::pending::<()>().await;
                }
                wait.notified().await;
                connection.wire.send("cd").await?;
            }
            Ok(())
        }
    })
    .await;
    let gateway = Gateway::setup()
        .secret(STATIC)
        .tables("[auth]")
        .tables(&static_key(STATIC, "account = \"acme\""))
        .tables("[[limit]]\nname = \"at-once\"\nkey = \"principal\"\nin_flight = 2")
        .upstream("provider", &origin.url(), "")
        .route("/{*path}", "provider", "limits = [\"at-once\"]")
        .start()
        .await;
    let request = format!("GET /x HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {STATIC}\r\n\r\n");
    let (mut first, mut second) = (gateway.client().await, gateway.client().await);
    first.send(&request.replace("/x", "/first")).await;
    second.send(&request).await;
    origin.until("both at the provider", |origin| origin.requests().len() == 2).await;
    for client in [&mut first, &mut second] {
        soon("the head of an answer", client.wire.until("ab")).await.unwrap();
    }
    let refused = gateway.raw(&request).await;
    assert_fault(&refused, &gateway.catalog, Kind::ConcurrencyLimited);
    assert_eq!(origin.requests().len(), 2);
    // One ends in order, the other's client goes away: both give their places back.
    drop(second);
    release.notify_one();
    soon("the rest of an answer", first.wire.until("cd")).await.unwrap();
    let mut admitted = Vec::new();
    soon("free places", async {
        // Their answers have no end, so that both places are taken at the same time.
        while admitted.len() < 2 {
            let mut client = gateway.client().await;
            client.send(&request).await;
            let head = client.wire.head().await.unwrap().unwrap().0;
            if head.contains(" 200 ") {
                admitted.push(client);
            } else {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn trusted_proxies_name_the_client() {
    let origin = Origin::ok("ok").await;
    let limit = "[[limit]]\nname = \"per-address\"\nkey = \"address\"\nrate = \"2/h\"";
    let gateway = Gateway::setup()
        .server("trusted_proxies = [\"127.0.0.0/8\", \"10.0.0.0/8\"]")
        .tables(limit)
        .upstream("provider", &origin.url(), "")
        .route("/{*path}", "provider", "limits = [\"per-address\"]")
        .start()
        .await;
    let ask = |forwarded: &str| {
        gateway.ask(Ask::new(Version::Http1, "GET", "/x").field("x-forwarded-for", forwarded))
    };
    for (forwarded, status) in [
        ("192.0.2.1", 200),
        ("192.0.2.1", 200),
        ("192.0.2.1", 429),
        // The one that the nearest trusted proxy saw counts, not what the client wrote before it.
        ("198.51.100.9, 192.0.2.1", 429),
        ("192.0.2.1, 10.1.1.1", 429),
        ("192.0.2.2", 200),
        ("2001:db8:1:2::1", 200),
        ("2001:db8:1:2:ffff::2", 200),
        ("2001:db8:1:2:3:4:5:6", 429),
        ("2001:db8:1:3::1", 200),
    ] {
        assert_eq!(ask(forwarded).await.status, status, "{forwarded}");
    }
    let gateway = Gateway::setup()
        .tables(limit)
        .upstream("provider", &origin.url(), "")
        .route("/{*path}", "provider", "limits = [\"per-address\"]")
        .start()
        .await;
    for (forwarded, status) in [("192.0.2.1", 200), ("192.0.2.2", 200), ("192.0.2.3", 429)] {
        let ask = Ask::new(Version::Http1, "GET", "/x").field("x-forwarded-for", forwarded);
        assert_eq!(gateway.ask(ask).await.status, status, "{forwarded}");
    }
}

#[tokio::test]
async fn a_refused_request_costs_nothing() {
    let origin = Origin::ok("ok").await;
    let gateway = Gateway::setup()
        .server("rate_limit_headers = \"both\"")
        .tables("[[limit]]\nname = \"wide\"\nkey = \"route\"\nrate = \"10/h\"")
        .tables("[[limit]]\nname = \"narrow\"\nkey = \"header:x-tenant\"\nrate = \"4/h\"")
        .upstream("provider", &origin.url(), "")
        .route("/{*path}", "provider", "limits = [\"wide\", { name = \"narrow\", cost = 2 }]")
        .start()
        .await;
    let ask =
        |tenant: &str| gateway.ask(Ask::new(Version::Http1, "GET", "/x").field("x-tenant", tenant));
    let mut left = Vec::new();
    for tenant in ["a", "a", "a", "a", "b"] {
        let answer = ask(tenant).await;
        left.push((answer.status, parameter(&answer, "wide", "r").unwrap()));
    }
    assert_eq!(left, [(200, 9), (200, 8), (429, 8), (429, 8), (200, 7)]);
    let refused = ask("a").await;
    assert_fault(&refused, &gateway.catalog, Kind::RateLimited);
    let wait: u64 = refused.fields.one("retry-after").unwrap().parse().unwrap();
    assert_eq!(parameter(&refused, "narrow", "t"), Some(wait));
    assert!((1790..=1800).contains(&wait), "{wait}");
    assert_eq!(refused.fields.one("x-ratelimit-remaining"), Some("0"));
    let millis = error(&refused)["retry_after_ms"].as_u64().unwrap();
    assert_eq!(millis.div_ceil(1000), wait);
}

#[test]
fn what_cannot_be_served_is_said_at_the_start() {
    let directory = Directory::default();
    let rest = "[upstream.a]\n[[upstream.a.endpoint]]\nurl = \"http://127.0.0.1:9\"\n[[route]]\npath = \"/x\"\nupstream = \"a\"\n";
    let corrupt = directory.file("corrupt.db", "this is no database ".repeat(500));
    let corrupt = format!("sqlite://{}", corrupt.display());
    let missing = format!("sqlite://{}/nowhere/t.db", directory.path().display());
    let auth = "[auth]\n";
    for (server, tables, wanted) in [
        (format!("store = \"{missing}\""), auth, "nowhere"),
        (format!("store = \"{corrupt}\""), auth, "corrupt.db"),
        ("store = \"mysql://x\"".to_owned(), auth, "server.store"),
        ("store = \"postgres://u:s3cret@h\"".to_owned(), auth, "PostgreSQL"),
        ("limits = \"http://h\"".to_owned(), "", "server.limits"),
        ("limits = \"redis://:s3cret@h:99999\"".to_owned(), "", "server.limits"),
        (
            String::new(),
            "[[limit]]\nname = \"a\"\nkey = \"address\"\nrate = \"fast\"\n",
            "limit[0].rate",
        ),
    ] {
        let text = format!("[server]\nlisten = \"127.0.0.1:0\"\n{server}\n{tables}{rest}");
        let file = directory.file("tollgate.toml", text);
        for command in [&["check"][..], &["serve", "--config"]] {
            let arguments = [command, &[file.to_str().unwrap()]].concat();
            let (code, _, err) = run(&arguments, &[]);
            assert_eq!(code, 78, "{arguments:?} {server}: {err}");
            assert!(err.contains(wanted) && !err.contains("s3cret"), "{err}");
        }
    }
}

#[cfg(feature = "redis")]
mod shared {
    use super::*;
    use crate::redis_server::RedisServer;

    /// A gateway that counts in this Redis: a quota of 50 an hour for each policy, and a path of that name.
    async fn gateway(redis: &str, origin: &Origin) -> Gateway {
        limited(redis, origin, &["closed", "open", "local"]).await
    }

    /// A route for each of these policies, and a limit of it.
    async fn limited(redis: &str, origin: &Origin, policies: &[&str]) -> Gateway {
        let mut setup = Gateway::setup()
            .server(&format!("limits = \"{redis}\"\nlimits_timeout = \"2s\""))
            .upstream("provider", &origin.url(), "");
        for policy in policies {
            setup = setup
                .tables(&format!(
                    "[[limit]]\nname = \"{policy}\"\nkey = \"route\"\nrate = \"50/h\"\non_store_failure = \"{policy}\""
                ))
                .route(&format!("/{policy}"), "provider", &format!("limits = [\"{policy}\"]"));
        }
        setup.start().await
    }

    fn admitted(answers: &[Answer]) -> usize {
        answers.iter().filter(|answer| answer.status == 200).count()
    }

    #[tokio::test]
    async fn two_gateways_admit_one_quota() {
        let redis = RedisServer::start(&[]);
        let origin = Origin::ok("ok").await;
        let (a, b) = (gateway(&redis.url(), &origin).await, gateway(&redis.url(), &origin).await);
        let (of_a, of_b) = tokio::join!(burst(&a, "/closed", "", 40), burst(&b, "/closed", "", 40));
        // One more comes back in 72 s.
        let count = admitted(&of_a) + admitted(&of_b);
        assert!((50..=51).contains(&count), "{count}");
        assert!(of_a.iter().chain(&of_b).all(|answer| [200, 429].contains(&answer.status)));
        assert_eq!(origin.requests().len(), count);
    }

    #[tokio::test]
    async fn without_redis_each_quota_does_as_it_is_told() {
        let mut redis = RedisServer::start(&[]);
        let origin = Origin::ok("ok").await;
        let gateway = gateway(&redis.url(), &origin).await;
        for path in ["/closed", "/open", "/local"] {
            assert_eq!(admitted(&burst(&gateway, path, "", 10).await), 10, "{path}");
        }
        redis.kill();
        let refused = burst(&gateway, "/closed", "", 20).await;
        for answer in &refused {
            assert_fault(answer, &gateway.catalog, Kind::StoreUnavailable);
        }
        assert_eq!(admitted(&burst(&gateway, "/open", "", 80).await), 80);
        assert_eq!(admitted(&burst(&gateway, "/local", "", 80).await), 50);
        let said =
            gateway.logged(|line| line["level"] == "WARN" && line["store"].is_string()).await;
        assert!(said["message"].as_str().unwrap().contains("Redis"), "{said}");
        let is_up =
            async || gateway.metrics().await.one("tollgate_store_up", &["store=\"limits\""]);
        assert_eq!(is_up().await, 0.0);
        let readiness = gateway.ask_admin("/readyz").await;
        let reason = "the store of limits is away, and a limit refuses without it";
        assert_eq!(readiness.status, 503);
        assert!(readiness.text().contains(reason), "{}", readiness.text());
        redis.restart();
        soon("Redis to be asked again", async {
            while burst(&gateway, "/closed", "", 1).await[0].status == 503 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        assert_eq!((is_up().await, gateway.probe("/readyz").await), (1.0, 200));
        // It has lost what it knew.
        assert_eq!(admitted(&burst(&gateway, "/local", "", 80).await), 50);
    }

    /// Who refuses nobody without it can do its work.
    #[tokio::test]
    async fn without_redis_a_gateway_is_ready_whose_limits_do_without() {
        let mut redis = RedisServer::start(&[]);
        let origin = Origin::ok("ok").await;
        let gateway = limited(&redis.url(), &origin, &["open", "local"]).await;
        gateway.get("/open").await.assert_ok("ok");
        redis.kill();
        gateway.get("/open").await.assert_ok("ok");
        let metrics = gateway.metrics().await;
        assert_eq!(metrics.one("tollgate_store_up", &["store=\"limits\""]), 0.0);
        assert_eq!(gateway.probe("/readyz").await, 200);
    }

    #[tokio::test]
    async fn a_wrong_password_is_said_at_the_start_and_never_shown() {
        let redis = RedisServer::start(&["--requirepass", "right"]);
        let origin = Origin::ok("ok").await;
        let url = format!("{}?pass=wr0ng-passw0rd", redis.url());
        let gateway = gateway(&url, &origin).await;
        let said = gateway.logged(|line| line["level"] == "WARN").await;
        assert!(said["message"].as_str().unwrap().contains("password"), "{said}");
        assert!(!gateway.stderr().contains("wr0ng"), "{}", gateway.stderr());
        assert_eq!(burst(&gateway, "/closed", "", 1).await[0].status, 503);
        assert_eq!(burst(&gateway, "/open", "", 1).await[0].status, 200);
    }
}
