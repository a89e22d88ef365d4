use super::*;
use crate::decode::tests::{CODINGS, encode, wire_name};

fn decoding() -> ValidateLayer {
    layer().content_encoding(ContentEncoding::Decode { max_bytes: 1000 })
}

fn coded(coding: &str, body: impl Into<Bytes>) -> Request<Script> {
    request(&[JSON, ("content-encoding", coding)], Script::whole(body))
}

#[tokio::test]
async fn decoded_for_the_check_alone() {
    for coding in CODINGS {
        let wire = Bytes::from(encode(coding, GOOD.as_bytes()));
        let passed_on = passed(&decoding(), coded(wire_name(coding), wire.clone())).await;
        assert_eq!(passed_on.pieces, [wire], "{coding}");
        assert_eq!(passed_on.field("content-encoding"), Some(wire_name(coding)));
        let parsed = passed_on.parts.extensions.get::<ParsedBody>().unwrap();
        assert_eq!(parsed.root().get("prompt").unwrap().as_str(), Some("a cat"), "{coding}");

        let table = [
            ("{}", Kind::EmptyObject),
            ("[]", Kind::NotAnObject),
            ("", Kind::InvalidJson),
            ("{", Kind::InvalidJson),
            (r#"{"prompt":5}"#, Kind::Violation),
        ];
        for (text, want) in table {
            let sent = coded(wire_name(coding), encode(coding, text.as_bytes()));
            assert_eq!(kind(&decoding(), sent).await, Some(want), "{coding} {text}");
        }
    }
    let wire = encode("br", &encode("gzip", GOOD.as_bytes()));
    assert_eq!(passed(&decoding(), coded("gzip, br", wire.clone())).await.bytes(), wire);
    let in_pieces = Script::new(wire.iter().map(|byte| data(vec![*byte])));
    let in_pieces =
        request(&[JSON, ("content-encoding", "gzip"), ("content-encoding", "br")], in_pieces);
    assert_eq!(passed(&decoding(), in_pieces).await.bytes(), wire);
    // Nothing at all.
    let empty = request(&[JSON, ("content-encoding", "gzip")], Script::new([]));
    assert_eq!(kind(&decoding(), empty).await, Some(Kind::InvalidJson));
}

#[tokio::test]
async fn refused_by_default() {
    let wire = encode("gzip", GOOD.as_bytes());
    let (answer, _) = ask(&layer(), coded("gzip", wire)).await;
    assert_eq!(answer.status(), 415);
    assert_eq!(answer.headers()[header::ACCEPT_ENCODING], "identity");
}

#[tokio::test]
async fn codings_that_are_unknown_or_too_many() {
    for coding in ["compress", "gzip, aws-chunked", "gzip,gzip,gzip,gzip", "*"] {
        let sent = coded(coding, GOOD);
        let polls = sent.body().polls.clone();
        let (answer, _) = ask(&decoding(), sent).await;
        assert_eq!(answer.status(), 415, "{coding}");
        assert_eq!(answer.headers()[header::ACCEPT_ENCODING], "gzip, br, zstd, deflate");
        assert_eq!(polls.load(Ordering::Relaxed), 0);
    }
}

#[tokio::test]
async fn not_what_it_says() {
    for coding in CODINGS {
        let whole = encode(coding, GOOD.as_bytes());
        let cut = whole[..whole.len() - 1].to_vec();
        let longer = [&whole[..], b"{}"].concat();
        for wire in [cut, longer, GOOD.into()] {
            let (answer, _) = ask(&decoding(), coded(wire_name(coding), wire)).await;
            let fault = answer.extensions().get::<Fault>().and_then(Fault::kind);
            assert_eq!(
                (fault, answer.status().as_u16()),
                (Some(Kind::BadRequest), 400),
                "{coding}"
            );
        }
    }
}

#[tokio::test]
async fn bombs() {
    let text = |length: usize| format!(r#"{{"prompt":"{}"}}"#, "x".repeat(length - 13));
    for coding in CODINGS {
        for (length, want) in [(1000, None), (1001, too_large(1000)), (1 << 19, too_large(1000))] {
            let wire = encode(coding, text(length).as_bytes());
            assert!(wire.len() < 1 << 14);
            // Half a MiB would not fit.
            let budget = Budget::new(1 << 15);
            let layer = decoding().budget(budget.clone());
            assert_eq!(
                fault(&layer, coded(wire_name(coding), wire)).await,
                want,
                "{coding} {length}"
            );
            assert_eq!(budget.reserved(), 0);
        }
    }
}

/// A few bytes that are many more in the middle and none at the end.
#[tokio::test]
async fn a_bomb_of_which_nothing_comes() {
    let empty = encode("gzip", b"");
    let bulk = empty.repeat((256 << 10) / empty.len());
    let wire = encode("br", &bulk);
    assert!(wire.len() < 1000, "{}", wire.len());
    let got = fault(&decoding(), coded("gzip, br", wire)).await;
    assert_eq!(got, too_large(1000));
}

/// Neither does one that is hard to compress look like such a bomb.
#[tokio::test]
async fn three_codings_of_an_ordinary_body() {
    let mut random = fastrand::Rng::with_seed(7);
    let noise: String = std::iter::repeat_with(|| random.alphanumeric()).take(150_000).collect();
    let layer = layer().content_encoding(ContentEncoding::Decode { max_bytes: 160_000 });
    for text in [noise, "x".repeat(150_000)] {
        let text = format!(r#"{{"prompt":"{text}"}}"#);
        for codings in [["zstd", "gzip", "br"], ["br", "zstd", "gzip"], ["gzip", "br", "zstd"]] {
            let encoded = |wire: Vec<u8>, coding: &&str| encode(coding, &wire);
            let wire = codings.iter().fold(text.clone().into_bytes(), encoded);
            let sent = coded(&codings.join(", "), wire.clone());
            assert_eq!(passed(&layer, sent).await.bytes(), wire, "{codings:?}");
        }
    }
}

#[tokio::test]
async fn edited_they_are_plain() {
    let edits = Edits::new().rename("/prompt".parse().unwrap(), "text").unwrap();
    let layer = decoding().edits(edits);
    for coding in CODINGS {
        let wire = encode(coding, GOOD.as_bytes());
        let length = wire.len().to_string();
        let fields = [
            JSON,
            ("content-length", &*length),
            ("content-encoding", wire_name(coding)),
            ("content-digest", "x"),
        ];
        let passed_on = passed(&layer, request(&fields, Script::whole(wire))).await;
        assert_eq!(passed_on.bytes(), r#"{"text":"a cat","n":2}"#);
        let left = [JSON, ("content-length", "22")];
        assert_eq!(passed_on.parts.headers, *request(&left, Script::new([])).headers());
    }
}
