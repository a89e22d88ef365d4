use super::*;
use crate::fault::UpstreamKind;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

#[test]
fn every_preset_is_valid() {
    for name in Profile::presets() {
        let profile = Profile::preset(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        for rule in profile.rules.iter() {
            for pattern in rule.patterns() {
                pattern.check().unwrap_or_else(|error| panic!("{}: {error}", rule.name));
            }
        }
    }
}

fn kind(profile: &str, status: u16, fields: &[(&str, &str)], body: &[u8]) -> Option<UpstreamKind> {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers
            .append(HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap());
    }
    let content = Content::read(&headers, Bytes::copy_from_slice(body), 1 << 20);
    let status = StatusCode::from_u16(status).unwrap();
    let profile = Profile::preset(profile).unwrap();
    profile.classify(&Answer::new(status, &headers, &content)).fault.map(|fault| fault.kind)
}

#[test]
fn evidence_of_a_wrong_kind() {
    use UpstreamKind as K;
    const JSON: (&str, &str) = ("content-type", "application/json");
    let quota = br#"{"error":{"code":"insufficient_quota","message":"x"}}"#;
    let utf16: Vec<u8> =
        String::from_utf8_lossy(quota).encode_utf16().flat_map(u16::to_le_bytes).collect();
    let table: &[(u16, &[(&str, &str)], &[u8], Option<K>)] = &[
        (429, &[JSON], quota, Some(K::AccountExhausted)),
        (429, &[("content-type", "text/plain")], quota, Some(K::AccountExhausted)),
        (429, &[], quota, Some(K::AccountExhausted)),
        (
            429,
            &[("content-type", "application/json; charset=utf-16le")],
            &utf16,
            Some(K::AccountExhausted),
        ),
        (429, &[JSON], &[b"\xef\xbb\xbf", &quota[..]].concat(), Some(K::AccountExhausted)),
        // Nothing can be read, so the status says it.
        (429, &[JSON, ("content-encoding", "gzip")], quota, Some(K::RateLimited)),
        (429, &[JSON, ("content-encoding", "rot13")], quota, Some(K::RateLimited)),
        (429, &[JSON], &quota[..20], Some(K::RateLimited)),
        // A success that cannot be what it claims.
        (200, &[JSON], b"", Some(K::Unexpected)),
        (200, &[JSON], b" \n", Some(K::Unexpected)),
        (200, &[JSON], b"{\"a\":", Some(K::Unexpected)),
        (200, &[JSON], b"<html>", Some(K::Unexpected)),
        (200, &[JSON, ("content-encoding", "gzip")], b"{}", Some(K::Unexpected)),
        (200, &[JSON], b"{\"a\":\"\\ud800\"}", None),
        // What somebody has cut in two, or wrote in an encoding of their own, is no reason to see nothing.
        (
            200,
            &[JSON],
            br#"{"error":{"message":"\\ \ud83d\ude00 \ud83d","code":"insufficient_quota"}}"#,
            Some(K::AccountExhausted),
        ),
        (
            429,
            &[JSON],
            b"{\"error\":{\"message\":\"\xc4\xe3\",\"code\":\"insufficient_quota\"}}",
            Some(K::AccountExhausted),
        ),
        (200, &[JSON], &[&[b'['; 500][..], &[b']'; 500]].concat(), None),
        (200, &[JSON], b"1e999", None),
        (200, &[JSON], b"{\"a\":1,\"a\":2}", None),
        (200, &[], b"", None),
        (204, &[JSON], b"", None),
        (304, &[JSON], b"", None),
        (200, &[("content-type", "image/png")], b"\x89PNG", None),
    ];
    for (status, fields, body, want) in table {
        let text = String::from_utf8_lossy(body);
        assert_eq!(kind("generic", *status, fields, body), *want, "{status} {fields:?} {text}");
    }
}

/// No rule makes a success of a status that callers take for a failure.
#[test]
fn no_success_from_400_on() {
    let body = br#"{"code":1,"description":"quota"}"#;
    assert_eq!(kind("midjourney-proxy", 200, &[], body), None);
    assert_eq!(kind("midjourney-proxy", 400, &[], body), Some(UpstreamKind::InvalidRequest));
}

#[test]
fn no_name_twice_over_a_chain() {
    for name in Profile::presets() {
        let profile = Profile::preset(name).unwrap();
        let mut names: Vec<&str> = profile
            .rules
            .iter()
            .filter_map(|rule| rule.name.split_once('/'))
            .map(|(_, name)| name)
            .collect();
        names.sort_unstable();
        let twice: Vec<_> = names.windows(2).filter(|pair| pair[0] == pair[1]).collect();
        assert!(twice.is_empty(), "{name}: {twice:?}");
    }
}

#[test]
fn no_rule_is_hidden_behind_an_earlier_one() {
    let mut hidden = Vec::new();
    for name in Profile::presets() {
        let (profile, own) = (Profile::preset(name).unwrap(), format!("{name}/"));
        let rules: Vec<_> =
            profile.rules.iter().filter(|rule| rule.name.starts_with(&own)).collect();
        for (i, rule) in rules.iter().enumerate() {
            let found = rules[..i].iter().find(|earlier| covers(earlier, rule));
            hidden.extend(found.map(|earlier| format!("{} behind {}", rule.name, earlier.name)));
        }
    }
    assert!(hidden.is_empty(), "{hidden:?}");
    let text = r#"
        [[rule]]
        name = "wide"
        status = "4xx"
        body = [{ at = ["/a", "/b"], is = ["X", 1] }]
        fault = "timeout"
        [[rule]]
        name = "narrow"
        status = [400, "410-420"]
        body = [{ at = "/b", is = "x" }, { at = "/c", exists = true }]
        fault = "overloaded"
    "#;
    let own = std::collections::BTreeMap::from([("p".to_owned(), toml::from_str(text).unwrap())]);
    let profile = Profile::named("p", &own).unwrap();
    let rules: Vec<_> = profile.rules.iter().collect();
    assert!(covers(rules[0], rules[1]) && !covers(rules[1], rules[0]));
}

/// Whether the first matches whatever the second does, as far as that shows in what is written.
fn covers(first: &rule::Rule, second: &rule::Rule) -> bool {
    let statuses = first.status.is_empty()
        || !second.status.is_empty()
            && second.status.iter().all(|part| {
                first
                    .status
                    .iter()
                    .any(|whole| whole.start() <= part.start() && part.end() <= whole.end())
            });
    let subset = |all: &[String], some: &[String]| {
        all.is_empty() || !some.is_empty() && some.iter().all(|one| all.contains(one))
    };
    let types = |rule: &rule::Rule| {
        rule.content_types.iter().map(|range| format!("{range:?}")).collect::<Vec<_>>()
    };
    let events =
        |rule: &rule::Rule| rule.events.iter().map(ToString::to_string).collect::<Vec<_>>();
    let headers = first.headers.iter().all(|(name, test)| {
        let values = |test: &rule::HeaderTest| match test {
            rule::HeaderTest::There => Vec::new(),
            rule::HeaderTest::Is(values) => values.iter().map(ToString::to_string).collect(),
        };
        second
            .headers
            .iter()
            .any(|(other, narrow)| name == other && subset(&values(test), &values(narrow)))
    });
    let json = first.json.is_none()
        || first.json == second.json
        || first.json == Some(true) && !second.body.is_empty();
    let always = match &first.meaning {
        rule::Meaning::StatusAt(_) => false,
        rule::Meaning::Ok | rule::Meaning::Fault(_) => true,
    };
    always
        && statuses
        && headers
        && json
        && subset(&types(first), &types(second))
        && subset(&events(first), &events(second))
        && (first.scope.is_none() || first.scope == second.scope)
        && first.text.is_none()
        && first.body.iter().all(|wide| second.body.iter().any(|narrow| follows(wide, narrow)))
}

/// Whether the first condition holds wherever the second does.
fn follows(
    (wide_at, wide): &(Vec<crate::json::Pointer>, rule::Test),
    (narrow_at, narrow): &(Vec<crate::json::Pointer>, rule::Test),
) -> bool {
    use rule::Test as T;
    let paths =
        |at: &[crate::json::Pointer]| at.iter().map(ToString::to_string).collect::<Vec<_>>();
    let (wide_at, narrow_at) = (paths(wide_at), paths(narrow_at));
    let any_of_more = narrow_at.iter().all(|at| wide_at.contains(at));
    let all_of_fewer = wide_at.iter().all(|at| narrow_at.contains(at));
    let word = |scalar: &Scalar| match scalar {
        Scalar::Bool(value) => value.to_string(),
        Scalar::Integer(value) => value.to_string(),
        Scalar::Text(text) => text.to_ascii_lowercase(),
    };
    let among = |some: &[Scalar], all: &[Scalar]| {
        some.iter().all(|one| all.iter().any(|other| word(one) == word(other)))
    };
    match (wide, narrow) {
        (T::Is(wide), T::Is(narrow)) => any_of_more && among(narrow, wide),
        (T::Not(wide), T::Not(narrow)) => any_of_more && among(wide, narrow),
        (T::Matches(wide), T::Matches(narrow)) => any_of_more && wide == narrow,
        (T::Status(true), T::Status(true)) | (T::Empty(false), T::Empty(false)) => any_of_more,
        (
            T::Exists(true),
            T::Is(_)
            | T::Not(_)
            | T::Matches(_)
            | T::Exists(true)
            | T::Empty(false)
            | T::Status(true),
        ) => any_of_more,
        (T::Exists(false), T::Exists(false))
        | (T::Empty(true), T::Empty(true) | T::Exists(false)) => all_of_fewer,
        _ => false,
    }
}
