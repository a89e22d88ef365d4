//! The commands to try, and what each will answer.

use super::provider::{PROMPT, SCENARIOS, Scenario};
use crate::{Catalog, auth::ApiKey};
use std::{fmt::Write, net::SocketAddr};

/// What comes of a scenario at the gateway.
#[derive(Clone, Copy, Debug)]
enum Outcome {
    /// The provider's answer, as it is.
    Passes(&'static str),
    /// An envelope with this code.
    Refused(&'static str),
    /// The head is out when the failure comes: it is the last event, with this code.
    InStream(&'static str),
    /// Of many requests, some are answered with this code.
    Limited(&'static str),
}

/// What the gateway makes of each scenario, with the catalog and the profile of `examples/apistor.toml`.
fn outcome(scenario: Scenario) -> Outcome {
    use {Outcome as O, Scenario as S};
    match scenario {
        S::Ok => O::Passes("a stream of events, the last with the picture's URL"),
        S::Fast => O::Passes("the same, at once"),
        S::Slow => O::Passes("the same, after 2 s"),
        S::RefusedKey | S::RefusedKey200 => O::Refused("upstream_auth_failed"),
        // Our own account there is empty, which is no business of the caller's.
        S::OutOfCredit | S::OutOfCredit200 | S::OutOfCredit400 => {
            O::Refused("upstream_provider_error")
        }
        S::Error500 | S::Gzip500 | S::Empty500 | S::WrongType => {
            O::Refused("upstream_provider_error")
        }
        S::Html502 | S::Overloaded503 | S::Garbage => O::Refused("upstream_provider_error"),
        S::RateLimit | S::RateLimit200 => O::Refused("upstream_rate_limited"),
        S::Invalid => O::Refused("upstream_invalid_request"),
        S::UnknownTask => O::Refused("upstream_task_not_found"),
        S::Html504 | S::Silence => O::Refused("upstream_timeout"),
        S::Reset => O::Refused("upstream_unreachable"),
        S::NoHttp | S::Unasked101 => O::Refused("upstream_error_status"),
        S::ModerationInput => O::Refused("upstream_input_moderation"),
        S::ModerationOutput => O::InStream("upstream_output_moderation"),
        S::Failed => O::InStream("upstream_timeout"),
        S::TruncatedJson | S::HalfBody | S::ResetMid => O::Refused("upstream_error_status"),
        S::HalfStream => O::InStream("upstream_error_status"),
        S::Stall => O::Refused("upstream_timeout"),
        S::Redirect => O::Passes("302, without the provider's name"),
    }
}

const GENERATE: &str = "/api/v1/images/nanobanana/generate";
const RESULT: &str = "/api/v1/images/nanobanana/result";
/// Where a second provider stands behind the first one.
pub(super) const FAILOVER: &str = "/demo/failover";

/// Everything that the demonstration prints.
pub(crate) fn guide(gateway: SocketAddr, catalog: &Catalog, [key, poor]: [&ApiKey; 2]) -> String {
    let mut out = format!(
        "tollgate demo: http://{gateway} answers as examples/apistor.toml says; behind it is a provider that \
         fails on request.\nPaste these into another terminal.\n"
    );
    let json = "-H 'content-type: application/json'";
    let anonymous =
        |path: &str, body: &str| format!("curl -isSN http://{gateway}{path} {json} -d '{body}'");
    let bearer = format!("-H 'authorization: Bearer {}'", key.expose());
    let post = |path: &str, body: &str| format!("{} {bearer}", anonymous(path, body));
    let refused = |code: &'static str| Outcome::Refused(code);
    let picture = |prompt: &str| format!(r#"{{"model":"nanobanano-2","prompt":"{prompt}"}}"#);

    section(&mut out, "A picture, and a task to poll");
    let command = post(GENERATE, &picture("a lighthouse at dusk"));
    entry(&mut out, "a picture, streamed", &command, outcome(Scenario::Ok), catalog);
    let command = post(GENERATE, r#"{"model":"nanobanano-2","prompt":"a pier","webHook":"-1"}"#);
    entry(
        &mut out,
        "a task",
        &command,
        Outcome::Passes("the task's id, for the next one"),
        catalog,
    );
    let command = post(RESULT, r#"{"id":"ID"}"#);
    let title = "its result, with its id in place of ID, which is the id of none";
    entry(&mut out, title, &command, refused("upstream_task_not_found"), catalog);

    section(&mut out, "Who may call");
    let pier = picture("a pier");
    let command = anonymous(GENERATE, &pier);
    entry(&mut out, "no key", &command, refused("missing_api_key"), catalog);
    for (title, header) in [
        ("a key that is nobody's", "x-api-key: sk-nobody".to_owned()),
        ("the key with a letter mistyped", format!("x-api-key: {}", mistyped(key.expose()))),
        ("another scheme", "authorization: Basic ZGVtbzpkZW1v".to_owned()),
        ("two keys", format!("authorization: Bearer {}' -H 'x-api-key: sk-other", key.expose())),
    ] {
        let command = format!("{} -H '{header}'", anonymous(GENERATE, &pier));
        entry(&mut out, title, &command, refused("invalid_api_key"), catalog);
    }
    let command = format!("{} -H 'x-api-key: {}'", anonymous(GENERATE, &pier), key.expose());
    let title = "the key where it may stand, too";
    entry(&mut out, title, &command, Outcome::Passes("a picture, streamed"), catalog);

    section(&mut out, "What it costs");
    let command = format!("{} -H 'x-api-key: {}'", anonymous(GENERATE, &pier), poor.expose());
    let title = "a caller whose account has nothing: no provider is asked";
    entry(&mut out, title, &command, refused("insufficient_balance"), catalog);
    let twice = post(GENERATE, &pier) + " -H 'idempotency-key: my-first-pier'";
    let title = "a picture that is drawn, and paid for, once, however often this is sent: `idempotency-replayed: true`";
    entry(&mut out, title, &twice, Outcome::Passes("a picture, streamed"), catalog);

    section(&mut out, "What the gateway itself refuses");
    let command = format!("curl -isS http://{gateway}/nothing");
    entry(&mut out, "an unknown path", &command, refused("not_found"), catalog);
    let command = format!("curl -isS -X DELETE http://{gateway}{GENERATE}");
    entry(&mut out, "a wrong method", &command, refused("method_not_allowed"), catalog);
    let command = format!("curl -isS --path-as-is http://{gateway}/api/../secret");
    entry(&mut out, "a path that climbs", &command, refused("bad_request"), catalog);
    let command = post(GENERATE, &picture("a pier")) + " -H 'expect: magic'";
    let title = "an expectation that nobody knows";
    entry(&mut out, title, &command, refused("expectation_failed"), catalog);

    section(&mut out, "What the provider does wrong");
    for row in SCENARIOS {
        let command = post(GENERATE, &picture(&format!("{PROMPT}{}", row.name)));
        entry(&mut out, row.does, &command, outcome(row.scenario), catalog);
    }

    section(&mut out, "A second provider behind the first");
    for (title, scenario, outcome) in [
        (
            "the first one refuses, the second draws",
            "overloaded-503",
            Outcome::Passes("`x-tollgate-attempts: 2`; 1 while the first one is left out"),
        ),
        (
            "our account is empty at the first one",
            "out-of-credit-200",
            Outcome::Passes("a picture from the second one"),
        ),
        (
            "a stream that begins with a failure",
            "rate-limit-200",
            Outcome::Passes("a picture from the second one"),
        ),
        (
            "an input that any of them would refuse",
            "moderation-input",
            Outcome::Refused("upstream_input_moderation"),
        ),
    ] {
        let command = post(FAILOVER, &picture(&format!("{PROMPT}{scenario}")));
        entry(&mut out, title, &command, outcome, catalog);
    }

    section(&mut out, "How often");
    let command = format!(
        "curl -sS -o /dev/null -w '%{{http_code}} ' {bearer} 'http://{gateway}{RESULT}?[1-500]' {json} -d '{{\"id\":\"ID\"}}'"
    );
    let title =
        "500 requests, and 100 a second are free; `curl -i` shows `ratelimit` and `retry-after`";
    entry(&mut out, title, &command, Outcome::Limited("rate_limited"), catalog);
    out.push_str("\nCtrl-C ends the demo.");
    out
}

/// The same but for its last character.
fn mistyped(key: &str) -> String {
    let (beginning, last) = key.split_at(key.len().saturating_sub(1));
    format!("{beginning}{}", if last == "a" { "b" } else { "a" })
}

fn section(out: &mut String, title: &str) {
    // Writing to a string cannot fail.
    let _ = write!(out, "\n== {title}\n");
}

fn entry(out: &mut String, title: &str, command: &str, outcome: Outcome, catalog: &Catalog) {
    let _ = write!(out, "\n# {title}\n{command}\n    → ");
    let _ = match outcome {
        Outcome::Passes(what) => writeln!(out, "passes: {what}"),
        Outcome::InStream(code) => writeln!(out, "event: {code}, the last event of the stream"),
        Outcome::Limited(code) => {
            let status = catalog.entry(code).map_or(0, |entry| entry.status().as_u16());
            writeln!(out, "limited: some of them {status} {code}")
        }
        Outcome::Refused(code) => {
            let status = catalog.entry(code).map_or(0, |entry| entry.status().as_u16());
            writeln!(out, "{status} {code}")
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_has_a_documented_outcome() {
        let catalog = Catalog::preset("apistor").unwrap();
        let key = super::super::generate_key().unwrap();
        let text = guide("127.0.0.1:1".parse().unwrap(), &catalog, [&key, &key]);
        for row in SCENARIOS {
            assert!(text.contains(&format!("{PROMPT}{}\"", row.name)), "{}", row.name);
            if let Outcome::Refused(code) | Outcome::InStream(code) = outcome(row.scenario) {
                assert!(catalog.entry(code).is_some(), "{code}");
            }
        }
    }

    #[test]
    fn the_example_is_right() {
        let address = "127.0.0.1:1".parse().unwrap();
        let key = super::super::generate_key().unwrap();
        let poor = super::super::generate_key().unwrap();
        let shop = super::super::Shop::open().unwrap();
        let config =
            super::super::configuration([address; 2], address, [&key, &poor], &shop).unwrap();
        assert_eq!(config.server.listen, address);
        assert_eq!(config.route.len(), 5);
    }
}
