use super::*;
use crate::{Fault, Kind};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::{Pin, pin},
    sync::LazyLock,
    task::{Context, Poll},
};
use tokio::time::{Instant, Sleep, sleep};
use tower::{BoxError, Layer, ServiceExt, service_fn};

/// What a body does next; then it ends.
#[derive(Debug)]
enum Step {
    Data(Bytes),
    Wait(Duration),
    Fail,
    Trailers,
    Open,
}

#[derive(Debug, Default)]
struct Script {
    steps: VecDeque<Step>,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Script {
    fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { steps: steps.into_iter().collect(), waiting: None }
    }

    fn of(pieces: &[&str]) -> Self {
        Self::new(pieces.iter().map(|piece| data(piece)))
    }
}

fn data(text: &str) -> Step {
    Step::Data(Bytes::copy_from_slice(text.as_bytes()))
}

impl Body for Script {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(waiting) = &mut self.waiting {
            std::task::ready!(waiting.as_mut().poll(cx));
            self.waiting = None;
        }
        match self.steps.pop_front() {
            None => Poll::Ready(None),
            Some(Step::Data(bytes)) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            Some(Step::Trailers) => {
                let mut trailers = HeaderMap::new();
                trailers.insert("x-sum", "1".parse().unwrap());
                Poll::Ready(Some(Ok(Frame::trailers(trailers))))
            }
            Some(Step::Fail) => Poll::Ready(Some(Err("reset".into()))),
            Some(Step::Wait(time)) => {
                self.waiting = Some(Box::pin(sleep(time)));
                self.poll_frame(cx)
            }
            Some(Step::Open) => {
                self.steps.push_front(Step::Open);
                Poll::Pending
            }
        }
    }
}

use std::future::Future as _;

/// All with the same profile; to read it takes longer than any of the tests.
fn layer() -> ClassifyLayer {
    static GRSAI: LazyLock<Arc<Profile>> =
        LazyLock::new(|| Arc::new(Profile::preset("grsai").unwrap()));
    ClassifyLayer::new(GRSAI.clone())
}

async fn answer(
    layer: ClassifyLayer,
    method: Method,
    status: u16,
    fields: &[(&'static str, &'static str)],
    body: Script,
) -> Response<ClassifiedBody<Script>> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    for (name, value) in fields {
        response.headers_mut().append(*name, value.parse().unwrap());
    }
    let mut response = Some(response);
    let service = layer.layer(service_fn(move |_: Request<()>| {
        let response = response.take().unwrap();
        async { Ok::<_, Infallible>(response) }
    }));
    let request = Request::builder().method(method).header("x-request-id", "r1").body(()).unwrap();
    service.oneshot(request).await.unwrap()
}

fn kind<B>(response: &Response<B>) -> Option<Kind> {
    response.extensions().get::<Fault>().and_then(Fault::kind)
}

/// What was passed, or how it broke off.
async fn text(body: ClassifiedBody<Script>) -> Result<String, BoxError> {
    Ok(String::from_utf8(body.collect().await?.to_bytes().into()).unwrap())
}

const JSON: (&str, &str) = ("content-type", "application/json");
const SSE: (&str, &str) = ("content-type", "text/event-stream");

#[tokio::test]
async fn failures_and_successes() {
    use crate::fault::UpstreamKind as K;
    let refusal = r#"{"code":-1,"data":null,"msg":"insufficient credits"}"#;
    let table: &[(u16, &[(&str, &str)], &[&str], Option<K>)] = &[
        (200, &[JSON], &[refusal], Some(K::AccountExhausted)),
        (200, &[JSON], &[&refusal[..10], &refusal[10..]], Some(K::AccountExhausted)),
        (200, &[], &["", " ", refusal], Some(K::AccountExhausted)),
        (200, &[("content-type", "text/plain")], &[refusal], Some(K::AccountExhausted)),
        (200, &[("content-type", "image/png")], &[refusal], None),
        (400, &[JSON], &[refusal], Some(K::AccountExhausted)),
        (502, &[("content-type", "text/html")], &["<html>"], Some(K::Overloaded)),
        (200, &[JSON], &[r#"{"code":0,"#, r#""data":{"id":"1"}}"#], None),
        (200, &[], &["plain"], None),
        // Failures that say in events why, and events that are JSON.
        (
            429,
            &[SSE],
            &[": hi\n\nevent: error\ndata: ", refusal, "\n\n"],
            Some(K::AccountExhausted),
        ),
        (429, &[SSE], &[": hi\n\n"], Some(K::RateLimited)),
        (200, &[SSE], &[refusal], Some(K::AccountExhausted)),
        (200, &[SSE], &["\n{\"code\":0,", "\"data\":{\"id\":\"1\"}}\n\n"], None),
        (200, &[("content-type", "text/plain")], &["\u{feff}", refusal], Some(K::AccountExhausted)),
        (200, &[JSON], &["{"], Some(K::Unexpected)),
        (201, &[JSON], &[], Some(K::Unexpected)),
        (204, &[], &[], None),
        (302, &[], &["moved"], None),
        (404, &[], &[], Some(K::NotFound)),
    ];
    for (status, fields, pieces, want) in table {
        let response = answer(layer(), Method::GET, *status, fields, Script::of(pieces)).await;
        assert_eq!(kind(&response), want.map(Kind::Upstream), "{status} {fields:?} {pieces:?}");
        if want.is_none() {
            assert_eq!(response.status(), *status);
            assert_eq!(text(response.into_body()).await.unwrap(), pieces.concat());
        }
    }
}

#[tokio::test]
async fn what_is_longer_than_the_look() {
    let long = format!(r#"{{"code":-1,"msg":"insufficient credits","x":"{}"}}"#, "x".repeat(100));
    let short = layer().max_bytes(100);
    let response = answer(
        short.clone(),
        Method::GET,
        200,
        &[JSON],
        Script::new([data(&long), data("tail"), Step::Trailers]),
    )
    .await;
    assert_eq!(kind(&response), None);
    let collected = response.into_body().collect().await.unwrap();
    assert_eq!(collected.trailers().unwrap()["x-sum"], "1");
    assert_eq!(collected.to_bytes(), format!("{long}tail"));
    // The status of a failure is enough, and its body need not end.
    let open = Script::new([data(&long), Step::Open]);
    let response = answer(short, Method::GET, 429, &[JSON], open).await;
    assert_eq!(kind(&response), Some(Kind::Upstream(crate::fault::UpstreamKind::RateLimited)));
}

#[tokio::test]
async fn what_breaks_off_before_it_is_shown() {
    use crate::fault::UpstreamKind as K;
    let broken = || Script::new([data("{\"code\":"), Step::Fail]);
    let response = answer(layer(), Method::GET, 200, &[JSON], broken()).await;
    assert_eq!(kind(&response), Some(Kind::Upstream(K::Incomplete)));
    let response = answer(layer(), Method::GET, 503, &[JSON], broken()).await;
    assert_eq!(kind(&response), Some(Kind::Upstream(K::Overloaded)));
    let response = answer(layer(), Method::GET, 200, &[SSE], Script::new([Step::Fail])).await;
    assert_eq!(kind(&response), Some(Kind::Upstream(K::Incomplete)));
}

/// Of a failure the status is known; what else it says is not waited for as long as anybody likes.
#[tokio::test(start_paused = true)]
async fn a_failure_that_does_not_end() {
    let started = Instant::now();
    let body = Script::new([data("{\"code\":"), Step::Open]);
    let response = answer(layer(), Method::POST, 503, &[JSON], body).await;
    assert_eq!(kind(&response), Some(Kind::Upstream(crate::fault::UpstreamKind::Overloaded)));
    assert_eq!(started.elapsed(), Duration::from_secs(5));
}

/// Nothing takes longer for being in many pieces.
#[tokio::test]
async fn very_many_lines_before_the_first_event() {
    let blank = "\n".repeat(500_000);
    let body = Script::of(&[&blank, RUNNING]);
    let response = answer(layer(), Method::POST, 200, &[SSE], body).await;
    let mut body = response.into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(first.len(), 500_000, "in one piece");
    assert_eq!(text(body).await.unwrap(), RUNNING);
}

/// Only who has the bytes can tell that what looks like a success begins like JSON.
#[tokio::test]
async fn what_is_compressed_is_decoded_to_be_seen() {
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write as _;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(br#"{"code":-1,"data":null,"msg":"insufficient credits"}"#).unwrap();
    let gzip = Bytes::from(gzip.finish().unwrap());
    for kind_of in [&[][..], &[("content-type", "text/plain")], &[("content-type", "text/html")]] {
        let fields = [&[("content-encoding", "gzip")], kind_of].concat();
        let body = Script::new([Step::Data(gzip.clone())]);
        let response = answer(layer(), Method::POST, 200, &fields, body).await;
        let want = Kind::Upstream(crate::fault::UpstreamKind::AccountExhausted);
        assert_eq!(kind(&response), Some(want), "{fields:?}");
    }
}

#[tokio::test]
async fn head_has_no_body() {
    let response = answer(layer(), Method::HEAD, 200, &[JSON], Script::default()).await;
    assert_eq!((kind(&response), response.status().as_u16()), (None, 200));
    let response = answer(layer(), Method::HEAD, 500, &[JSON], Script::default()).await;
    assert_eq!(response.status(), 502);
    assert_eq!(text(response.into_body()).await.unwrap(), "");
}

#[tokio::test]
async fn streams_that_begin_with_a_failure() {
    use crate::fault::UpstreamKind as K;
    let failed =
        "data: {\"id\":\"1\",\"status\":\"failed\",\"failure_reason\":\"input_moderation\"}\n\n";
    for pieces in [vec![failed], vec![": hi\n\n", failed], failed.split_inclusive(':').collect()] {
        let response = answer(layer(), Method::POST, 200, &[SSE], Script::of(&pieces)).await;
        assert_eq!(kind(&response), Some(Kind::Upstream(K::InputModeration)), "{pieces:?}");
        assert_eq!(response.status(), 422);
    }
    for nothing in ["", ": hi\n\n", "\n\n\n"] {
        let response = answer(layer(), Method::POST, 200, &[SSE], Script::of(&[nothing])).await;
        assert_eq!(kind(&response), Some(Kind::Upstream(K::Unexpected)), "{nothing:?}");
    }
}

const RUNNING: &str = "data: {\"id\":\"1\",\"status\":\"running\",\"progress\":3}\r\n\r\n";
const DONE: &str = "data: {\"id\":\"1\",\"status\":\"succeeded\",\"results\":[{\"url\":\"https://a.example/1\"}]}\n\n";

#[tokio::test]
async fn streams_that_pass() {
    let all = format!(": hi\n\n{RUNNING}{RUNNING}{DONE}: bye\n\n");
    for size in [1, 2, 7, 64, 1000] {
        let pieces: Vec<&str> =
            all.as_bytes().chunks(size).map(|piece| std::str::from_utf8(piece).unwrap()).collect();
        let fields = [SSE, ("content-length", "99")];
        let response = answer(layer(), Method::POST, 200, &fields, Script::of(&pieces)).await;
        assert_eq!((kind(&response), response.headers().get("content-length")), (None, None));
        assert_eq!(text(response.into_body()).await.unwrap(), all, "{size}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_before_the_first_event_is_kept() {
    let steps = [
        data(": hi\n\n"),
        Step::Wait(Duration::from_secs(1)),
        data(": ho\n\n"),
        Step::Wait(Duration::from_secs(1)),
        data(RUNNING),
    ];
    let response = answer(layer(), Method::POST, 200, &[SSE], Script::new(steps)).await;
    assert_eq!(text(response.into_body()).await.unwrap(), format!(": hi\n\n: ho\n\n{RUNNING}"));
}

#[tokio::test]
async fn failures_within_streams() {
    let failed =
        "data: {\"id\":\"1\",\"status\":\"failed\",\"failure_reason\":\"output_moderation\"}\n\n";
    let table: Vec<(Vec<Step>, &str)> = vec![
        (vec![data(RUNNING), data(failed), data(DONE)], "upstream_output_moderation"),
        (
            vec![data(RUNNING), data(&failed[..20]), data(&failed[20..]), Step::Open],
            "upstream_output_moderation",
        ),
        (vec![data(RUNNING), Step::Fail], "upstream_error_status"),
        (vec![data(RUNNING), data("data: {\"half"), Step::Fail], "upstream_error_status"),
    ];
    for (steps, code) in table {
        let response = answer(layer(), Method::POST, 200, &[SSE], Script::new(steps)).await;
        assert_eq!(response.status(), 200);
        let text = text(response.into_body()).await.unwrap();
        let last = text.strip_prefix(RUNNING).unwrap_or_else(|| panic!("{text}"));
        let envelope =
            last.strip_prefix("event: error\ndata: ").unwrap().strip_suffix("\n\n").unwrap();
        let envelope: serde_json::Value = serde_json::from_str(envelope).unwrap();
        assert_eq!(envelope["error"]["code"], code, "{text}");
        assert_eq!(envelope["error"]["request_id"], "r1", "{text}");
    }
    let lines = [("content-type", "application/x-ndjson")];
    let pieces = [
        "{\"id\":\"1\",\"status\":\"running\"}\n",
        "{\"status\":\"failed\",\"failure_reason\":\"error\"}\n{\"x\":1}\n",
    ];
    let response = answer(layer(), Method::POST, 200, &lines, Script::of(&pieces)).await;
    let text = text(response.into_body()).await.unwrap();
    let mut events = text.lines();
    assert_eq!(events.next(), Some(pieces[0].trim()));
    assert!(
        events
            .next()
            .unwrap()
            .starts_with(r#"{"data":null,"error":{"code":"upstream_provider_error""#)
    );
    assert_eq!(events.next(), None);
}

#[tokio::test]
async fn events_that_are_too_long_pass() {
    let long = format!("data: {{\"status\":\"failed\",\"x\":\"{}\"}}\n\n", "x".repeat(200));
    let failed = "data: {\"status\":\"failed\",\"failure_reason\":\"error\"}\n\n";
    let pieces: Vec<Step> =
        long.as_bytes().chunks(30).map(|piece| Step::Data(Bytes::copy_from_slice(piece))).collect();
    let script = Script::new(std::iter::once(data(RUNNING)).chain(pieces).chain([data(failed)]));
    let response = answer(layer().max_event_bytes(100), Method::POST, 200, &[SSE], script).await;
    let text = text(response.into_body()).await.unwrap();
    let rest = text.strip_prefix(&format!("{RUNNING}{long}")).unwrap_or_else(|| panic!("{text}"));
    assert!(rest.starts_with("event: error\n"), "{rest}");

    // One that is left in the middle is ended before ours begins.
    let script = Script::new([data(RUNNING), data(&long[..150]), Step::Fail]);
    let response = answer(layer().max_event_bytes(100), Method::POST, 200, &[SSE], script).await;
    let text = self::text(response.into_body()).await.unwrap();
    assert!(text.contains("xxx\n\nevent: error\n"), "{text}");
}

#[tokio::test]
async fn compressed_streams() {
    use std::io::Write as _;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(format!("{RUNNING}{DONE}").as_bytes()).unwrap();
    let bytes = gzip.finish().unwrap();
    let pieces = bytes.chunks(10).map(|piece| Step::Data(Bytes::copy_from_slice(piece)));
    let fields = [SSE, ("content-encoding", "gzip")];
    let response = answer(layer(), Method::POST, 200, &fields, Script::new(pieces)).await;
    assert!(!response.headers().contains_key("content-encoding"));
    assert_eq!(text(response.into_body()).await.unwrap(), format!("{RUNNING}{DONE}"));
}

#[tokio::test(start_paused = true)]
async fn heartbeats_in_silence() {
    const SECOND: Duration = Duration::from_secs(1);
    let script = Script::new([data(RUNNING), Step::Wait(25 * SECOND), data(DONE)]);
    let response = answer(layer().heartbeat(10 * SECOND), Method::POST, 200, &[SSE], script).await;
    let started = Instant::now();
    let mut body = pin!(response.into_body());
    let mut seen = Vec::new();
    while let Some(frame) = body.frame().await {
        let text = String::from_utf8(frame.unwrap().into_data().unwrap().into()).unwrap();
        seen.push((started.elapsed().as_secs(), text));
    }
    let beat = ": heartbeat\n\n".to_owned();
    assert_eq!(
        seen,
        [(0, RUNNING.to_owned()), (10, beat.clone()), (20, beat), (25, DONE.to_owned())]
    );
}

proptest::proptest! {
    #[test]
    fn pieces_make_no_difference(
        events in proptest::collection::vec(0..5_usize, 0..6),
        cuts in proptest::collection::vec(0..600_usize, 0..10),
        max_event_bytes in proptest::sample::select(vec![40_usize, 1000]),
        kind in proptest::sample::select(vec!["text/event-stream", "application/json", "text/plain"]),
    ) {
        let failed = "data: {\"status\":\"failed\",\"failure_reason\":\"error\"}\r\n\r\n";
        let known = [RUNNING, DONE, failed, ": hi\n\n", "{\"code\":-1,\"msg\":\"rate limit\"}"];
        let all: String = events.into_iter().map(|event| known[event]).collect();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut % (all.len() + 1)).collect();
        cuts.extend([0, all.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&str> = cuts.windows(2).map(|cut| &all[cut[0]..cut[1]]).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let ask = |pieces: &[&str]| runtime.block_on(async {
            let layer = layer().max_event_bytes(max_event_bytes);
            let response = answer(layer, Method::POST, 200, &[("content-type", kind)], Script::of(pieces)).await;
            (response.status(), text(response.into_body()).await.unwrap())
        });
        proptest::prop_assert_eq!(ask(&[&all]), ask(&pieces));
    }
}
