//! What is JSON and what is not.
use super::*;

mod encoding;
mod numbers;
mod strings;
mod structure;

/// What a topic has: documents that are accepted; others, and a piece of the reason.
type Accepted = &'static [&'static str];
type Refused = &'static [(&'static str, &'static str)];

const TOPICS: &[(&str, Accepted, Refused)] = &[
    ("numbers", numbers::ACCEPTED, numbers::REFUSED),
    ("strings", strings::ACCEPTED, strings::REFUSED),
    ("structure", structure::ACCEPTED, structure::REFUSED),
    ("encoding", encoding::ACCEPTED, encoding::REFUSED),
];

/// How many there are, at least.
const COUNT: usize = 635;

#[test]
fn each_is_accepted_as_serde_json_reads_it_or_refused_for_its_reason() {
    let mut checked = Vec::new();
    for (_, accepted, refused) in TOPICS {
        checked.extend(accepted.iter().map(|text| accept(text.as_bytes())));
        checked.extend(refused.iter().map(|(text, reason)| refuse(text.as_bytes(), reason)));
    }
    checked.extend(encoding::BYTES.iter().map(|(bytes, reason)| refuse(bytes, reason)));
    checked.extend(structure::made().iter().map(|(text, reason)| match reason {
        None => accept(text.as_bytes()),
        Some(reason) => refuse(text.as_bytes(), reason),
    }));
    assert!(checked.len() >= COUNT, "there were more: {}", checked.len());
    let wrong: Vec<String> = checked.into_iter().filter_map(Result::err).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn none_is_there_twice() {
    let texts = TOPICS.iter().flat_map(|(_, accepted, refused)| {
        accepted.iter().copied().chain(refused.iter().map(|(text, _)| *text))
    });
    let mut texts: Vec<&str> = texts.collect();
    texts.sort_unstable();
    for pair in texts.windows(2) {
        assert_ne!(pair[0], pair[1]);
    }
}

fn accept(text: &[u8]) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("{}: {what}", shown(text)));
    let expected: serde_json::Value = match serde_json::from_slice(text) {
        Ok(expected) => expected,
        Err(error) => return wrong(&format!("serde_json says {error}")),
    };
    // Spaces around it are of no account.
    for text in [text.to_vec(), [b" \n", text, b"\t\r\n"].concat()] {
        match Document::parse(text.clone(), &Syntax::default()) {
            Err(error) => return wrong(&error.to_string()),
            Ok(document) if document.text().as_bytes() != text => return wrong("another text"),
            Ok(document) if document.root().to_serde() != expected => {
                return wrong("another value");
            }
            Ok(_) => {}
        }
    }
    Ok(())
}

fn refuse(text: &[u8], reason: &str) -> Result<(), String> {
    let error = match Document::parse(text.to_vec(), &Syntax::default()) {
        Ok(_) => return Err(format!("{}: accepted", shown(text))),
        Err(error) => error.to_string(),
    };
    // Of the parser's own words, neither those for a place nor those for a limit.
    let parsers =
        error.replace(", at line ", "").contains("at line ") || error.contains("recursion");
    if parsers || !error.contains(reason) {
        return Err(format!("{}: {error}, not {reason}", shown(text)));
    }
    Ok(())
}

fn shown(text: &[u8]) -> String {
    String::from_utf8_lossy(&text[..text.len().min(80)]).into_owned()
}

#[test]
fn places_count_from_one() {
    let table = [
        ("x", "expected value, at line 1, column 1"),
        ("[1,\n 2,\n  x]", "expected value, at line 3, column 3"),
        ("[\n", "EOF while parsing a list, at line 2, column 1"),
        ("{\"a\":\n", "EOF while parsing a value, at line 2, column 1"),
        ("[1]\n\n2", "trailing characters, at line 3, column 1"),
        ("[\"é\", x]", "expected value, at line 1, column 8"),
        ("{\"a\": 1,\n\"a\": 2}", "a member's name is there twice, at line 2, column 7"),
        ("\u{feff}1", "it begins with a byte order mark"),
        ("\n", "it is empty"),
    ];
    for (text, want) in table {
        let error = Document::parse(text, &Syntax::default()).unwrap_err();
        assert_eq!(error.to_string(), want, "{text:?}");
        assert_eq!(error.line().is_some(), want.contains("line"), "{text:?}");
    }
}

/// What a reader is told names no piece of the text: it may be a secret.
#[test]
fn reasons_hold_nothing_of_the_text() {
    let secret = "hunter2";
    for text in [
        "[hunter2]",
        "{\"hunter2\":1,\"hunter2\":2}",
        "{hunter2:1}",
        "\"hunter2\\x\"",
        "\"hunter2\n\"",
        "{\"a\" hunter2}",
        "[1 hunter2]",
        "{} hunter2",
        "\"hunter2",
    ] {
        let error = Document::parse(text, &Syntax::default()).unwrap_err();
        assert!(!format!("{error} {error:?}").contains(secret), "{error:?}");
    }
    let document = read("{\"hunter2\":\"hunter2\"}");
    assert!(!format!("{:?}", document.root()).contains(secret));
    assert!(!format!("{document:?}").contains(secret));
}
