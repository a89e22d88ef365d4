//! `examples/eggapi.toml` with a primary and a backup: `UPSTREAM_ERROR` only when both have failed.

use super::*;
use support::{CREDENTIAL, Refusing, gateway::Directory, origin::json};

/// The gateway's own credential at the backup.
const BACKUP_CREDENTIAL: &str = "sk-backup-51e0c7";

/// The example with these providers, and a caller's key.
async fn example(primary: &str, backup: Option<&str>) -> (Gateway, String) {
    let directory = Directory::default();
    let key = directory.key(&["--account", "acme", "--plan", "pro"]);
    directory.pay_in("acme", "25");
    let mut environment = vec![("EGGAPI_PRIMARY_URL", primary), ("EGGAPI_PRIMARY_KEY", CREDENTIAL)];
    if let Some(backup) = backup {
        environment
            .extend([("EGGAPI_BACKUP_URL", backup), ("EGGAPI_BACKUP_KEY", BACKUP_CREDENTIAL)]);
    }
    let host = |url: &str| url.strip_prefix("http://").unwrap().to_owned();
    let hosts = [host(primary), backup.map_or_else(|| host(primary), host)];
    let secrets = [&*key, BACKUP_CREDENTIAL, &*hosts[0], &*hosts[1]];
    (Gateway::example("eggapi.toml", directory, &environment, &secrets).await, key)
}

fn generate(key: &str) -> Ask {
    let ask = post("/v1/generate", r#"{"model":"nanobanana","prompt":"a cat"}"#);
    ask.field("authorization", &format!("Bearer {key}"))
}

fn task(key: &str, id: &str) -> Ask {
    get(&format!("/v1/tasks/{id}")).field("authorization", &format!("Bearer {key}"))
}

const PENDING: &str = r#"{"id":"gen_1","status":"pending","model":"nanobanana","type":"image","cost":"0.010","created_at":"2026-01-01T00:00:00Z"}"#;

fn wrapped(data: &str) -> String {
    format!(r#"{{"data":{data},"error":null}}"#)
}

/// What a provider does, and whether that is a refusal, after which the work may be given to another one.
type Failure = (&'static str, fn() -> Vec<Act>, bool);

const FAILURES: &[Failure] = &[
    ("500", || failure(500), true),
    ("502 page", || html(502), true),
    ("503 page", || html(503), true),
    ("401", || failure(401), true),
    ("402", || failure(402), true),
    ("403 page", || html(403), true),
    ("429", || failure(429), true),
    (
        "error in 200",
        || json(200, r#"{"error":{"message":"PROVIDER-INTERNAL-7f3a91","type":"server_error"}}"#),
        true,
    ),
    ("504 page", || html(504), false),
    ("page in 200", || html(200), false),
    ("half", || json(200, r#"{"id":"gen"#), false),
    ("hangs up", || vec![Act::Fin], false),
    ("resets", || vec![Act::Reset], false),
];

#[tokio::test]
async fn the_backup_takes_over_where_the_primary_has_refused() {
    for (name, fail, refused) in FAILURES {
        let primary = Origin::start(move |_| fail()).await;
        let backup = Origin::start(|_| json(202, PENDING)).await;
        let (gateway, key) = example(&primary.url(), Some(&backup.url())).await;
        let answer = gateway.ask(generate(&key)).await;
        if *refused {
            assert_eq!((answer.status, answer.text()), (202, &*wrapped(PENDING)), "{name}");
        } else {
            // It may have been done, and would be paid for twice.
            assert_eq!(
                (&*code(&answer, &gateway), answer.status),
                ("UPSTREAM_ERROR", 502),
                "{name}"
            );
        }
        assert_eq!(asked(&[&primary, &backup]), [1, usize::from(*refused)], "{name}");
        // Who has made the task is asked about it.
        let answer = gateway.ask(task(&key, "gen_1")).await;
        if *refused {
            assert_eq!((answer.status, answer.text()), (202, &*wrapped(PENDING)), "{name}");
        } else {
            assert_eq!((&*code(&answer, &gateway), answer.status), ("NOT_FOUND", 404), "{name}");
        }
        assert_eq!(asked(&[&primary, &backup]), [1, 2 * usize::from(*refused)], "{name}");
        for request in primary.requests() {
            assert_eq!(request.fields.all("authorization"), [format!("Bearer {CREDENTIAL}")]);
        }
        for request in backup.requests() {
            assert_eq!(
                request.fields.all("authorization"),
                [format!("Bearer {BACKUP_CREDENTIAL}")]
            );
        }
    }
}

#[tokio::test]
async fn upstream_error_when_both_have_failed() {
    for (name, fail, refused) in FAILURES {
        let primary = Origin::start(|_| html(503)).await;
        let backup = Origin::start(move |_| fail()).await;
        let (gateway, key) = example(&primary.url(), Some(&backup.url())).await;
        let answer = gateway.ask(generate(&key)).await;
        assert_eq!((&*code(&answer, &gateway), answer.status), ("UPSTREAM_ERROR", 502), "{name}");
        assert_eq!(message(&answer), "Provider temporarily unavailable", "{name}");
        assert_eq!(asked(&[&primary, &backup]), [1, 1], "{name} {refused}");
    }
    let (primary, backup) = (Refusing::default(), Refusing::default());
    let (gateway, key) = example(&primary.url(), Some(&backup.url())).await;
    let answer = gateway.ask(generate(&key)).await;
    assert_eq!((&*code(&answer, &gateway), answer.status), ("UPSTREAM_ERROR", 502));
}

#[tokio::test]
async fn the_backup_is_not_asked_about_input_that_was_refused() {
    let words = r#"{"error":{"message":"The prompt asks for 12 images, 4 at most","type":"invalid_request_error"}}"#;
    let moderated = r#"{"error":{"message":"Not that","code":"content_policy_violation"}}"#;
    let table: [(&str, u16, &str, &str, u16); 4] = [
        (words, 400, "VALIDATION_ERROR", "The prompt asks for 12 images, 4 at most", 400),
        (words, 422, "VALIDATION_ERROR", "The prompt asks for 12 images, 4 at most", 400),
        (moderated, 400, "VALIDATION_ERROR", "Not that", 400),
        ("{}", 404, "NOT_FOUND", "", 404),
    ];
    for (body, status, want, words, answered) in table {
        let primary = Origin::start(move |request| match request.fields.one("x-made") {
            Some(_) => json(202, PENDING),
            None => json(status, body),
        })
        .await;
        let backup = Origin::start(|_| json(202, PENDING)).await;
        let (gateway, key) = example(&primary.url(), Some(&backup.url())).await;
        assert_eq!(gateway.ask(generate(&key).field("x-made", "1")).await.status, 202);
        for (number, ask) in [generate(&key), task(&key, "gen_1")].into_iter().enumerate() {
            let answer = gateway.ask(ask).await;
            assert_eq!(
                (&*code(&answer, &gateway), answer.status),
                (want, answered),
                "{status} {body}"
            );
            assert!(message(&answer).contains(words), "{}", message(&answer));
            assert_eq!(asked(&[&primary, &backup]), [number + 2, 0], "{status} {body}");
        }
    }
}

#[tokio::test]
async fn a_task_that_has_failed_is_an_answer() {
    let failed = r#"{"id":"gen_1","status":"failed","error":"the model gave nothing"}"#;
    let primary = Origin::start(move |request| match &*request.method {
        "POST" => json(202, PENDING),
        _ => json(200, failed),
    })
    .await;
    let backup = Origin::start(|_| json(200, PENDING)).await;
    let (gateway, key) = example(&primary.url(), Some(&backup.url())).await;
    assert_eq!(gateway.ask(generate(&key)).await.status, 202);
    for version in Version::BOTH {
        gateway.ask(with(task(&key, "gen_1"), version)).await.assert_ok(&wrapped(failed));
    }
    assert_eq!(asked(&[&primary, &backup]), [3, 0]);
}

#[tokio::test]
async fn without_a_backup_there_is_the_primary() {
    let primary = Origin::start(|request| match &*request.method {
        "POST" => json(202, PENDING),
        _ => html(503),
    })
    .await;
    let (gateway, key) = example(&primary.url(), None).await;
    let answer = gateway.ask(generate(&key)).await;
    assert_eq!((answer.status, answer.text()), (202, &*wrapped(PENDING)));
    let answer = gateway.ask(task(&key, "gen_1")).await;
    assert_eq!((&*code(&answer, &gateway), answer.status), ("UPSTREAM_ERROR", 502));
    assert_eq!(asked(&[&primary]), [2]);
    let page = gateway.page("/endpoints").await;
    let endpoints = page["upstreams"][0]["endpoints"].as_array().unwrap();
    let names: Vec<_> =
        endpoints.iter().map(|endpoint| endpoint["endpoint"].as_str().unwrap()).collect();
    assert_eq!(names, ["primary"]);
}

#[tokio::test]
async fn half_of_a_backup_is_none() {
    // A URL without a key: nothing is sent there without it.
    let primary = Origin::start(|_| html(503)).await;
    let backup = Origin::start(|_| json(202, PENDING)).await;
    let directory = Directory::default();
    let key = directory.key(&["--account", "acme"]);
    directory.pay_in("acme", "25");
    let environment = [
        ("EGGAPI_PRIMARY_URL", &*primary.url()),
        ("EGGAPI_PRIMARY_KEY", CREDENTIAL),
        ("EGGAPI_BACKUP_URL", &*backup.url()),
    ];
    let gateway = Gateway::example("eggapi.toml", directory, &environment, &[&key]).await;
    let answer = gateway.ask(generate(&key)).await;
    assert_eq!((&*code(&answer, &gateway), answer.status), ("UPSTREAM_ERROR", 502));
    assert_eq!(backup.connection_count(), 0);
}
