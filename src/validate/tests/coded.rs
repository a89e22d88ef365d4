use super::*;
use crate::{
    decode::tests::{CODINGS, encode, wire_name},
    validate::collect::HEADROOM,
};
use tokio_test::{assert_pending, assert_ready_ok, task::spawn};

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
    // In however many pieces it comes.
    let wire = encode("gzip", GOOD.as_bytes());
    let in_pieces = Script::new(wire.iter().map(|byte| data(vec![*byte])));
    let fields = [JSON, ("content-encoding", "identity"), ("content-encoding", "gzip")];
    assert_eq!(passed(&decoding(), request(&fields, in_pieces)).await.bytes(), wire);
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
    // Even those that could be undone, if there are several: what is in the middle has no limit.
    for coding in ["compress", "gzip, aws-chunked", "gzip, gzip", "gzip, br, zstd", "*"] {
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

/// Members of which nothing comes, and one of which something does.
fn empty_members(members: usize) -> Vec<u8> {
    let mut wire = encode("gzip", b"").repeat(members);
    wire.extend(encode("gzip", GOOD.as_bytes()));
    wire
}

/// They cost time, which is not that of others.
#[tokio::test(start_paused = true)]
async fn what_takes_long_is_done_by_turns() {
    let budget = Budget::new(1 << 22);
    let layer = decoding().budget(budget.clone()).timeout(Duration::from_secs(10));
    let service = layer.layer(service_fn(|_: Sent| async {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("inner")))
    }));
    let wire = Bytes::from(empty_members(5_000));
    let mut answer = spawn(service.clone().oneshot(coded("gzip", wire.clone())));
    let mut turns = 0;
    let answer = loop {
        match answer.poll() {
            Poll::Ready(answer) => break answer.unwrap(),
            Poll::Pending => assert!(answer.is_woken(), "it goes on by itself"),
        }
        turns += 1;
        // The codec is there between two turns.
        assert!(budget.reserved() > wire.len() + 64 * 1024, "{}", budget.reserved());
    };
    assert_eq!(answer.status(), 200);
    assert!(turns > 20, "{turns}");
    assert_eq!(budget.reserved(), 0);

    let mut answer = spawn(service.oneshot(coded("gzip", wire)));
    assert_pending!(answer.poll());
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(assert_ready_ok!(answer.poll()).status(), 408);
    assert_eq!(budget.reserved(), 0);
}

#[tokio::test]
async fn a_large_one_is_done_by_turns() {
    const LIMIT: usize = 3 << 20;
    let text = format!(r#"{{"prompt":"{}"}}"#, "x".repeat((2 << 20) + 12_345));
    let layer = || layer().content_encoding(ContentEncoding::Decode { max_bytes: LIMIT });
    for coding in CODINGS {
        let wire = encode(coding, text.as_bytes());
        // As it came, what it means, what the codec keeps of that, and what is in it.
        let budget = Budget::new(wire.len() + 2 * LIMIT + 64 * 1024 + HEADROOM);
        let sent = coded(wire_name(coding), wire.clone());
        let passed_on = passed(&layer().budget(budget.clone()), sent).await;
        assert_eq!(passed_on.bytes(), wire, "{coding}");
        // What was in advance is given back.
        let (text, reserved) = (text.len() + wire.len(), budget.reserved());
        assert!((text..=text + HEADROOM).contains(&reserved), "{coding}: {reserved} for {text}");
        drop(passed_on);
        assert_eq!(budget.reserved(), 0);

        let budget = Budget::new(wire.len() + (64 << 10) + HEADROOM);
        let sent = coded(wire_name(coding), wire);
        assert_eq!(fault(&layer().budget(budget), sent).await, Some(Fault::Overloaded));
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
