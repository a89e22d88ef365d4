use super::*;
use proptest::prelude::*;
use tokio_test::{assert_pending, assert_ready, task::spawn};

fn trailers(name: &'static str) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert(name, HeaderValue::from_static("1"));
    trailers
}

#[tokio::test]
async fn byte_for_byte() {
    let text = Bytes::from(" {\"prompt\" : \"\\u00e9\u{e9}\", \"n\": 1.0 }\n");
    let fields = [JSON, ("content-length", "7"), ("content-digest", "x"), ("x-other", "y")];
    let body = Script::whole(text.clone());
    let passed_on = passed(&layer(), request(&fields, body)).await;
    let [piece] = &*passed_on.pieces else { panic!("{:?}", passed_on.pieces) };
    assert_eq!((piece, piece.as_ptr()), (&text, text.as_ptr()), "it is copied");
    assert_eq!(passed_on.hint.exact(), Some(text.len() as u64));
    assert_eq!(passed_on.trailers, None);
    assert_eq!(passed_on.parts.headers, *request(&fields, Script::new([])).headers());
    let parsed = passed_on.parts.extensions.get::<ParsedBody>().unwrap();
    assert_eq!(parsed.root().to_serde(), json!({"prompt": "éé", "n": 1.0}));

    let pieces = text.chunks(5).map(|piece| data(piece.to_vec()));
    let passed_on = passed(&layer(), request(&[JSON], Script::new(pieces))).await;
    assert_eq!(passed_on.pieces, [text]);
}

#[tokio::test]
async fn with_trailers() {
    let body = Script::new([data(GOOD), Step::Trailers(trailers("x-checksum"))]);
    let passed_on = passed(&layer(), request(&[JSON], body)).await;
    assert_eq!(passed_on.bytes(), GOOD);
    assert_eq!(passed_on.trailers, Some(trailers("x-checksum")));
    let hint = passed_on.hint;
    assert_eq!((hint.lower(), hint.upper()), (GOOD.len() as u64, None));
}

#[test]
fn what_is_nobodys_concern_streams() {
    let (seen, mut passed_on) = tokio::sync::mpsc::unbounded_channel();
    let mut service = ValidateLayer::new().max_bytes(1).budget(Budget::new(0)).layer(service_fn(
        move |request: Sent| {
            seen.send(request).unwrap();
            std::future::ready(Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("inner"))))
        },
    ));
    let body = Script::new([data("one"), data(""), data("two"), Step::Open]).declared(100);
    let polls = body.polls.clone();
    let mut answer = spawn(service.call(request(&[("content-encoding", "x")], body)));
    assert!(assert_ready!(answer.poll()).is_ok());
    assert_eq!(polls.load(Ordering::Relaxed), 0);
    let mut body = passed_on.try_recv().unwrap().into_body();
    assert_eq!(body.size_hint().exact(), Some(100));
    for want in ["one", "", "two"] {
        let frame = assert_ready!(spawn(body.frame()).poll()).unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), want);
    }
    assert_pending!(spawn(body.frame()).poll());
    assert!(!body.is_end_stream());
}

fn edits() -> Edits {
    Edits::new().rename("/prompt".parse().unwrap(), "text").unwrap()
}

const DIGESTS: Fields<'_> =
    &[("content-md5", "a"), ("digest", "b"), ("content-digest", "c"), ("repr-digest", "d")];

#[tokio::test]
async fn edits_that_change_something() {
    let layer = layer().edits(edits());
    let want = r#"{"text":"a cat","n":2}"#;
    for length in [None, Some("24")] {
        let mut fields =
            [&[JSON, ("x-other", "y"), ("content-encoding", "identity")], DIGESTS].concat();
        fields.extend(length.map(|length| ("content-length", length)));
        let passed_on = passed(&layer, request(&fields, Script::whole(GOOD))).await;
        assert_eq!(passed_on.bytes(), want);
        assert_eq!(passed_on.hint.exact(), Some(want.len() as u64));
        let mut left = vec![JSON, ("x-other", "y")];
        left.extend(length.map(|_| ("content-length", "22")));
        assert_eq!(passed_on.parts.headers, *request(&left, Script::new([])).headers());
        // What the caller has sent.
        let parsed = passed_on.parts.extensions.get::<ParsedBody>().unwrap();
        assert_eq!(parsed.root().to_serde(), json!({"prompt": "a cat", "n": 2}));
    }
    // Without a schema they want an object as well, and one that keeps the schema is not enough.
    let list: Schema = r#"{"type": ["array", "object"]}"#.parse().unwrap();
    for layer in
        [ValidateLayer::new().edits(edits()), ValidateLayer::new().schema(list).edits(edits())]
    {
        assert_eq!(kind(&layer, post("[]")).await, Some(Kind::NotAnObject));
        assert_eq!(passed(&layer, post(r#"{"prompt":1}"#)).await.bytes(), r#"{"text":1}"#);
    }
}

/// Which of two members of one name an edit means, nobody knows.
#[tokio::test]
async fn edits_of_names_that_are_there_twice() {
    let last = Syntax::default().duplicates(crate::json::Duplicates::Last);
    let open = || ValidateLayer::new().schema("{}".parse::<Schema>().unwrap()).syntax(last);
    let twice = r#"{"a":1,"a":2}"#;
    assert_eq!(kind(&open(), post(twice)).await, None);
    // In whatever order the two are said.
    for layer in [open().edits(edits()), open().edits(edits()).syntax(last)] {
        assert_eq!(kind(&layer, post(twice)).await, Some(Kind::InvalidJson));
        assert_eq!(kind(&layer, post(GOOD)).await, None);
    }
    assert_eq!(kind(&open().edits(Edits::new()), post(twice)).await, None);
}

#[tokio::test]
async fn edits_and_trailers() {
    let layer = layer().edits(edits());
    let mut sent = trailers("x-checksum");
    sent.extend(trailers("content-digest"));
    sent.extend(trailers("repr-digest"));
    let body = |text| Script::new([data(text), Step::Trailers(sent.clone())]);
    let passed_on = passed(&layer, request(&[JSON], body(GOOD))).await;
    assert_eq!(passed_on.trailers, Some(trailers("x-checksum")));
    assert_eq!(passed_on.hint.exact(), None);

    let nothing = Edits::new().remove("/absent".parse().unwrap()).unwrap();
    let passed_on = passed(&layer.edits(nothing), request(&[JSON], body(GOOD))).await;
    assert_eq!(passed_on.trailers, Some(sent));
}

#[tokio::test]
async fn edits_that_change_nothing() {
    let layer = layer().edits(Edits::new().remove("/absent".parse().unwrap()).unwrap());
    let fields =
        [&[JSON, ("content-length", "007"), ("content-encoding", "identity")], DIGESTS].concat();
    let text = Bytes::from(GOOD.to_owned());
    let passed_on = passed(&layer, request(&fields, Script::whole(text.clone()))).await;
    assert_eq!(passed_on.pieces[0].as_ptr(), text.as_ptr());
    assert_eq!(passed_on.bytes(), GOOD);
    assert_eq!(passed_on.parts.headers, *request(&fields, Script::new([])).headers());
}

/// Pieces of JSON, whole and broken, and other bytes.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let value = prop::sample::select(vec![
        "1",
        "-0",
        "1e3",
        "1e999",
        "01",
        "\"x\"",
        "\"\\u00e9\"",
        "\"\\ud800\"",
        "null",
        "[]",
        "{}",
        "[1,]",
        "\u{e9}",
        "\"\u{e9}\"",
        "",
    ]);
    let member = (prop::sample::select(vec!["a", "b", "\\u0061", "\u{1f600}"]), value);
    let object = prop::collection::vec(member, 0..4).prop_map(|members| {
        let members = members.into_iter().map(|(name, value)| format!("\"{name}\": {value}"));
        format!("{{{}}}", members.collect::<Vec<_>>().join(" ,")).into_bytes()
    });
    prop_oneof![
        8 => object.clone(),
        2 => (object, prop::collection::vec(any::<u8>(), 0..3)).prop_map(|(a, b)| [a, b].concat()),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ]
}

/// What came of it: the fault, or the bytes.
fn outcome(layer: &ValidateLayer, pieces: Vec<Step>) -> Result<Bytes, Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (answer, passed) = runtime.block_on(ask(layer, request(&[JSON], Script::new(pieces))));
    match passed {
        Some(passed) => Ok(passed.bytes()),
        None => Err(answer.extensions().get::<Fault>().unwrap().clone()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn what_gets_on_is_json_and_is_what_was_sent(
        text in text(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        limit in 0_usize..60,
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|cut| data(text[cut[0]..cut[1]].to_vec()));
        let budget = Budget::new(1 << 20);
        let layer = ValidateLayer::new().schema("{}".parse::<Schema>().unwrap()).budget(budget.clone());
        let layer = layer.max_bytes(limit);
        let whole = outcome(&layer, vec![data(text.clone())]);
        prop_assert_eq!(&outcome(&layer, pieces.collect()), &whole);
        prop_assert_eq!(matches!(whole, Err(Fault::BodyTooLarge { .. })), text.len() > limit);
        if let Ok(bytes) = whole {
            prop_assert_eq!(&bytes, &text);
            prop_assert!(serde_json::from_slice::<serde_json::Value>(&bytes).unwrap().is_object());
        }
        prop_assert_eq!(budget.reserved(), 0);
    }
}
