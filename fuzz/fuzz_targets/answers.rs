//! A provider's answer through its profile: whatever it is, and in whatever pieces it comes, it means the same.
//!
//! The first byte chooses the profile, the second status, media type and coding; the third where the body is cut.

#![no_main]

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use http::{Request, Response};
use http_body::{Body, Frame};
use libfuzzer_sys::{Corpus, fuzz_target};
use std::{
    collections::VecDeque,
    convert::Infallible,
    future::{Future, ready},
    pin::{Pin, pin},
    sync::{Arc, LazyLock},
    task::{Context, Poll, Waker},
};
use tollgate::{ClassifyLayer, profile::Profile};
use tower::{Layer, Service, service_fn};

static PROFILES: LazyLock<Vec<Arc<Profile>>> =
    LazyLock::new(|| Profile::presets().map(|name| Arc::new(Profile::preset(name).unwrap())).collect());

const STATUSES: [u16; 8] = [200, 200, 201, 204, 400, 429, 500, 503];
const TYPES: [Option<&str>; 6] = [
    Some("application/json"),
    Some("text/event-stream"),
    Some("application/x-ndjson"),
    Some("text/html; charset=gbk"),
    Some("image/png"),
    None,
];

/// From here on the choice is one of a body in gzip.
const CODED: u8 = 240;

fn is_gzip(body: &[u8]) -> bool {
    std::io::copy(&mut MultiGzDecoder::new(body), &mut std::io::sink()).is_ok()
}

struct Pieces(VecDeque<Bytes>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
    }
}

/// Status and body of what the caller gets. Nothing here ever has to wait.
fn classify(profile: &Arc<Profile>, choice: u8, pieces: VecDeque<Bytes>) -> (u16, Vec<u8>) {
    let mut response = Response::builder().status(STATUSES[usize::from(choice & 7)]);
    if let Some(kind) = TYPES[usize::from(choice >> 3) % TYPES.len()] {
        response = response.header("content-type", kind);
    }
    if choice >= CODED {
        response = response.header("content-encoding", "gzip");
    }
    let mut response = Some(response.body(Pieces(pieces)).unwrap());
    let layer = ClassifyLayer::new(profile.clone()).max_bytes(4096).max_event_bytes(256);
    let mut service =
        layer.layer(service_fn(move |_: Request<()>| ready(Ok::<_, Infallible>(response.take().unwrap()))));
    let mut cx = Context::from_waker(Waker::noop());
    let mut patience = 1_000_000;
    let mut future = pin!(service.call(Request::new(())));
    let answer = loop {
        match future.as_mut().poll(&mut cx) {
            Poll::Ready(answer) => break answer.unwrap(),
            // A decoder lets others have their turn.
            Poll::Pending => {
                patience -= 1;
                assert!(patience > 0, "it never ends");
            }
        }
    };
    let status = answer.status().as_u16();
    let mut body = pin!(answer.into_body());
    let mut bytes = Vec::new();
    loop {
        match body.as_mut().poll_frame(&mut cx) {
            Poll::Ready(None) => return (status, bytes),
            Poll::Ready(Some(frame)) => {
                bytes.extend(frame.unwrap().into_data().into_iter().flatten());
            }
            Poll::Pending => {
                patience -= 1;
                assert!(patience > 0, "it never ends");
            }
        }
    }
}

fuzz_target!(|data: &[u8]| -> Corpus {
    let [first, second, third, body @ ..] = data else { return Corpus::Reject };
    let profile = &PROFILES[usize::from(*first) % PROFILES.len()];
    let body = Bytes::copy_from_slice(body);
    let whole = classify(profile, *second, [body.clone()].into());
    let step = usize::from(*third) + 1;
    let pieces = (0..body.len()).step_by(step).map(|at| body.slice(at..body.len().min(at + step)));
    let cut = classify(profile, *second, pieces.collect());
    // How much of a corrupt content comes out of a codec before it says so depends on the pieces it gets.
    if *second < CODED || is_gzip(&body) {
        assert_eq!(String::from_utf8_lossy(&whole.1), String::from_utf8_lossy(&cut.1));
        assert_eq!(whole.0, cut.0);
    }
    if whole.0 >= 400 {
        let envelope: serde_json::Value = serde_json::from_slice(&whole.1).expect("an envelope");
        assert!(envelope["data"].is_null() && envelope["error"]["code"].is_string());
    }
    Corpus::Keep
});
