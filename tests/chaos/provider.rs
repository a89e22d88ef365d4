//! A provider that misbehaves at random, and keeps account of what it has done.

use super::support::{
    Connection, MARKER, Origin, Received, gzip,
    origin::{EVENTS, LAST_CHUNK, answer, chunk},
};
use fastrand::Rng;
use std::{
    fmt::Write as _,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Notify, Semaphore};

/// The field that says which request it is.
pub const ID: &str = "x-chaos-id";

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    Json,
    Events,
    /// What nobody looks at.
    Bytes,
}

impl Want {
    pub const ALL: [Self; 3] = [Self::Json, Self::Events, Self::Bytes];

    pub fn path(self) -> &'static str {
        match self {
            Self::Json => "/json",
            Self::Events => "/events",
            Self::Bytes => "/bytes",
        }
    }
}

/// What a provider does about one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// It says, in a whole answer, that it has not done the work.
    Refuse(Refusal),
    /// It does it, and says so.
    Succeed(Shape),
    // It may have done it.
    Stall,
    StallInHead,
    Reset,
    Close,
    Garbage,
    Page,
    GzipGarbage,
    /// The answer is shorter than it should be.
    Cut(Cut),
    /// So many whole events, and then this.
    Half(usize, Broken),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    Limited,
    Credential,
    Account,
    Error,
    Unavailable,
    BadGateway,
    In200,
    Invalid,
}

/// How a success is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Length,
    Chunks,
    UntilClose,
    Gzip,
    /// With another answer behind it, which nobody has asked for.
    WithMore,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// A length that is too long, and the end.
    TooLong,
    TooLongReset,
    TooLongStall,
    /// A length that is too short, and what is left over behind it.
    TooShort,
    /// A whole answer in what is left over.
    TooShortAnswer,
    HalfChunk,
    HalfChunkReset,
    /// The end of the connection is the end of half an answer.
    UntilClose,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    Close,
    Reset,
    Stall,
    HalfAnEvent,
    HalfAChunk,
    Failure,
    FailureByName,
}

impl Deed {
    /// For one request of the provider's, always the same.
    fn choose(rng: &mut Rng, want: Want, large: bool) -> Self {
        match rng.u32(..1000) {
            0..560 => Self::Succeed(match rng.u32(..20) {
                0..8 => Shape::Length,
                8..14 => Shape::Chunks,
                14..16 => Shape::UntilClose,
                16..18 if want != Want::Bytes => Shape::Gzip,
                18..20 if want == Want::Json => Shape::WithMore,
                _ => Shape::Length,
            }),
            560..730 => Self::Refuse(match rng.u32(..100) {
                0..7 => Refusal::Limited,
                7..14 => Refusal::Credential,
                14..21 => Refusal::Account,
                21..41 => Refusal::Error,
                41..58 => Refusal::Unavailable,
                58..70 => Refusal::BadGateway,
                70..90 => Refusal::In200,
                _ => Refusal::Invalid,
            }),
            730..745 => Self::Stall,
            745..750 => Self::StallInHead,
            750..785 => Self::Reset,
            785..820 => Self::Close,
            820..830 => Self::Garbage,
            830..860 => Self::Page,
            860..890 if want != Want::Bytes => Self::GzipGarbage,
            _ if want == Want::Events => {
                let how = [
                    Broken::Close,
                    Broken::Reset,
                    Broken::HalfAnEvent,
                    Broken::HalfAChunk,
                    Broken::Failure,
                    Broken::FailureByName,
                ];
                let how = if rng.u32(..12) == 0 { Broken::Stall } else { how[rng.usize(..6)] };
                Self::Half(rng.usize(1..4), how)
            }
            _ => {
                let detected =
                    [Cut::TooLong, Cut::TooLongReset, Cut::HalfChunk, Cut::HalfChunkReset];
                // Nobody can see that these are too short who does not read them.
                let seen = [Cut::TooShort, Cut::TooShortAnswer, Cut::UntilClose];
                Self::Cut(match rng.u32(..12) {
                    0 => Cut::TooLongStall,
                    1..7 if want == Want::Json && !large => seen[rng.usize(..3)],
                    _ => detected[rng.usize(..4)],
                })
            }
        }
    }

    /// Whether it may have cost something.
    pub fn is_work(self) -> bool {
        !matches!(self, Self::Refuse(_))
    }
}

/// The body of a success, always the same for a request and a provider.
pub fn body(want: Want, id: usize, provider: usize) -> Vec<u8> {
    let mut rng = Rng::with_seed((id as u64) << 8 | provider as u64);
    match want {
        Want::Json => {
            let length = if is_large(id) { rng.usize(70_000..90_000) } else { rng.usize(..1500) };
            let words = words(&mut rng, length);
            format!(r#"{{"id":"{id}","by":{provider},"status":"succeeded","data":[{{"words":"{words}"}}]}}"#)
                .into_bytes()
        }
        Want::Events => events(id, provider).concat().into_bytes(),
        Want::Bytes => {
            let length = if is_large(id) { 90_000 } else { rng.usize(1..3000) };
            // It begins as no JSON does.
            let mut bytes = format!("\u{89}PNG {id} {provider} ").into_bytes();
            let pattern: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(251).collect();
            bytes.extend(pattern.iter().cycle().take(length));
            bytes
        }
    }
}

/// Few answers are longer than what is looked at.
pub fn is_large(id: usize) -> bool {
    id % 197 == 5
}

fn words(rng: &mut Rng, length: usize) -> String {
    let pattern: String = std::iter::repeat_with(|| rng.alphanumeric()).take(61).collect();
    let mut words = pattern.repeat(length / 61 + 1);
    words.truncate(length);
    words
}

/// The events of a stream, always the same for a request and a provider.
pub fn events(id: usize, provider: usize) -> Vec<String> {
    let mut rng = Rng::with_seed((id as u64) << 9 | provider as u64);
    let number = rng.usize(4..8);
    let event = |at| {
        let length = rng.usize(..200);
        let words = words(&mut rng, length);
        let mut event = String::new();
        if at % 2 == 1 {
            event.push_str("event: progress\r\n");
        }
        let _ = writeln!(event, "data: {{\"id\":\"{id}\",\"by\":{provider},\"at\":{at},");
        let _ = write!(event, "data: \"status\":\"running\",\"words\":\"{words}\"}}\n\n");
        event
    };
    (0..number).map(event).collect()
}

/// What both providers have done, by request.
#[derive(Debug)]
pub struct Ledger {
    deeds: Vec<Mutex<Vec<(usize, Deed)>>>,
}

impl Ledger {
    fn new(requests: usize) -> Self {
        Self { deeds: std::iter::repeat_with(Mutex::default).take(requests).collect() }
    }

    /// What was done about a request, by which provider, in the order in which it arrived.
    pub fn of(&self, id: usize) -> Vec<(usize, Deed)> {
        self.deeds[id].lock().unwrap().clone()
    }
}

/// What both providers share.
#[derive(Debug)]
pub struct World {
    seed: u64,
    pub ledger: Ledger,
    /// Requests that did not arrive as they were sent.
    pub damaged: Mutex<Vec<String>>,
    /// Connections that are open.
    pub open: [AtomicI64; 2],
    pub changed: Notify,
    /// The chaos is over.
    pub is_calm: AtomicBool,
    /// Requests that wait until they are let go.
    pub held: AtomicI64,
    pub let_go: Semaphore,
}

impl World {
    pub fn new(seed: u64, requests: usize) -> Arc<Self> {
        Arc::new(Self {
            seed,
            ledger: Ledger::new(requests),
            damaged: Mutex::default(),
            open: Default::default(),
            changed: Notify::new(),
            is_calm: AtomicBool::new(false),
            held: AtomicI64::new(0),
            let_go: Semaphore::new(0),
        })
    }

    pub fn open(&self) -> [i64; 2] {
        [0, 1].map(|provider: usize| self.open[provider].load(Ordering::SeqCst))
    }

    /// What is done about a request that has arrived.
    fn decide(&self, provider: usize, id: usize, want: Want) -> (Deed, Rng) {
        let mut deeds = self.ledger.deeds[id].lock().unwrap();
        let before = deeds.iter().filter(|(by, _)| *by == provider).count();
        let salt = (id * 2 + provider) * 8 + before;
        let mut rng = Rng::with_seed(self.seed ^ (salt as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let deed = Deed::choose(&mut rng, want, is_large(id));
        deeds.push((provider, deed));
        (deed, rng)
    }
}

/// One of the two.
pub async fn start(provider: usize, world: Arc<World>) -> Origin {
    Origin::connections(move |connection| {
        let world = world.clone();
        async move {
            world.open[provider].fetch_add(1, Ordering::SeqCst);
            let served = serve(provider, &world, connection).await;
            world.open[provider].fetch_sub(1, Ordering::SeqCst);
            world.changed.notify_waiters();
            served
        }
    })
    .await
}

async fn serve(provider: usize, world: &World, mut connection: Connection) -> io::Result<()> {
    let mut chance =
        Rng::with_seed(world.seed ^ (connection.number as u64) << 20 ^ provider as u64);
    if chance.u32(..50) == 0 && !world.is_calm.load(Ordering::SeqCst) {
        // Before anything is read.
        connection.reset();
        return Ok(());
    }
    while let Some(request) = connection.request().await? {
        if request.target == "/hold" {
            world.held.fetch_add(1, Ordering::SeqCst);
            world.changed.notify_waiters();
            let _ = world.let_go.acquire().await;
            connection.wire.send(answer(200, "", "held")).await?;
            continue;
        }
        let (deed, rng) = decide(provider, world, &request);
        match act(provider, &request, deed, rng, &mut connection).await? {
            Then::Next if chance.u32(..40) > 0 => {}
            // Nobody was told that this is the last one.
            Then::Next | Then::Close => return Ok(()),
            Then::Reset => {
                connection.reset();
                return Ok(());
            }
            Then::Stall => {
                connection.wire.rest().await?;
                return Ok(());
            }
        }
    }
    Ok(())
}

fn decide(provider: usize, world: &World, request: &Received) -> (Deed, Rng) {
    let id = id_of(request);
    let want =
        Want::ALL.into_iter().find(|want| want.path() == request.target).expect("a known path");
    let meant = if request.method == "POST" { super::paid(id) } else { Vec::new() };
    if request.body != meant {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        world.damaged.lock().unwrap().push(format!("{id} with {body:?}"));
    }
    world.decide(provider, id, want)
}

fn id_of(request: &Received) -> usize {
    request.fields.one(ID).expect("an id").parse().unwrap()
}

enum Then {
    Next,
    Close,
    Reset,
    Stall,
}

fn head(fields: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nserver: {MARKER}\r\n{fields}\r\n")
}

async fn act(
    provider: usize,
    request: &Received,
    deed: Deed,
    mut rng: Rng,
    connection: &mut Connection,
) -> io::Result<Then> {
    let id = id_of(request);
    if rng.u32(..8) == 0 {
        // Some take a little longer.
        tokio::time::sleep(Duration::from_millis(rng.u64(1..5))).await;
    }
    let want = Want::ALL.into_iter().find(|want| want.path() == request.target).unwrap();
    let kind = match want {
        Want::Json => "content-type: application/json\r\n",
        Want::Events => "content-type: text/event-stream\r\n",
        Want::Bytes => "content-type: image/png\r\n",
    };
    let body = body(want, id, provider);
    let page = format!("<!doctype html><html><h1>Oops</h1>{MARKER}</html>");
    let error = format!(r#"{{"error":{{"message":"{MARKER}","type":"server_error"}}}}"#);
    let html = "content-type: text/html\r\n";
    let json = "content-type: application/json\r\n";
    let with_length =
        |fields: &str, length: usize| head(&format!("{kind}{fields}content-length: {length}\r\n"));
    let chunked = || head(&format!("{kind}transfer-encoding: chunked\r\n"));
    // Somewhere, but neither at the beginning nor at the end.
    let half = rng.usize(1..body.len());
    let cut = |head: String| [head.as_bytes(), &body[..half]].concat();
    let (bytes, then): (Vec<u8>, Then) = match deed {
        Deed::Refuse(refusal) => {
            let bytes = match refusal {
                Refusal::Limited => answer(429, "retry-after: 0\r\n", ""),
                Refusal::Credential => answer(401, json, &error),
                Refusal::Account => answer(402, json, &error),
                Refusal::Error => answer(500, json, &error),
                Refusal::Unavailable => answer(503, html, &page),
                Refusal::BadGateway => answer(502, html, &page),
                Refusal::In200 if want == Want::Events => {
                    let event = chunk(format!("data: {error}\n\n"));
                    String::from_utf8([EVENTS.as_bytes(), &event, LAST_CHUNK.as_bytes()].concat())
                        .unwrap()
                }
                Refusal::In200 if rng.bool() => answer(200, json, &error),
                Refusal::In200 => {
                    answer(200, json, &format!(r#"{{"success":false,"message":"{MARKER}"}}"#))
                }
                Refusal::Invalid => answer(
                    400,
                    json,
                    r#"{"error":{"message":"no such size","type":"invalid_request_error"}}"#,
                ),
            };
            (bytes.into_bytes(), Then::Next)
        }
        Deed::Succeed(shape) => match shape {
            Shape::Length => ([with_length("", body.len()).as_bytes(), &body].concat(), Then::Next),
            Shape::WithMore => {
                let more = answer(200, json, r#"{"id":"smuggled"}"#);
                (
                    [with_length("", body.len()).as_bytes(), &body, more.as_bytes()].concat(),
                    Then::Next,
                )
            }
            Shape::UntilClose => ([head(kind).as_bytes(), &body].concat(), Then::Close),
            Shape::Gzip => {
                let body = gzip(&body);
                let head = with_length("content-encoding: gzip\r\n", body.len());
                ([head.as_bytes(), &body].concat(), Then::Next)
            }
            Shape::Chunks => {
                let size = rng.usize(1 + body.len() / 32..=1 + body.len());
                let chunks = body.chunks(size).flat_map(chunk);
                (chunked().bytes().chain(chunks).chain(LAST_CHUNK.bytes()).collect(), Then::Next)
            }
        },
        Deed::Stall => (Vec::new(), Then::Stall),
        Deed::StallInHead => (b"HTTP/1.1 200 OK\r\nx-slow:".to_vec(), Then::Stall),
        Deed::Reset => (Vec::new(), Then::Reset),
        Deed::Close => (Vec::new(), Then::Close),
        Deed::Garbage => (format!("SSH-2.0-{MARKER}\r\n").into_bytes(), Then::Close),
        Deed::Page => (answer(200, html, &page).into_bytes(), Then::Next),
        Deed::GzipGarbage => {
            let garbage: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(200).collect();
            let head = with_length("content-encoding: gzip\r\n", garbage.len());
            ([head.as_bytes(), &garbage].concat(), Then::Next)
        }
        Deed::Cut(how) => match how {
            Cut::TooLong => (cut(with_length("", body.len())), Then::Close),
            Cut::TooLongReset => (cut(with_length("", body.len())), Then::Reset),
            Cut::TooLongStall => (cut(with_length("", body.len())), Then::Stall),
            Cut::TooShort => ([with_length("", half).as_bytes(), &body].concat(), Then::Next),
            Cut::TooShortAnswer => {
                let more = answer(200, json, r#"{"id":"smuggled"}"#);
                ([&*cut(with_length("", half)), more.as_bytes()].concat(), Then::Next)
            }
            Cut::HalfChunk | Cut::HalfChunkReset => {
                let size = format!("{:x}\r\n", body.len());
                let bytes = cut([chunked(), size].concat());
                (bytes, if how == Cut::HalfChunk { Then::Close } else { Then::Reset })
            }
            Cut::UntilClose => (cut(head(kind)), Then::Close),
        },
        Deed::Half(whole, how) => {
            let events = events(id, provider);
            let begun = chunked().into_bytes();
            let begun = events[..whole].iter().fold(begun, |mut bytes, event| {
                bytes.extend(chunk(event));
                bytes
            });
            let next = &events[whole];
            let end = rng.usize(1..next.len() - 1);
            let (more, then) = match how {
                Broken::Close => (Vec::new(), Then::Close),
                Broken::Reset => (Vec::new(), Then::Reset),
                Broken::Stall => (Vec::new(), Then::Stall),
                Broken::HalfAnEvent => (chunk(&next[..end]), Then::Close),
                Broken::HalfAChunk => {
                    (format!("{:x}\r\n{}", next.len(), &next[..end]).into_bytes(), Then::Close)
                }
                Broken::Failure => {
                    ([chunk(format!("data: {error}\n\n")), LAST_CHUNK.into()].concat(), Then::Next)
                }
                Broken::FailureByName => {
                    (chunk(format!("event: error\ndata: {MARKER}\n\n")), Then::Stall)
                }
            };
            if matches!(then, Then::Reset) {
                // A reset throws away what was not read yet; the first events are to arrive.
                connection.wire.send(&begun).await?;
                tokio::time::sleep(Duration::from_millis(3)).await;
                return Ok(then);
            }
            ([begun, more].concat(), then)
        }
    };
    // What is left over behind an answer comes with it: once the next request is out, nobody could tell it from that one's.
    let in_one = matches!(
        deed,
        Deed::Succeed(Shape::WithMore) | Deed::Cut(Cut::TooShort | Cut::TooShortAnswer)
    );
    // In one piece, or in two wherever.
    let (one, other) =
        bytes.split_at(if in_one || rng.bool() { bytes.len() } else { rng.usize(..=bytes.len()) });
    connection.wire.send(one).await?;
    if !other.is_empty() {
        tokio::task::yield_now().await;
        connection.wire.send(other).await?;
    }
    Ok(then)
}
