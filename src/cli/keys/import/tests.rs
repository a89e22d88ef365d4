use super::{Format, line::Mistakes, read};
use crate::{
    auth::{ApiKey, KeyDigest, KeyPrefix},
    store::NewKey,
};
use proptest::prelude::*;

/// The digest of "abc".
const DIGEST: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

fn lines(text: &[u8], format: Option<Format>) -> Result<Vec<(u64, NewKey)>, Mistakes> {
    read(text, format, KeyPrefix::default()).unwrap().finish()
}

fn said(key: &NewKey) -> String {
    let or_none = |text: Option<&str>| text.unwrap_or("-").to_owned();
    let scopes: Vec<_> = key.scopes.iter().collect();
    format!(
        "{} {} {} {} {}",
        &*key.account,
        or_none(key.plan.as_deref()),
        if scopes.is_empty() { "-".to_owned() } else { scopes.join("+") },
        key.expires_at.map_or("-".to_owned(), |end| end.to_string()),
        or_none(key.id.as_deref()),
    )
}

#[test]
fn good_files() {
    let digest = format!("digest,account\n{DIGEST},acme\n");
    let digests = format!("{{\"digest\":\"{DIGEST}\",\"account\":\"acme\",\"plan\":null}}\n");
    let table: [(&str, &[(u64, &str)]); 10] = [
        ("key,account\nabc,acme\n", &[(2, "acme - - - -")]),
        ("key,account\nabc,acme", &[(2, "acme - - - -")]),
        (
            "\u{feff}Key, Account\r\nabc, acme\r\n\r\n\r\nabc,b\r\n",
            &[(2, "acme - - - -"), (5, "b - - - -")],
        ),
        (&digest, &[(2, "acme - - - -")]),
        (
            "account,plan,scopes,expires,id,key,note\n\n\"Acme, Inc.\",pro,\"b, a\",2030-01-01,k1,abc,\"a \"\"b\"\"\"\n",
            &[(3, "Acme, Inc. pro a+b 2030-01-01T00:00:00Z k1")],
        ),
        ("account,digest,key\nacme,,abc\n", &[(2, "acme - - - -")]),
        ("key,account\n", &[]),
        (&digests, &[(1, "acme - - - -")]),
        (
            "\u{feff}\n {\"key\":\"abc\",\"account\":\"a\",\"scopes\":[\"y\",\"x\"],\"expires_at\":\"2030-01-01T00:00:00.5Z\"}\r\n\n\
             {\"key\":\"abc\",\"account\":\"b\",\"scopes\":[],\"id\":\"\"}",
            &[(2, "a - x+y 2030-01-01T00:00:00.5Z -"), (4, "b - - - -")],
        ),
        ("{\"key\":\"abc\",\"account\":\"a\"}", &[(1, "a - - - -")]),
    ];
    let abc = KeyDigest::of(&ApiKey::parse("abc").unwrap());
    for (text, want) in table {
        let keys = lines(text.as_bytes(), None).unwrap_or_else(|bad| panic!("{text}: {bad:?}"));
        let got: Vec<_> = keys.iter().map(|(line, key)| (*line, said(key))).collect();
        let want: Vec<_> = want.iter().map(|(line, said)| (*line, (*said).to_owned())).collect();
        assert_eq!(got, want, "{text}");
        assert!(keys.iter().all(|(_, key)| key.digest == abc), "{text}");
    }
}

#[test]
fn bad_lines() {
    let head = |line: &str| format!("key,digest,account,plan,scopes,expires_at,id,note\n{line}\n");
    let twice = head(&format!("abc,{DIGEST},a,,,,,"));
    let table: [(&str, u64, &str); 25] = [
        ("", 1, "names of the columns"),
        ("abc,acme\n", 1, "column 1 has none"),
        ("key,account,key\n", 1, "column 3 is there twice"),
        ("account\nacme\n", 2, "`key` or `digest` is missing"),
        ("key\nabc\n", 2, "`account` is missing"),
        ("key,account\nabc\n", 2, "1 cells, and there are 2"),
        ("key,account\r\n\r\nabc,a,b\r\n", 3, "3 cells"),
        (&twice, 2, "both there"),
        (&head("a b,,a,,,,,"), 2, "`key`: "),
        (&head("tg_mistyped,,a,,,,,"), 2, "checksum is wrong"),
        (&head(",123,a,,,,,"), 2, "`digest`: "),
        (&head("abc,,a\u{7},,,,,"), 2, "`account`: "),
        (&head("abc,,a,\u{202e},,,,"), 2, "`plan`: "),
        (&head("abc,,a,,a\u{1},,,"), 2, "`scopes`: "),
        (&head("abc,,a,,,30d,,"), 2, "`expires_at`: "),
        (&head("abc,,a,,,,a\tb,"), 2, "`id`: "),
        (&head("abc,,a,,,,,\"a\nb\""), 3, "`note`: "),
        ("{", 1, "not valid JSON, at column 1"),
        ("{}\n{\"key\"}", 1, "`key` or `digest` is missing"),
        ("{\"key\":1}", 1, "`key`: expected a string"),
        ("{\"sk-1\":1}", 1, "a field has none of these names"),
        ("{\"scopes\":\"a b\"}", 1, "`scopes`: expected an array"),
        ("{\"scopes\":[1]}", 1, "`scopes`: expected an array"),
        ("{\"key\":\"abc\",\"account\":\"a\",\"scopes\":[\"a b\"]}", 1, "`scopes`: "),
        ("{\"key\":\"abc\",\"account\":\"a\"}[]", 1, "not valid JSON"),
    ];
    for (text, line, reason) in table {
        let mistakes = lines(text.as_bytes(), None).expect_err(text);
        let (at, said) = mistakes.first().next().unwrap();
        assert!(*at == line && said.contains(reason), "{text:?}: {at}: {said}");
    }
    for (text, format) in
        [(&b"key,account\nabc,a\nab\xffc,a\n"[..], Format::Csv), (b"\n\n{\"\xff\"}", Format::Jsonl)]
    {
        let mistakes = lines(text, Some(format)).unwrap_err();
        assert_eq!(mistakes.first().next().unwrap().0, 3);
    }
}

/// Lines that came before make no scope of what is none.
#[test]
fn scopes_are_checked_on_every_line() {
    let line = |scopes| format!("{{\"key\":\"abc\",\"account\":\"a\",\"scopes\":{scopes}}}\n");
    for (good, bad) in [("[\"a\",\"b\"]", "[\"a b\"]"), ("[]", "[\"\"]")] {
        let mistakes = lines((line(good) + &line(bad)).as_bytes(), None).unwrap_err();
        let (at, said) = mistakes.first().next().unwrap();
        assert!(*at == 2 && said.contains("`scopes`: "), "{bad}: {at}: {said}");
    }
}

#[test]
fn damaged_keys_by_prefix() {
    let read_with = |prefix: &str, key: &str| {
        let text = format!("key,account\n{key},a\n");
        read(text.as_bytes(), None, prefix.parse().unwrap()).unwrap().finish().is_ok()
    };
    assert!(!read_with("acme", "acme_mistyped") && !read_with("tg", "tg_mistyped"));
    assert!(read_with("acme", "tg_mistyped") && read_with("tg", "acme_mistyped"));
}

#[test]
fn only_the_first_mistakes_are_kept() {
    let text = format!("key,account\n{}", "a b,c\n".repeat(1_000));
    let mistakes = lines(text.as_bytes(), None).unwrap_err();
    assert_eq!((mistakes.count(), mistakes.first().len()), (1_000, 20));
}

proptest! {
    /// A key in the wrong place, or in a line that cannot be read, is not in the message.
    #[test]
    fn nothing_of_a_line_is_quoted(
        before in "[\\PC\n\",{}:]{0,40}",
        after in "[\\PC\n\",{}:]{0,40}",
        head in prop::sample::select(vec!["", "key,account\n", "account,key,scopes\n", "{\"key\":\""]),
    ) {
        let text = format!("{head}{before}S3CR3T{after}");
        if let Err(mistakes) = lines(text.as_bytes(), None) {
            for (_, reason) in mistakes.first() {
                prop_assert!(!reason.contains("S3CR3T"), "{}", reason);
            }
        }
    }
}
