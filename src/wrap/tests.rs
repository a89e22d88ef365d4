use super::*;
use crate::{
    Catalog, Fault, WrapLayer,
    decode::tests::{CODINGS, encode, wire_name},
    fault::{Cause, UpstreamFault, UpstreamKind},
    normalize::rescue,
};
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Empty, Full};
use proptest::prelude::*;
use std::{
    collections::VecDeque,
    convert::Infallible,
    io,
    pin::{Pin, pin},
    task::{Context, Poll},
};
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, service_fn};

/// What an inner body does next.
#[derive(Clone, Debug)]
enum Step {
    Data(Bytes),
    Trailers(HeaderMap),
    Fail(Fault),
    Wait,
}

fn data(bytes: impl AsRef<[u8]>) -> Step {
    Step::Data(Bytes::copy_from_slice(bytes.as_ref()))
}

/// A body by script; its length is known or not.
#[derive(Clone, Debug, Default)]
struct Script {
    steps: VecDeque<Step>,
    exact: Option<u64>,
    /// What is known of a length that is not exact.
    at_most: Option<u64>,
    over: bool,
}

impl Script {
    fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { steps: steps.into_iter().collect(), exact: None, at_most: None, over: false }
    }

    fn sized(steps: impl IntoIterator<Item = Step>) -> Self {
        let mut script = Self::new(steps);
        script.exact = Some(0);
        for step in &script.steps {
            if let Step::Data(bytes) = step {
                script.exact = script.exact.map(|sum| sum + bytes.len() as u64);
            }
        }
        script
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Ready(match self.steps.pop_front() {
            Some(Step::Data(bytes)) => {
                self.exact = self.exact.map(|left| left - bytes.len() as u64);
                Some(Ok(Frame::data(bytes)))
            }
            Some(Step::Trailers(trailers)) => Some(Ok(Frame::trailers(trailers))),
            Some(Step::Fail(fault)) => {
                self.over = true;
                Some(Err(fault.into()))
            }
            Some(Step::Wait) => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            None => {
                self.over = true;
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.over || (self.exact.is_some() && self.steps.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.exact.map_or_else(SizeHint::new, SizeHint::with_exact);
        if let Some(most) = self.at_most {
            hint.set_upper(most);
        }
        hint
    }
}

type Fields<'a> = &'a [(&'a str, &'a str)];

const JSON: (&str, &str) = ("content-type", "application/json");

fn answer(status: u16, fields: Fields<'_>, body: Script) -> Response<Script> {
    let mut response = Response::builder().status(status);
    for (name, value) in fields {
        response = response.header(*name, *value);
    }
    response.body(body).unwrap()
}

async fn ask(method: Method, inner: Response<Script>) -> Response<WrapBody<Script>> {
    let mut inner = Some(inner);
    let service = service_fn(move |_: Request<()>| {
        let inner = inner.take().unwrap();
        async { Ok::<_, Infallible>(inner) }
    });
    let service = ServiceBuilder::new().layer(WrapLayer::default()).service(service);
    let request = Request::builder().method(method).body(()).unwrap();
    service.oneshot(request).await.unwrap()
}

/// All data, what follows it, and whether the body kept what it said about itself on the way.
async fn read<B>(body: B) -> (Vec<u8>, Option<HeaderMap>, Option<B::Error>)
where
    B: Body<Data = Bytes>,
{
    let mut body = pin!(body);
    let (mut all, mut trailers) = (Vec::new(), None);
    let mut said = Vec::new();
    let error = loop {
        said.push((all.len() as u64, body.size_hint()));
        let ended = body.is_end_stream();
        match body.frame().await {
            Some(Err(error)) => break Some(error),
            None => break None,
            Some(Ok(frame)) => {
                assert!(!ended, "a frame after the end of the stream");
                assert!(trailers.is_none(), "a frame after the trailers");
                match frame.into_data() {
                    Ok(data) => all.extend_from_slice(&data),
                    Err(frame) => trailers = frame.into_trailers().ok(),
                }
            }
        }
    };
    if error.is_none() {
        for (before, hint) in said {
            let rest = all.len() as u64 - before;
            assert!(hint.lower() <= rest, "{hint:?}, {rest}");
            assert!(hint.upper().is_none_or(|upper| upper >= rest), "{hint:?}, {rest}");
        }
    }
    assert!(body.is_end_stream());
    (all, trailers, error)
}

async fn text<B: Body<Data = Bytes>>(body: B) -> String
where
    B::Error: std::fmt::Debug,
{
    let (all, _, error) = read(body).await;
    assert!(error.is_none(), "{error:?}");
    String::from_utf8(all).unwrap()
}

fn field<'a, B>(response: &'a Response<B>, name: &str) -> Option<&'a str> {
    response.headers().get(name).map(|v| v.to_str().unwrap())
}

const WRAPPED: &str = r#"{"data":{"id": 7},"error":null}"#;
const NOTHING: &str = r#"{"data":null,"error":null}"#;
const PLAIN: &str = r#"{"id": 7}"#;

/// Status, content type, length: what leaves.
#[tokio::test]
async fn what_is_wrapped() {
    let sized = || Script::sized([data(PLAIN)]);
    let stream = || Script::new([data(""), Step::Wait, data(PLAIN)]);
    let none = Script::default;
    let ended = || Script::sized([]);
    /// Inner status, fields, body; outer status, content-length, body.
    type Row<'a> = (u16, Fields<'a>, Script, u16, Option<&'a str>, &'a str);
    #[rustfmt::skip]
    let table: Vec<Row<'_>> = vec![
        // JSON, its length known from the body, from the head, from both, from none, and from a wrong head.
        (200, &[JSON], sized(), 200, Some("31"), WRAPPED),
        (200, &[JSON, ("content-length", "9")], sized(), 200, Some("31"), WRAPPED),
        (200, &[JSON, ("content-length", "9")], stream(), 200, Some("31"), WRAPPED),
        (200, &[JSON], stream(), 200, None, WRAPPED),
        (200, &[JSON, ("content-length", "8")], sized(), 200, Some("31"), WRAPPED),
        (200, &[JSON, ("content-length", "+9")], stream(), 200, None, WRAPPED),
        (200, &[JSON, ("content-length", "9"), ("content-length", "9")], stream(), 200, Some("31"), WRAPPED),
        (200, &[JSON, ("content-length", "9"), ("content-length", "8")], stream(), 200, None, WRAPPED),
        (200, &[JSON, ("content-length", "18446744073709551615")], stream(), 200, None, WRAPPED),
        (200, &[JSON], Script::sized([data("1")]), 200, Some("23"), r#"{"data":1,"error":null}"#),
        (200, &[JSON], Script::sized([data("null")]), 200, Some("26"), NOTHING),
        (200, &[JSON], Script::new([data(" \n"), data("7"), data(" ")]), 200, None, "{\"data\": \n7 ,\"error\":null}"),
        // Other successes, other JSON.
        (201, &[JSON], sized(), 201, Some("31"), WRAPPED),
        (202, &[("content-type", "application/vnd.x+json; charset=UTF-8")], sized(), 202, Some("31"), WRAPPED),
        (203, &[JSON], stream(), 203, None, WRAPPED),
        (299, &[JSON], sized(), 299, Some("31"), WRAPPED),
        // Nothing.
        (204, &[], ended(), 200, Some("26"), NOTHING),
        (204, &[("content-type", "text/plain")], none(), 200, Some("26"), NOTHING),
        (205, &[("content-length", "0")], ended(), 200, Some("26"), NOTHING),
        (200, &[], ended(), 200, Some("26"), NOTHING),
        (202, &[("content-type", "text/plain"), ("content-length", "0")], ended(), 202, Some("26"), NOTHING),
        (201, &[JSON, ("content-length", "0")], ended(), 201, Some("26"), NOTHING),
        (200, &[("content-length", "0")], none(), 200, Some("26"), NOTHING),
        (200, &[("content-encoding", "compress")], ended(), 200, Some("26"), NOTHING),
        (200, &[JSON], none(), 200, None, NOTHING),
        (200, &[JSON], Script::new([data(""), Step::Wait, data("")]), 200, None, NOTHING),
        (200, &[JSON, ("content-encoding", "gzip")], none(), 200, None, NOTHING),
        // Not JSON.
        (200, &[], sized(), 200, None, PLAIN),
        (200, &[("content-type", "text/plain"), ("content-length", "9")], sized(), 200, Some("9"), PLAIN),
        (200, &[("content-type", "text/plain"), ("content-encoding", "compress")], sized(), 200, None, PLAIN),
        (200, &[("content-type", "application/x-ndjson")], stream(), 200, None, PLAIN),
        (200, &[("content-type", "text/event-stream")], stream(), 200, None, PLAIN),
        (200, &[("content-type", "application/json; charset=utf-16")], sized(), 200, None, PLAIN),
        (200, &[("content-type", "text/plain")], none(), 200, None, ""),
        // Not a whole success.
        (100, &[JSON], ended(), 100, None, ""),
        (101, &[JSON], ended(), 101, None, ""),
        (103, &[JSON], ended(), 103, None, ""),
        (206, &[JSON, ("content-length", "9"), ("content-range", "bytes 0-8/20")], sized(), 206, Some("9"), PLAIN),
        (206, &[JSON], ended(), 206, None, ""),
        (226, &[JSON], sized(), 226, None, PLAIN),
        (300, &[JSON], sized(), 300, None, PLAIN),
        (304, &[JSON, ("content-length", "9")], ended(), 304, Some("9"), ""),
        (400, &[JSON], sized(), 400, None, PLAIN),
        (404, &[JSON, ("content-encoding", "compress")], sized(), 404, None, PLAIN),
        (500, &[JSON, ("content-length", "0")], ended(), 500, Some("0"), ""),
        (999, &[JSON], sized(), 999, None, PLAIN),
    ];
    for (status, fields, body, want_status, want_length, want) in table {
        let what = format!("{status} {fields:?} {body:?}");
        let inner = answer(status, fields, body);
        let untouched = inner.headers().clone();
        let outer = ask(Method::POST, inner).await;
        assert_eq!(outer.status(), want_status, "{what}");
        assert_eq!(field(&outer, "content-length"), want_length, "{what}");
        assert_eq!(
            field(&outer, "content-encoding").is_some(),
            want == PLAIN && untouched.contains_key("content-encoding"),
            "{what}"
        );
        match want {
            PLAIN | "" => assert_eq!(*outer.headers(), untouched, "{what}"),
            NOTHING if want_length.is_some() => {
                assert_eq!(field(&outer, "content-type"), Some(JSON.1), "{what}");
            }
            _ => assert_eq!(outer.headers().get("content-type"), untouched.get("content-type")),
        }
        assert_eq!(text(outer.into_body()).await, want, "{what}");
    }
}

#[tokio::test]
async fn a_head_says_what_a_get_would() {
    let gzip = ("content-encoding", "gzip");
    /// Inner status, fields; outer status, content-length, content-type.
    type Row<'a> = (u16, Fields<'a>, u16, Option<&'a str>, Option<&'a str>);
    #[rustfmt::skip]
    let table: &[Row<'_>] = &[
        (200, &[JSON, ("content-length", "9")], 200, Some("31"), Some("application/json")),
        (200, &[("content-type", "a/b+json"), ("content-length", "9")], 200, Some("31"), Some("a/b+json")),
        (200, &[JSON], 200, None, Some("application/json")),
        (200, &[JSON, gzip, ("content-length", "9")], 200, None, Some("application/json")),
        (200, &[("content-type", "text/plain"), ("content-length", "0")], 200, Some("26"), Some("application/json")),
        (204, &[], 200, Some("26"), Some("application/json")),
        (205, &[], 200, Some("26"), Some("application/json")),
        (200, &[("content-type", "text/plain"), ("content-length", "9")], 200, Some("9"), Some("text/plain")),
        (200, &[], 200, None, None),
        (206, &[JSON, ("content-length", "9")], 206, Some("9"), Some("application/json")),
        (404, &[JSON, ("content-length", "9")], 404, Some("9"), Some("application/json")),
    ];
    for (status, fields, want_status, length, content_type) in table {
        let outer = ask(Method::HEAD, answer(*status, fields, Script::sized([]))).await;
        assert_eq!(outer.status(), *want_status, "{status} {fields:?}");
        assert_eq!(field(&outer, "content-length"), *length, "{status} {fields:?}");
        assert_eq!(field(&outer, "content-type"), *content_type, "{status} {fields:?}");
        assert!(outer.body().is_end_stream(), "{status} {fields:?}");
        assert_eq!(text(outer.into_body()).await, "", "{status} {fields:?}");
    }
    let refused = answer(200, &[JSON, ("content-encoding", "compress")], Script::sized([]));
    let refused = ask(Method::HEAD, refused).await;
    assert_eq!(refused.status(), 502);
    assert_eq!(text(refused.into_body()).await, "");
}

#[tokio::test]
async fn a_tunnel_is_left_alone() {
    let outer = ask(Method::CONNECT, answer(200, &[JSON], Script::sized([]))).await;
    assert_eq!(outer.headers().len(), 1);
    assert_eq!(text(outer.into_body()).await, "");
}

#[tokio::test]
async fn the_request_asks_for_the_whole_and_plain() {
    for sent in [None, Some("gzip, br")] {
        let service = WrapLayer::default();
        let service =
            ServiceBuilder::new().layer(service).service_fn(|request: Request<()>| async move {
                let mut response = Response::new(Empty::<Bytes>::new());
                *response.headers_mut() = request.headers().clone();
                response.headers_mut().insert("content-type", "text/plain".parse().unwrap());
                *response.status_mut() = StatusCode::NOT_MODIFIED;
                Ok::<_, Infallible>(response)
            });
        let mut request = Request::builder()
            .header("range", "bytes=0-1")
            .header("range", "bytes=2-3")
            .header("if-range", "\"x\"")
            .header("if-none-match", "W/\"x\"")
            .header("accept", "application/json");
        for _ in 0..2 {
            if let Some(sent) = sent {
                request = request.header("accept-encoding", sent);
            }
        }
        let seen = service.oneshot(request.body(()).unwrap()).await.unwrap();
        let fields = seen.headers();
        let codings: Vec<_> = fields.get_all("accept-encoding").iter().collect();
        assert_eq!(codings, ["identity"]);
        assert!(!fields.contains_key("range") && !fields.contains_key("if-range"));
        assert!(fields.contains_key("if-none-match") && fields.contains_key("accept"));
    }
}

#[tokio::test]
async fn what_was_about_the_inner_bytes() {
    let gone = [
        "content-md5",
        "digest",
        "content-digest",
        "repr-digest",
        "accept-ranges",
        "content-range",
    ];
    // Inner etag, outer etag.
    let table = [
        ("\"a\"", Some("W/\"a\"")),
        ("\"\"", Some("W/\"\"")),
        ("W/\"a\"", Some("W/\"a\"")),
        ("a", None),
        ("w/\"a\"", None),
    ];
    for (inner, want) in table {
        for (status, body) in [(200, Script::sized([data(PLAIN)])), (204, Script::default())] {
            let mut fields =
                vec![JSON, ("etag", inner), ("last-modified", "x"), ("set-cookie", "c=1")];
            fields.extend(gone.map(|name| (name, "x")));
            let outer = ask(Method::GET, answer(status, &fields, body)).await;
            assert_eq!(field(&outer, "etag"), want, "{inner}");
            assert_eq!(field(&outer, "last-modified"), Some("x"));
            assert_eq!(field(&outer, "set-cookie"), Some("c=1"));
            for name in gone {
                assert_eq!(field(&outer, name), None);
            }
        }
    }
}

#[tokio::test]
async fn trailers_come_last() {
    let trailers: HeaderMap = [("x-cost", "1"), ("repr-digest", "x")]
        .into_iter()
        .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
        .collect();
    let want: HeaderMap =
        [(header::HeaderName::from_static("x-cost"), "1".parse().unwrap())].into_iter().collect();
    let only_digest: HeaderMap =
        [(header::HeaderName::from_static("digest"), "1".parse().unwrap())].into_iter().collect();
    let gzip = encode("gzip", PLAIN.as_bytes());
    let coded: Fields<'_> = &[JSON, ("content-encoding", "gzip")];
    #[rustfmt::skip]
    let table: Vec<(Fields<'_>, Vec<Step>, &str, Option<&HeaderMap>)> = vec![
        (&[JSON], vec![data(PLAIN), Step::Trailers(trailers.clone())], WRAPPED, Some(&want)),
        (&[JSON], vec![Step::Trailers(trailers.clone())], NOTHING, Some(&want)),
        (coded, vec![data(&gzip), Step::Trailers(trailers.clone())], WRAPPED, Some(&want)),
        (coded, vec![Step::Trailers(trailers.clone())], NOTHING, Some(&want)),
        (&[JSON], vec![data(PLAIN), Step::Trailers(only_digest)], WRAPPED, None),
        (&[], vec![data(PLAIN), Step::Trailers(trailers.clone())], PLAIN, Some(&trailers)),
    ];
    for (fields, steps, want, want_trailers) in table {
        let outer = ask(Method::GET, answer(200, fields, Script::new(steps))).await;
        let (all, trailers, error) = read(outer.into_body()).await;
        assert!(error.is_none());
        assert_eq!(all, want.as_bytes());
        assert_eq!(trailers.as_ref(), want_trailers);
    }
}

/// The envelope of nothing is longer than that of a digit.
#[tokio::test]
async fn a_length_that_is_known_roughly() {
    for (steps, want) in [
        (vec![], NOTHING),
        (vec![data("7")], r#"{"data":7,"error":null}"#),
        (vec![data("[7]")], r#"{"data":[7],"error":null}"#),
    ] {
        let mut body = Script::new(steps);
        body.at_most = Some(3);
        let outer = ask(Method::GET, answer(200, &[JSON], body)).await;
        let hint = outer.body().size_hint();
        let fits = hint.lower()..=hint.upper().unwrap();
        assert!(fits.contains(&(want.len() as u64)), "{fits:?} {want}");
        assert_eq!(field(&outer, "content-length"), None);
        assert_eq!(text(outer.into_body()).await, want);
    }
}

fn unexpected(cause: Cause) -> Fault {
    UpstreamFault::new(UpstreamKind::Unexpected, cause).into()
}

#[tokio::test]
async fn what_breaks_never_ends_well() {
    let cut_off: Fault = UpstreamFault::new(UpstreamKind::Incomplete, Cause::CutOff).into();
    let fail = || Step::Fail(cut_off.clone());
    let gzip = encode("gzip", PLAIN.as_bytes());
    let half = data(&gzip[..gzip.len() / 2]);
    let coded: Fields<'_> = &[JSON, ("content-encoding", "gzip")];
    #[rustfmt::skip]
    let table: Vec<(Fields<'_>, Vec<Step>, Fault)> = vec![
        // The inner body fails: at once, in the middle, behind what looks like the end.
        (&[JSON], vec![fail()], cut_off.clone()),
        (&[JSON], vec![data("{\"id\""), fail()], cut_off.clone()),
        (&[JSON], vec![data(PLAIN), Step::Wait, fail()], cut_off.clone()),
        (&[], vec![data(PLAIN), fail()], cut_off.clone()),
        (coded, vec![fail()], cut_off.clone()),
        (coded, vec![half.clone(), fail()], cut_off.clone()),
        (coded, vec![data(&gzip), fail()], cut_off.clone()),
        // White space is not JSON.
        (&[JSON], vec![data(" ")], unexpected(Cause::Malformed)),
        (&[JSON], vec![data("\r\n"), data(""), data("\t \n")], unexpected(Cause::Malformed)),
        (&[JSON], vec![data(" "), Step::Trailers(HeaderMap::new())], unexpected(Cause::Malformed)),
        (coded, vec![data(encode("gzip", b" \n "))], unexpected(Cause::Malformed)),
        // The coding is broken.
        (coded, vec![half.clone()], unexpected(Cause::Encoding)),
        (coded, vec![half, Step::Trailers(HeaderMap::new())], unexpected(Cause::Encoding)),
        (coded, vec![data(PLAIN)], unexpected(Cause::Encoding)),
        (coded, vec![data(&gzip), data("}")], unexpected(Cause::Encoding)),
    ];
    let mut answered = 0;
    for (fields, steps, want) in table {
        let what = format!("{fields:?} {steps:?}");
        let outer = ask(Method::GET, answer(200, fields, Script::new(steps))).await;
        if outer.status() != 200 {
            // It broke before it began: an answer of its own.
            assert_eq!(outer.extensions().get::<Fault>(), Some(&want), "{what}");
            let body: serde_json::Value =
                serde_json::from_str(&text(outer.into_body()).await).unwrap();
            assert!(body["error"]["code"].is_string(), "{what}");
            answered += 1;
            continue;
        }
        let mut body = pin!(outer.into_body());
        let mut all = Vec::new();
        let error = loop {
            match body.frame().await {
                Some(Ok(frame)) => all.extend(frame.into_data().unwrap()),
                Some(Err(error)) => break error,
                None => panic!("ended well: {what}"),
            }
        };
        assert!(!all.ends_with(&SUFFIX), "{what}");
        assert_eq!(rescue(&error), want, "{what}");
        assert!(body.is_end_stream(), "{what}");
        assert!(body.frame().await.is_none(), "{what}");
    }
    // Failed at once, plain and coded, and what no coding begins with.
    assert!(answered >= 3, "{answered}");
}

#[tokio::test]
async fn codings_are_undone() {
    for coding in CODINGS {
        let encoded = encode(coding, PLAIN.as_bytes());
        let length = encoded.len().to_string();
        let fields = &[
            JSON,
            ("content-encoding", wire_name(coding)),
            ("content-length", &length),
            ("etag", "\"x\""),
        ];
        for chunk in [1, 3, usize::MAX] {
            let steps = encoded.chunks(chunk).map(data);
            let outer = ask(Method::GET, answer(200, fields, Script::sized(steps))).await;
            assert_eq!(field(&outer, "content-encoding"), None, "{coding}");
            assert_eq!(field(&outer, "content-length"), None, "{coding}");
            assert_eq!(field(&outer, "etag"), Some("W/\"x\""), "{coding}");
            assert_eq!(text(outer.into_body()).await, WRAPPED, "{coding}");
        }
    }
    // Twice, and not at all.
    let twice = encode("br", &encode("gzip", PLAIN.as_bytes()));
    let fields = &[JSON, ("content-encoding", "gzip, br")];
    let outer = ask(Method::GET, answer(200, fields, Script::new([data(twice)]))).await;
    assert_eq!(text(outer.into_body()).await, WRAPPED);
    let fields = &[JSON, ("content-encoding", "identity")];
    let outer = ask(Method::GET, answer(200, fields, Script::sized([data(PLAIN)]))).await;
    assert_eq!(field(&outer, "content-encoding"), None);
    assert_eq!(field(&outer, "content-length"), Some("31"));
    assert_eq!(text(outer.into_body()).await, WRAPPED);
    // To nothing.
    let fields = &[JSON, ("content-encoding", "gzip")];
    let inner = Script::new([data(encode("gzip", b""))]);
    let outer = ask(Method::GET, answer(200, fields, inner)).await;
    assert_eq!(text(outer.into_body()).await, NOTHING);
}

#[tokio::test]
async fn an_unknown_coding_is_refused_in_the_catalogs_words() {
    for coding in ["compress", "gzip, gzip, gzip, gzip", "br, x"] {
        let service = ServiceBuilder::new()
            .layer(WrapLayer::new(Catalog::preset("eggapi").unwrap().into()))
            .service_fn(move |_: Request<()>| async move {
                let fields = &[JSON, ("content-encoding", coding), ("x-provider", "p")];
                Ok::<_, Infallible>(answer(200, fields, Script::sized([data(PLAIN)])))
            });
        let outer = service.oneshot(Request::new(())).await.unwrap();
        let fault = unexpected(Cause::Encoding);
        let want = Catalog::preset("eggapi").unwrap().respond(&fault, Default::default());
        assert_eq!(outer.status(), want.status());
        assert_eq!(outer.headers(), want.headers());
        assert_eq!(outer.extensions().get::<Fault>(), Some(&fault));
        assert_eq!(text(outer.into_body()).await.as_bytes(), want.body());
    }
}

#[tokio::test]
async fn the_refusal_has_the_requests_id() {
    let service =
        ServiceBuilder::new().layer(WrapLayer::default()).service_fn(|_: Request<()>| async {
            let fields = &[JSON, ("content-encoding", "compress")];
            Ok::<_, Infallible>(answer(200, fields, Script::sized([data(PLAIN)])))
        });
    let request = Request::builder().header("x-request-id", "id-1").body(()).unwrap();
    let outer = service.oneshot(request).await.unwrap();
    assert!(text(outer.into_body()).await.contains(r#""request_id":"id-1""#));
}

/// The bytes that went in are the bytes that come out: not a copy of them.
#[tokio::test]
async fn nothing_is_copied() {
    let inner = Bytes::from(PLAIN.to_owned());
    let steps = [Step::Data(inner.slice(..4)), Step::Data(inner.slice(4..))];
    let outer = ask(Method::GET, answer(200, &[JSON], Script::sized(steps))).await;
    let mut body = outer.into_body();
    let mut frames = Vec::new();
    while let Some(frame) = body.frame().await {
        frames.push(frame.unwrap().into_data().unwrap());
    }
    let at: Vec<_> = frames.iter().map(|frame| frame.as_ptr()).collect();
    assert_eq!(frames.len(), 4);
    assert_eq!((&frames[0], &frames[3]), (&PREFIX, &SUFFIX));
    assert_eq!(at[1], inner.as_ptr());
    assert_eq!(at[2], inner[4..].as_ptr());
}

#[tokio::test]
async fn a_bomb_comes_out_in_small_frames() {
    let bomb = encode("br", &[&b"["[..], &vec![b' '; 10 << 20], b"]"].concat());
    assert!(bomb.len() < 1000);
    let fields = &[JSON, ("content-encoding", "br")];
    let outer = ask(Method::GET, answer(200, fields, Script::sized([data(bomb)]))).await;
    let mut body = outer.into_body();
    let (mut largest, mut all) = (0, 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.unwrap().into_data().unwrap();
        largest = largest.max(frame.len());
        all += frame.len();
    }
    assert_eq!(all, (10 << 20) + 2 + PREFIX.len() + SUFFIX.len());
    assert!(largest <= 16 * 1024, "{largest}");
}

#[tokio::test]
async fn work_without_a_result_yields() {
    let nothing = encode("gzip", &encode("gzip", b"").repeat(20_000));
    let fields = &[JSON, ("content-encoding", "gzip, gzip")];
    let asked = ask(Method::GET, answer(200, fields, Script::new([data(nothing)])));
    let mut asked = tokio_test::task::spawn(asked);
    let mut turns = 0;
    let outer = loop {
        match asked.poll() {
            Poll::Ready(outer) => break outer,
            Poll::Pending => {
                assert!(asked.is_woken(), "nobody would ask again");
                turns += 1;
            }
        }
    };
    assert_eq!(text(outer.into_body()).await, NOTHING);
    assert!(turns > 100, "{turns}");
}

#[test]
fn readiness_and_errors_are_the_inner_services() {
    let (mut service, mut handle) = tower_test::mock::spawn_layer::<
        Request<()>,
        Response<Full<Bytes>>,
        _,
    >(WrapLayer::default());
    handle.allow(0);
    tokio_test::assert_pending!(service.poll_ready());
    handle.allow(1);
    tokio_test::assert_ready_ok!(service.poll_ready());
    let mut call = tokio_test::task::spawn(service.call(Request::new(())));
    tokio_test::assert_pending!(call.poll());
    let mut next = tokio_test::task::spawn(handle.next_request());
    let (_, reply) = tokio_test::assert_ready!(next.poll()).unwrap();
    drop(next);
    tokio_test::assert_pending!(service.poll_ready());
    reply.send_error(io::Error::other("inner"));
    let error = tokio_test::assert_ready_err!(call.poll());
    assert!(error.is::<io::Error>());
    handle.send_error(io::Error::other("not ready"));
    tokio_test::assert_ready_err!(service.poll_ready());
}

/// Bodies whose errors are boxed, and services that are cloned, are what axum has.
#[tokio::test]
async fn fits_boxed_bodies_and_clones() {
    fn is_send_sync<T: Send + Sync + Clone>(value: T) -> T {
        value
    }
    let service =
        ServiceBuilder::new().layer(WrapLayer::default()).service_fn(|_: Request<()>| async {
            let body = Full::from(PLAIN).map_err(BoxError::from).boxed();
            Response::builder().header(JSON.0, JSON.1).body(body)
        });
    let mut service = is_send_sync(service);
    let outer = service.clone().oneshot(Request::new(())).await.unwrap();
    assert_eq!(text(outer.into_body()).await, WRAPPED);
    let outer = service.ready().await.unwrap().call(Request::new(())).await.unwrap();
    let _: Box<dyn Body<Data = Bytes, Error = WrapError> + Send> = Box::new(outer.into_body());
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_bytes(
        chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..12),
        waits in proptest::collection::vec(any::<bool>(), 12),
        sized in any::<bool>(),
        trailers in any::<bool>(),
    ) {
        let inner = chunks.concat();
        let mut steps = Vec::new();
        for (chunk, wait) in chunks.iter().zip(waits) {
            if wait {
                steps.push(Step::Wait);
            }
            steps.push(data(chunk));
        }
        if trailers {
            let fields = [(header::HeaderName::from_static("x-t"), "1".parse().unwrap())];
            steps.push(Step::Trailers(fields.into_iter().collect()));
        }
        let script = if sized { Script::sized(steps) } else { Script::new(steps) };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (length, (all, got_trailers, error)) = runtime.block_on(async {
            let outer = ask(Method::GET, answer(200, &[JSON], script)).await;
            let length = field(&outer, "content-length").map(str::to_owned);
            (length, read(outer.into_body()).await)
        });
        let white = inner.iter().all(|byte| b" \t\r\n".contains(byte));
        if inner.is_empty() {
            prop_assert_eq!(&all, &NULL);
        } else if white {
            prop_assert!(error.is_some());
            return Ok(());
        } else {
            prop_assert_eq!(&all, &[&PREFIX[..], &inner, &SUFFIX].concat());
            prop_assert_eq!(got_trailers.is_some(), trailers);
        }
        prop_assert!(error.is_none());
        if sized {
            prop_assert_eq!(length, Some(all.len().to_string()));
        }
    }
}
