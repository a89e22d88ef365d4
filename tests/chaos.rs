//! Two providers that misbehave in every way they can, 20,000 requests at random, and what must hold for each of them:
//!
//! - what arrives is byte for byte what a provider meant as a success for this very request, or an envelope of the catalog
//!   with its status; of a stream, whole events and then one last event with an envelope, or all of it;
//! - work that is paid for is never given to a provider after another one may have begun it;
//! - nothing takes longer than the deadline;
//! - at the end every place, connection and file is free again.
//!
//! In a debug build on two cores it takes about half a minute, and up to a minute beside other work.
//!
//! `TOLLGATE_CHAOS_SEED` repeats a run, as far as what the providers do; `TOLLGATE_CHAOS_REQUESTS` makes it shorter or longer.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test may panic, and says with which seed it has run"
)]

#[path = "chaos/provider.rs"]
#[allow(unreachable_pub, reason = "of this test alone")]
mod provider;
mod support;

use fastrand::Rng;
use provider::{Deed, ID, Shape, Want, World, body, events, is_large};
use std::{
    collections::BTreeMap,
    env,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use support::{
    Answer, Client, Gateway, Setup, Version, assert_envelope, assert_event, assert_fault,
    client::Ask, gzip, http2::Http2, soon,
};
use tokio::task::JoinSet;
use tollgate::{Catalog, Kind};

/// At a time.
const CLIENTS: usize = 64;
/// More than one client has, for the places of answers that are just over.
const PLACES: usize = 2 * CLIENTS;
/// Over all attempts.
const TIMEOUT: Duration = Duration::from_millis(1500);
/// What a busy machine may add to it.
const MARGIN: Duration = Duration::from_secs(3);
/// Connections that are kept for each provider.
const IDLE: i64 = 16;
/// How often a request is sent at most.
const ATTEMPTS: usize = 3;

fn number(variable: &str, default: u64) -> u64 {
    env::var(variable).ok().map_or(default, |text| text.parse().expect("a number"))
}

/// The body of a request that is paid for.
fn paid(id: usize) -> Vec<u8> {
    format!(r#"{{"prompt":"cat number {id}","pad":"{}"}}"#, "x".repeat(id % 500)).into_bytes()
}

/// A request.
#[derive(Clone, Copy, Debug)]
struct Job {
    id: usize,
    want: Want,
    paid: bool,
}

impl Job {
    fn new(seed: u64, id: usize) -> Self {
        let mut rng = Rng::with_seed(seed.rotate_left(17) ^ id as u64);
        let want = match rng.u32(..10) {
            0..5 => Want::Json,
            5..9 => Want::Events,
            _ => Want::Bytes,
        };
        Self { id, want, paid: rng.u32(..3) > 0 }
    }

    fn ask(self, version: Version) -> Ask {
        let method = if self.paid { "POST" } else { "GET" };
        let mut ask = Ask::new(version, method, self.want.path())
            .field(ID, &self.id.to_string())
            .field("accept-encoding", "gzip")
            .field("x-place", "all");
        ask.body = if self.paid { paid(self.id) } else { Vec::new() };
        ask
    }
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Success,
    Failure(String),
    /// A stream with a failure as its last event.
    EndedBy(String),
    /// Of which everybody can see that it broke off.
    BrokenOff,
}

/// A connection, made again when it is of no more use.
enum Session {
    Http1(Option<Client>),
    Http2(Option<Http2>),
}

impl Session {
    async fn ask(&mut self, gateway: &Gateway, job: Job) -> Result<Answer, String> {
        match self {
            Self::Http1(kept) => {
                let mut client = match kept.take() {
                    Some(client) => client,
                    None => gateway.client().await,
                };
                let ask = job.ask(Version::Http1);
                client.send(ask.http1(gateway.address)).await;
                let answer = client.try_answer(ask.method.as_str()).await;
                *kept = answer.as_ref().is_ok_and(|answer| answer.kept).then_some(client);
                answer.map_err(|error| error.to_string())
            }
            Self::Http2(kept) => {
                let mut client = match kept.take() {
                    Some(client) => client,
                    None => gateway.http2().await,
                };
                let answer = client.ask(&job.ask(Version::Http2)).await;
                *kept = (!client.sender.is_closed()).then_some(client);
                answer.map_err(|error| error.to_string())
            }
        }
    }
}

/// Checks an answer, and says what became of the request.
fn judge(
    job: Job,
    answer: Result<Answer, String>,
    world: &World,
    catalog: &Catalog,
) -> Result<Outcome, String> {
    let deeds = world.ledger.of(job.id);
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => {
            // Only what nobody looks at can break off behind its head.
            let unseen = job.want == Want::Bytes || is_large(job.id);
            let cut = deeds.iter().any(|(_, deed)| matches!(deed, Deed::Cut(_)));
            return if unseen && cut {
                Ok(Outcome::BrokenOff)
            } else {
                Err(format!("no whole answer: {error}"))
            };
        }
    };
    if answer.status != 200 {
        let entry = assert_envelope(&answer, catalog);
        if !entry.faults().iter().any(|kind| matches!(kind, Kind::Upstream(_))) {
            return Err(format!("a failure of the gateway's own: {}", answer.text()));
        }
        return Ok(Outcome::Failure(entry.code().to_owned()));
    }
    let successes = deeds.iter().filter_map(|(by, deed)| match deed {
        Deed::Succeed(shape) => Some((*by, *shape)),
        _ => None,
    });
    for (by, shape) in successes {
        let mut meant = body(job.want, job.id, by);
        // Streams are read, and go on without their coding.
        if shape == Shape::Gzip && job.want != Want::Events {
            meant = gzip(&meant);
        }
        let is_it = match job.want {
            // Heartbeats are ours.
            Want::Events => pieces(&answer.body).concat() == meant,
            _ => answer.body == meant,
        };
        if is_it {
            return Ok(Outcome::Success);
        }
    }
    if job.want == Want::Events {
        let halves = deeds.iter().filter_map(|(by, deed)| match deed {
            Deed::Half(whole, _) => Some((*by, *whole)),
            _ => None,
        });
        // An event that was held back when the stream broke off is lost, but no half of one gets through.
        let mut arrived: Vec<&[u8]> = pieces(&answer.body);
        let last = arrived.pop().unwrap_or_default();
        for (by, whole) in halves {
            let meant = events(job.id, by);
            let whole = &meant[..whole];
            if arrived.len() <= whole.len()
                && arrived.iter().zip(whole).all(|(got, want)| *got == want.as_bytes())
            {
                let last = String::from_utf8(last.to_vec()).map_err(|error| error.to_string())?;
                return Ok(Outcome::EndedBy(assert_event(&last, catalog).code().to_owned()));
            }
        }
        // One that was whole at the provider, and took too long on its way here.
        for (by, deed) in &deeds {
            let meant = events(job.id, *by);
            let prefix = arrived.iter().zip(&meant).all(|(got, want)| *got == want.as_bytes());
            if matches!(deed, Deed::Succeed(_)) && prefix && last.starts_with(b"event: error\n") {
                let last = String::from_utf8(last.to_vec()).map_err(|error| error.to_string())?;
                return Ok(Outcome::EndedBy(assert_event(&last, catalog).code().to_owned()));
            }
        }
    }
    let (fields, text) = (&answer.fields, String::from_utf8_lossy(&answer.body));
    Err(format!("nobody meant that: {fields:?} {:?}", text.chars().take(5000).collect::<String>()))
}

/// The events of a stream, without heartbeats.
fn pieces(mut body: &[u8]) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    while !body.is_empty() {
        let end =
            body.windows(2).position(|window| window == b"\n\n").map_or(body.len(), |at| at + 2);
        let (piece, rest) = body.split_at(end);
        if !piece.starts_with(b":") {
            pieces.push(piece);
        }
        body = rest;
    }
    pieces
}

fn setup(first: &str, second: &str) -> Setup {
    let chaos = format!(
        "timeout = \"{}ms\"\nfirst_byte_timeout = \"300ms\"\nidle_timeout = \"300ms\"\nconnect_timeout = \"500ms\"\n\
         heartbeat = \"100ms\"\nattempts = {ATTEMPTS}\nretry_percent = 100\nbackoff = \"2ms\"\nmax_backoff = \"10ms\"\n\
         max_idle = {IDLE}\npool_idle_timeout = \"1s\"\n\
         ejection = {{ failures = 1000000, base = \"1ms\", longest = \"4ms\" }}",
        TIMEOUT.as_millis()
    );
    let limits = "limits = [\"places\"]\nmethod = [\"GET\", \"POST\"]";
    Gateway::setup()
        // All that is logged of 20,000 requests at the finest level is too much.
        .env("TOLLGATE_LOG", "info")
        .tables(&format!(
            "[[limit]]\nname = \"places\"\nkey = \"header:x-place\"\nin_flight = {PLACES}"
        ))
        .pool("chaos", &chaos, &[("first", first, ""), ("second", second, "")])
        .pool("calm", "pool_idle_timeout = \"1s\"", &[("first", first, "")])
        .route("/json", "chaos", limits)
        .route("/events", "chaos", limits)
        .route("/bytes", "chaos", limits)
        .route("/hold", "calm", limits)
}

/// Open files of the gateway; for sockets, which connection that is and its state, as the kernel tells it.
fn files(gateway: &Gateway) -> Vec<String> {
    let pid = gateway.pid();
    let sockets = std::fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap_or_default();
    let files = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().filter_map(|file| {
        let link = std::fs::read_link(file.ok()?.path()).ok()?.display().to_string();
        let inode = link.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']'));
        let line = inode.and_then(|inode| {
            sockets.lines().find(|line| line.split_whitespace().nth(9) == Some(inode))
        });
        let line = line.map(|line| line.split_whitespace().take(5).collect::<Vec<_>>().join(" "));
        Some(line.unwrap_or(link))
    });
    files.collect()
}

/// Whether it is a connection over TCP, and not a listener.
fn is_tcp(file: &str) -> bool {
    file.split(' ').nth(3).is_some_and(|state| state != "0A")
}

async fn until(what: &str, world: &World, wanted: impl Fn() -> bool) {
    soon(what, async {
        while !wanted() {
            let changed = world.changed.notified();
            let _ = tokio::time::timeout(Duration::from_millis(20), changed).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_the_providers_do() {
    let seed = number("TOLLGATE_CHAOS_SEED", 20_260_731);
    let requests = number("TOLLGATE_CHAOS_REQUESTS", 20_000) as usize;
    let world = World::new(seed, requests);
    let first = provider::start(0, world.clone()).await;
    let second = provider::start(1, world.clone()).await;
    let gateway = Arc::new(setup(&first.url(), &second.url()).start().await);
    // What it opens by itself is open when both of its listeners have answered; nobody is connected any more.
    assert_eq!(gateway.probe("/readyz").await, 200);
    assert_fault(&gateway.get("/nothing").await, &gateway.catalog, Kind::NoRoute);
    until("the end of a connection", &world, || !files(&gateway).iter().any(|file| is_tcp(file)))
        .await;
    let files_before = files(&gateway).len();

    let next = Arc::new(AtomicUsize::new(0));
    let began = Instant::now();
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let (gateway, world, next) = (gateway.clone(), world.clone(), next.clone());
        clients.spawn(async move {
            let mut session =
                if client % 8 == 0 { Session::Http2(None) } else { Session::Http1(None) };
            let mut done = Vec::new();
            loop {
                let id = next.fetch_add(1, Ordering::SeqCst);
                if id >= requests {
                    return done;
                }
                let job = Job::new(seed, id);
                let asked = Instant::now();
                let answer = session.ask(&gateway, job).await;
                let took = asked.elapsed();
                let verdict = judge(job, answer, &world, &gateway.catalog);
                done.push((job, verdict, took));
            }
        });
    }
    let mut done = Vec::new();
    while let Some(client) = clients.join_next().await {
        let client = client.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        done.extend(client);
    }
    let took = began.elapsed();

    let mut outcomes = BTreeMap::<Outcome, usize>::new();
    let (mut wrong, mut slowest, mut repeated, mut spared) = (Vec::new(), Duration::ZERO, 0, 0);
    for (job, verdict, took) in &done {
        let deeds = world.ledger.of(job.id);
        let mut complain =
            |what: String| wrong.push(format!("{job:?}: {what}; the providers: {deeds:?}"));
        match verdict {
            Ok(outcome) => *outcomes.entry(outcome.clone()).or_default() += 1,
            Err(error) => complain(error.clone()),
        }
        let work = deeds.iter().filter(|(_, deed)| deed.is_work()).count();
        if job.paid && work > 1 {
            complain(format!("the work may have been done {work} times"));
        }
        if deeds.len() > ATTEMPTS {
            complain(format!("sent {} times", deeds.len()));
        }
        if *took > TIMEOUT + MARGIN {
            complain(format!("it took {took:?}"));
        }
        slowest = slowest.max(*took);
        repeated += usize::from(deeds.len() > 1);
        let failed = !matches!(verdict, Ok(Outcome::Success));
        spared += usize::from(job.paid && failed && deeds.len() == 1 && work == 1);
    }
    println!(
        "seed {seed}: {} requests in {took:?}, the slowest {slowest:?}, {repeated} sent more than once, \
         {spared} not sent again for the money: {outcomes:#?}",
        done.len()
    );
    let first_ones = wrong.iter().take(10).cloned().collect::<Vec<_>>().join("\n");
    assert!(
        wrong.is_empty(),
        "TOLLGATE_CHAOS_SEED={seed}: {} wrong, such as\n{first_ones}",
        wrong.len()
    );
    assert_eq!(done.len(), requests);
    let damaged = world.damaged.lock().unwrap().clone();
    assert!(damaged.is_empty(), "TOLLGATE_CHAOS_SEED={seed}: {damaged:?}");
    // It was chaos.
    let count = |is: fn(&Outcome) -> bool| -> usize {
        outcomes.iter().filter(|(outcome, _)| is(outcome)).map(|(_, count)| count).sum()
    };
    let successes = count(|outcome| *outcome == Outcome::Success);
    let failures = count(|outcome| matches!(outcome, Outcome::Failure(_)));
    let ended = count(|outcome| matches!(outcome, Outcome::EndedBy(_)));
    assert!(
        successes > requests / 4 && failures > requests / 50 && ended > requests / 200,
        "{outcomes:?}"
    );
    assert!(repeated > requests / 20 && spared > requests / 100, "{repeated} {spared}");

    nothing_is_left(&gateway, &world, seed, files_before).await;
}

/// Every place is free, no connection stays open beyond those that are kept, and then those close too.
async fn nothing_is_left(
    gateway: &Arc<Gateway>,
    world: &Arc<World>,
    seed: u64,
    files_before: usize,
) {
    until("the end of the providers' connections", world, || {
        world.open().iter().all(|open| *open <= IDLE)
    })
    .await;
    println!("seed {seed}: open at the providers {:?}", world.open());

    // As many as there are places get in, and not one more.
    world.is_calm.store(true, Ordering::SeqCst);
    let mut holding = JoinSet::new();
    let hold = || Ask::new(Version::Http1, "GET", "/hold").field("x-place", "all");
    for _ in 0..PLACES {
        let gateway = gateway.clone();
        holding.spawn(async move { gateway.ask(hold()).await });
    }
    let held = || world.held.load(Ordering::SeqCst) == PLACES as i64;
    until("a request at every place", world, held).await;
    let refused = gateway.ask(hold()).await;
    assert_fault(&refused, &gateway.catalog, Kind::ConcurrencyLimited);
    world.let_go.add_permits(PLACES);
    while let Some(answer) = soon("an answer", holding.join_next()).await {
        answer.unwrap().assert_ok("held");
    }

    until("the end of the kept connections", world, || world.open() == [0, 0]).await;
    let given_up = Instant::now() + Duration::from_secs(10);
    while files(gateway).len() > files_before {
        assert!(Instant::now() < given_up, "more than {files_before} files: {:#?}", files(gateway));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(gateway.probe("/readyz").await, 200);
}
