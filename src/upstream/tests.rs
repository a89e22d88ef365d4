use super::*;
use crate::{
    Catalog, Fault, Kind,
    classify::ClassifiedBody,
    deadline::Deadline,
    fault::{Cause, Charge, UpstreamFault, UpstreamKind as K},
    profile::Profile,
};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, Full};
use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
};
use tokio::time::{Instant, sleep};
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);
const GRSAI_EMPTY: &str = r#"{"code":-1,"msg":"insufficient credits","data":null}"#;
const GOOD: &str = r#"{"code":0,"msg":"success","data":{"id":"t1"}}"#;

/// What an endpoint does with one request.
#[derive(Clone, Copy, Debug)]
enum Act {
    Answer(u16, &'static str),
    Fail(K, Cause),
    Slow(Duration, &'static str),
    /// The client's side.
    Client,
}

/// What a request brought.
type Seen = Arc<Mutex<Vec<(usize, HeaderMap, Bytes, Option<Instant>)>>>;
type Client = Full<Bytes>;
type Endpoint = BoxCloneSyncService<Request<ReplayBody<Client>>, Response<Full<Bytes>>, Fault>;

/// Endpoints that act by script; then they answer well.
fn upstream(scripts: &[&[Act]], settings: Settings) -> (Upstream<Endpoint>, Seen) {
    upstream_of("grsai", scripts, settings)
}

/// The same with another profile: `mine` is grsai with a field for keys.
fn upstream_of(
    profile: &str,
    scripts: &[&[Act]],
    settings: Settings,
) -> (Upstream<Endpoint>, Seen) {
    let mine = crate::profile::Settings {
        extends: Some("grsai".into()),
        idempotency_header: Some("x-key".into()),
        ..Default::default()
    };
    let own = std::collections::BTreeMap::from([("mine".to_owned(), mine)]);
    let profile = Arc::new(Profile::named(profile, &own).unwrap());
    let seen = Seen::default();
    let endpoints = scripts.iter().enumerate().map(|(number, script)| {
        let script = Arc::new(Mutex::new(script.iter().copied().collect::<VecDeque<_>>()));
        let seen = seen.clone();
        let service = service_fn(move |request: Request<ReplayBody<Client>>| {
            let act = script.lock().unwrap().pop_front().unwrap_or(Act::Answer(200, GOOD));
            let seen = seen.clone();
            let future: Pin<Box<dyn Future<Output = Result<Response<Full<Bytes>>, Fault>> + Send>> =
                Box::pin(async move {
                    let (parts, body) = request.into_parts();
                    let deadline = parts.extensions.get::<Deadline>().map(|deadline| deadline.0);
                    let body = body.collect().await.map_err(|_: BoxError| Fault::BodyIncomplete)?;
                    seen.lock().unwrap().push((number, parts.headers, body.to_bytes(), deadline));
                    let answer = |status: u16, body| {
                        let answer = Response::builder()
                            .status(status)
                            .header("content-type", "application/json");
                        Ok(answer.body(Full::from(body)).unwrap())
                    };
                    match act {
                        Act::Answer(status, body) => answer(status, body),
                        Act::Fail(kind, cause) => Err(UpstreamFault::new(kind, cause).into()),
                        Act::Client => Err(Fault::BodyIncomplete),
                        Act::Slow(time, body) => {
                            sleep(time).await;
                            answer(200, body)
                        }
                    }
                });
            future
        });
        UpstreamEndpoint::new(format!("e{number}"), BoxCloneSyncService::new(service))
            .profile(profile.clone())
            .priority(u32::try_from(number).unwrap())
    });
    let catalog = Catalog::shared_default().clone();
    (Upstream::new(endpoints.collect::<Vec<_>>(), settings, catalog).unwrap(), seen)
}

fn post() -> Request<Client> {
    Request::post("/x").header("x-request-id", "r1").body(Full::from("body")).unwrap()
}

async fn ask(
    upstream: &Upstream<Endpoint>,
    request: Request<Client>,
) -> Result<Response<ClassifiedBody<Full<Bytes>>>, Fault> {
    upstream.clone().oneshot(request).await
}

/// What an endpoint says that wants a pause of so many milliseconds.
async fn limited(
    request: Request<ReplayBody<Client>>,
    millis: &'static str,
) -> Response<Full<Bytes>> {
    let _ = request.into_body().collect().await;
    let answer = Response::builder().status(429).header("retry-after-ms", millis);
    answer.body(Full::default()).unwrap()
}

/// Which endpoints saw a request, in order.
fn order(seen: &Seen) -> Vec<usize> {
    seen.lock().unwrap().iter().map(|(number, ..)| *number).collect()
}

#[tokio::test(start_paused = true)]
async fn what_goes_on_to_the_next_one() {
    use Act::{Answer, Client, Fail, Slow};
    // What the first one does, who was asked for a POST, and for a GET.
    let moderated = r#"{"id":"1","status":"failed","failure_reason":"input_moderation"}"#;
    let table: &[(Act, &[usize], &[usize])] = &[
        (Answer(200, GOOD), &[0], &[0]),
        (Answer(200, GRSAI_EMPTY), &[0, 1], &[0, 1]),
        (Answer(500, "{}"), &[0, 1], &[0, 1]),
        (Answer(502, "<html>"), &[0, 1], &[0, 1]),
        (Answer(429, "{}"), &[0, 1], &[0, 1]),
        (Answer(401, "{}"), &[0, 1], &[0, 1]),
        (Answer(400, "{}"), &[0], &[0]),
        (Answer(200, moderated), &[0], &[0]),
        // A success that is cut off may have been paid for.
        (Answer(200, "{"), &[0], &[0, 1]),
        (Answer(504, ""), &[0], &[0, 1]),
        (Fail(K::Unreachable, Cause::Connect), &[0, 1], &[0, 1]),
        (Fail(K::Unreachable, Cause::NotSent), &[0, 1], &[0, 1]),
        (Fail(K::Unreachable, Cause::Reset), &[0], &[0, 1]),
        (Fail(K::Timeout, Cause::FirstByteTimeout), &[0], &[0, 1]),
        (Client, &[0], &[0]),
        (Slow(60 * SECOND, GOOD), &[0], &[0]),
    ];
    for (act, for_post, for_get) in table {
        for (method, want) in [(Method::POST, for_post), (Method::GET, for_get)] {
            let (upstream, seen) = upstream(&[&[*act], &[]], Settings::default());
            let mut request = post();
            *request.method_mut() = method.clone();
            let answer = ask(&upstream, request).await;
            assert_eq!(order(&seen), **want, "{act:?} {method}");
            assert_eq!(
                answer.is_ok(),
                want.len() == 2 || matches!(act, Answer(200, GOOD) | Slow(..)),
                "{act:?}"
            );
            for (_, headers, body, deadline) in seen.lock().unwrap().iter() {
                assert_eq!(
                    (&headers["x-request-id"], &body[..]),
                    (&"r1".parse().unwrap(), &b"body"[..])
                );
                assert!(deadline.is_some());
            }
            if want.len() == 2 {
                let attempts = answer.unwrap();
                let attempts = attempts.extensions().get::<Attempts>().unwrap();
                let names: Vec<_> = attempts.iter().map(|attempt| &*attempt.endpoint).collect();
                assert_eq!(names, ["e0", "e1"]);
            }
        }
    }
}

#[tokio::test]
async fn what_the_caller_hears_when_all_have_failed() {
    use Act::{Answer, Fail};
    let connect = Fail(K::Unreachable, Cause::Connect);
    let table: &[(&[Act], K)] = &[
        (&[connect, connect], K::Unreachable),
        (&[connect, Answer(500, "")], K::ProviderError),
        (&[Answer(500, ""), connect], K::ProviderError),
        (&[Answer(429, ""), Answer(500, "")], K::RateLimited),
        (&[Answer(500, ""), Fail(K::Timeout, Cause::FirstByteTimeout)], K::ProviderError),
        (&[connect, Fail(K::Timeout, Cause::FirstByteTimeout)], K::Timeout),
        (&[Answer(401, ""), connect], K::AuthFailed),
        (&[Answer(500, ""), Answer(400, "")], K::InvalidRequest),
        (&[Answer(503, ""), Answer(404, "")], K::Overloaded),
        (&[Answer(429, ""), Answer(401, "")], K::RateLimited),
    ];
    for (acts, want) in table {
        let scripts: Vec<&[Act]> = acts.chunks(1).collect();
        let (upstream, seen) = upstream(&scripts, Settings::default());
        let fault = ask(&upstream, post()).await.unwrap_err();
        assert_eq!(fault.kind(), Some(Kind::Upstream(*want)), "{acts:?}");
        assert_eq!(order(&seen), [0, 1], "{acts:?}");
        let Fault::Upstream(fault) = fault else { panic!() };
        assert_eq!(fault.attempts(), Some(2), "{fault}");
    }
}

/// One attempt may have done the work, and another one says that it has not.
#[tokio::test]
async fn work_that_may_have_been_done_is_in_doubt_whatever_the_last_one_says() {
    use Act::{Answer, Fail};
    let reset = Fail(K::Unreachable, Cause::Reset);
    let table: &[(&[Act], bool)] = &[
        (&[reset, Answer(500, "")], true),
        (&[Answer(500, ""), reset], true),
        (&[Answer(500, ""), Answer(503, "")], false),
        (&[Fail(K::Unreachable, Cause::Connect), Answer(401, "")], false),
    ];
    for (acts, want) in table {
        let scripts: Vec<&[Act]> = acts.chunks(1).collect();
        let (upstream, _) = upstream(&scripts, Settings::default());
        let fault = ask(&upstream.repeat(Repeat::Always), post()).await.unwrap_err();
        assert_eq!(fault.disposition().charge == Charge::Pending, *want, "{acts:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn rules_of_what_may_be_repeated() {
    let connect = Act::Fail(K::Unreachable, Cause::Connect);
    let reset = Act::Fail(K::Unreachable, Cause::Reset);
    let table = [
        (Repeat::Never, connect, 1),
        (Repeat::Unsent, connect, 2),
        (Repeat::Unsent, Act::Answer(500, ""), 1),
        (Repeat::Refused, Act::Answer(500, ""), 2),
        (Repeat::Refused, reset, 1),
        (Repeat::Always, reset, 2),
        (Repeat::Always, Act::Answer(400, ""), 1),
    ];
    for (repeat, act, want) in table {
        let (upstream, seen) = upstream(&[&[act], &[]], Settings::default());
        let _ = ask(&upstream.repeat(repeat), post()).await;
        assert_eq!(order(&seen).len(), want, "{repeat:?} {act:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_one_again_after_a_pause() {
    let failing = [Act::Answer(500, ""); 3];
    let settings = Settings { attempts: Some(4), ..Settings::default() };
    let (upstream, seen) = upstream(&[&failing], settings.clone());
    let started = Instant::now();
    assert!(ask(&upstream, post()).await.is_ok());
    assert_eq!(order(&seen), [0, 0, 0, 0]);
    // 100, 200 and 400 ms at most.
    assert!(started.elapsed() <= Duration::from_millis(700), "{:?}", started.elapsed());
    assert!(started.elapsed() > Duration::ZERO);

    // No longer than there is time.
    let settings = Settings { timeout: Duration::ZERO, ..settings };
    let (upstream, seen) = self::upstream(&[&failing], settings);
    let fault = ask(&upstream, post()).await.unwrap_err();
    assert_eq!(order(&seen), [0]);
    assert!(
        fault.to_string().ends_with("; not repeated: no time is left)")
            || fault.to_string().contains("no time is left"),
        "{fault}"
    );
}

/// A pause that is short enough is waited for, and longer ones are not.
#[tokio::test(start_paused = true)]
async fn the_same_one_again_when_it_says() {
    for (wait, want) in [("700", 2), ("6000", 1)] {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = asked.clone();
        let service = service_fn(move |request: Request<ReplayBody<Client>>| {
            let mut seen = seen.lock().unwrap();
            seen.push(Instant::now());
            let is_first = seen.len() == 1;
            async move {
                Ok::<_, Fault>(match is_first {
                    true => limited(request, wait).await,
                    false => Response::new(Full::default()),
                })
            }
        });
        let endpoint = UpstreamEndpoint::new("e", service);
        let settings = Settings { attempts: Some(3), ..Settings::default() };
        let catalog = Catalog::shared_default().clone();
        let upstream = Upstream::new([endpoint], settings, catalog).unwrap();
        let answer = upstream.send(post()).await;
        let asked = asked.lock().unwrap();
        assert_eq!((asked.len(), answer.is_ok()), (want, want == 2), "{wait}");
        match answer {
            Ok(_) => assert_eq!(asked[1] - asked[0], Duration::from_millis(700)),
            Err(fault) => assert_eq!(fault.retry_after(), Some(6 * SECOND)),
        }
    }
}

/// Somebody else's service need not know of deadlines.
#[tokio::test(start_paused = true)]
async fn no_longer_than_the_timeout() {
    let settings = Settings { timeout: 3 * SECOND, ..Settings::default() };
    let (upstream, _) = upstream(&[&[Act::Slow(60 * SECOND, GOOD)]], settings);
    let started = Instant::now();
    let fault = ask(&upstream, post()).await.unwrap_err();
    assert_eq!(fault.kind(), Some(Kind::Upstream(K::Timeout)));
    assert_eq!(started.elapsed(), 3 * SECOND);
}

/// Each endpoint once, also while another one is out.
#[tokio::test(start_paused = true)]
async fn once_each_unless_told_otherwise() {
    let failing = [Act::Answer(500, ""); 9];
    let (upstream, seen) = upstream(&[&[Act::Answer(401, "")], &failing], Settings::default());
    assert!(ask(&upstream, post()).await.is_err());
    assert!(ask(&upstream, post()).await.is_err());
    assert_eq!(order(&seen), [0, 1, 1]);
    // With more attempts there is a pause before each that is not the first.
    let settings = Settings { attempts: Some(3), ..Settings::default() };
    let (upstream, seen) = self::upstream(&[&[Act::Answer(401, "")], &failing], settings);
    let started = Instant::now();
    assert!(ask(&upstream, post()).await.is_err());
    assert_eq!(order(&seen), [0, 1, 1]);
    assert!(started.elapsed() > Duration::ZERO);
}

/// When the first of them is back, and not when the last one is.
#[tokio::test]
async fn the_wait_that_callers_hear_of() {
    let endpoint = |name: &'static str, millis: &'static str| {
        let service =
            service_fn(
                move |request| async move { Ok::<_, Fault>(limited(request, millis).await) },
            );
        UpstreamEndpoint::new(name, BoxCloneSyncService::new(service))
    };
    for order in [["5000", "60000"], ["60000", "5000"]] {
        let endpoints = [endpoint("a", order[0]), endpoint("b", order[1]).priority(1)];
        let catalog = Catalog::shared_default().clone();
        let upstream = Upstream::new(endpoints, Settings::default(), catalog).unwrap();
        let fault = upstream.send(post()).await.unwrap_err();
        assert_eq!(fault.retry_after(), Some(5 * SECOND));
    }
}

#[tokio::test]
async fn no_more_than_the_budget() {
    let failing = [Act::Answer(500, ""); 1000];
    let settings = Settings {
        ejection: Ejection { failures: u32::MAX, ..Ejection::default() },
        ..Settings::default()
    };
    let (upstream, seen) = upstream(&[&failing, &failing], settings);
    for _ in 0..500 {
        assert!(ask(&upstream, post()).await.is_err());
    }
    // 20 of 100, and 10 a second for 10 s.
    let requests = order(&seen).len();
    assert!((600..=710).contains(&requests), "{requests}");
}

#[tokio::test]
async fn long_bodies_are_sent_once() {
    let settings = Settings { max_replay_bytes: 3, ..Settings::default() };
    let (upstream, seen) = upstream(&[&[Act::Answer(500, "")], &[]], settings);
    let fault = ask(&upstream, post()).await.unwrap_err();
    assert_eq!(order(&seen), [0]);
    assert!(
        fault.to_string().contains("not repeated: the body is longer than what is kept of it"),
        "{fault}"
    );
}

#[tokio::test(start_paused = true)]
async fn endpoints_that_are_of_no_use_are_left_out() {
    let (upstream, seen) = upstream(&[&[Act::Answer(401, "")], &[]], Settings::default());
    for _ in 0..3 {
        assert!(ask(&upstream, post()).await.is_ok());
    }
    assert_eq!(order(&seen), [0, 1, 1, 1]);
    tokio::time::advance(10 * SECOND).await;
    assert!(ask(&upstream, post()).await.is_ok());
    assert_eq!(order(&seen), [0, 1, 1, 1, 0], "it is tried, and back");
}

#[tokio::test(start_paused = true)]
async fn never_all_of_them_unless_wanted() {
    let (upstream, seen) = upstream(&[&[Act::Answer(401, ""); 2]], Settings::default());
    for _ in 0..2 {
        let fault = ask(&upstream, post()).await.unwrap_err();
        assert_eq!(fault.kind(), Some(Kind::Upstream(K::AuthFailed)));
    }
    assert_eq!(order(&seen), [0, 0]);

    let ejection = Ejection { all: true, ..Ejection::default() };
    let settings = Settings { ejection, ..Settings::default() };
    let (upstream, seen) = self::upstream(&[&[Act::Answer(401, "")]], settings);
    assert!(ask(&upstream, post()).await.is_err());
    let fault = ask(&upstream, post()).await.unwrap_err();
    assert_eq!(
        (fault.kind(), fault.retry_after()),
        (Some(Kind::Upstream(K::Overloaded)), Some(10 * SECOND))
    );
    assert_eq!(order(&seen), [0]);
}

#[tokio::test(start_paused = true)]
async fn how_much_time_is_left() {
    let settings = Settings {
        deadline_header: Some("x-timeout-ms".parse().unwrap()),
        timeout: 10 * SECOND,
        ..Settings::default()
    };
    let (upstream, seen) = upstream(&[&[Act::Answer(500, "")], &[]], settings);
    let started = Instant::now();
    ask(&upstream, post()).await.unwrap();
    for (_, headers, _, deadline) in seen.lock().unwrap().iter() {
        assert_eq!(headers["x-timeout-ms"], "10000");
        assert_eq!(*deadline, Some(started + 10 * SECOND));
    }
}

#[tokio::test]
async fn an_idempotency_key_for_each_request() {
    let (upstream, seen) =
        upstream_of("mine", &[&[Act::Answer(500, "")], &[]], Settings::default());
    for _ in 0..2 {
        // The same id of the request each time, as a caller may send it.
        ask(&upstream, post()).await.unwrap();
    }
    let mut own = post();
    own.headers_mut().insert("idempotency-key", "order-7".parse().unwrap());
    ask(&upstream, own).await.unwrap();
    let mut get = post();
    *get.method_mut() = Method::GET;
    ask(&upstream, get).await.unwrap();
    let seen = seen.lock().unwrap();
    let keys: Vec<_> = seen.iter().map(|(_, headers, ..)| headers.get("x-key")).collect();
    let [first, again, second, own, get] = keys[..] else { panic!("{keys:?}") };
    assert!(first == again && first != second && first.is_some() && second.is_some(), "{keys:?}");
    assert_eq!((own, get), (Some(&"order-7".parse().unwrap()), None));
    assert_ne!(first, Some(&"r1".parse().unwrap()));
}

#[test]
fn how_many_endpoints() {
    let none: [UpstreamEndpoint<Endpoint>; 0] = [];
    let catalog = || Catalog::shared_default().clone();
    let error = Upstream::new(none, Settings::default(), catalog()).unwrap_err();
    assert_eq!(error.to_string(), "an upstream has at least one endpoint");
}

/// Tells of each try before it is made and after.
#[tokio::test(start_paused = true)]
async fn who_watches_the_tries() {
    #[derive(Default)]
    struct Watcher(Mutex<Vec<String>>);

    impl WatchAttempts for Watcher {
        fn begins(&self, number: u32, endpoint: &Arc<str>, headers: &mut HeaderMap) {
            headers.insert("x-try", number.into());
            self.0.lock().unwrap().push(format!("{number} {endpoint}"));
        }

        fn ended(&self, attempt: &Attempt) {
            let Attempt { endpoint, outcome, fault, status, .. } = attempt;
            let ended = format!("{endpoint} {} {fault:?} {status:?}", outcome.as_str());
            self.0.lock().unwrap().push(ended);
        }
    }

    use Act::{Answer, Client, Fail};
    let table: &[(&[&[Act]], &[&str])] = &[
        (&[&[]], &["1 e0", "e0 delivered None Some(200)"]),
        (
            &[&[Answer(503, "")], &[Fail(K::Unreachable, Cause::Connect)], &[]],
            &[
                "1 e0",
                "e0 refused Some(Overloaded) Some(503)",
                "2 e1",
                "e1 unsent Some(Unreachable) None",
                "3 e2",
                "e2 delivered None Some(200)",
            ],
        ),
        // On the caller's side: it is not known what would have become of it.
        (&[&[Client]], &["1 e0"]),
    ];
    for (scripts, want) in table {
        let (upstream, seen) = upstream(scripts, Settings::default());
        let watcher = Arc::new(Watcher::default());
        let mut request = post();
        request.extensions_mut().insert(AttemptWatcher(watcher.clone()));
        let _ = ask(&upstream, request).await;
        assert_eq!(*watcher.0.lock().unwrap(), *want, "{scripts:?}");
        // What is said to one endpoint is said to no other.
        for (i, (_, headers, ..)) in seen.lock().unwrap().iter().enumerate() {
            let said: Vec<_> = headers.get_all("x-try").iter().collect();
            assert!(said.len() == 1 && said[0].to_str().unwrap().parse() == Ok(i + 1), "{said:?}");
        }
    }
}
