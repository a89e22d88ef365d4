//! Gateways that are replaced, and configurations that change, while clients do not stop asking and never ask twice.
//!
//! Two replicas stand behind a balancer that knows of them what `/readyz` says, and no more. Each is drained and replaced in turn, and is given
//! another configuration twenty times. Every request has to be answered as if nothing had happened, streams to their last event.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use support::{
    Answer, Client, Gateway, Origin, Setup, Version,
    client::Ask,
    http2::Http2,
    origin::{EVENTS, chunk, ok},
    soon,
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// How often each replica is given another configuration.
const RELOADS: usize = 20;
/// Of a stream.
const EVENTS_EACH: usize = 8;

/// Hands connections to replicas that say that they are ready.
#[derive(Clone, Default)]
struct Balancer {
    replicas: Arc<Mutex<Vec<Arc<Replica>>>>,
    next: Arc<AtomicUsize>,
}

struct Replica {
    address: SocketAddr,
    admin: SocketAddr,
    is_ready: AtomicBool,
    taken: AtomicUsize,
}

impl Balancer {
    /// Where it listens.
    async fn start(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let balancer = self.clone();
        tokio::spawn(async move {
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                let replica = balancer.choose();
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(replica.address).await?;
                    for stream in [&client, &server] {
                        stream.set_nodelay(true)?;
                    }
                    copy_bidirectional(&mut client, &mut server).await
                });
            }
        });
        address
    }

    /// One that is ready, each in its turn.
    fn choose(&self) -> Arc<Replica> {
        let replicas = self.replicas();
        let ready = || replicas.iter().filter(|replica| replica.is_ready.load(Ordering::SeqCst));
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % ready().count().max(1);
        let replica = ready().nth(turn).expect("a replica that is ready").clone();
        replica.taken.fetch_add(1, Ordering::Relaxed);
        replica
    }

    /// Takes this one in as soon as it is ready, and leaves it out when it is not.
    async fn add(&self, gateway: &Gateway) -> Arc<Replica> {
        let replica = Arc::new(Replica {
            address: gateway.address,
            admin: gateway.admin.unwrap(),
            is_ready: AtomicBool::new(false),
            taken: AtomicUsize::new(0),
        });
        self.replicas().push(replica.clone());
        let watched = replica.clone();
        tokio::spawn(async move {
            loop {
                let ask = Ask::new(Version::Http1, "GET", "/readyz").send_if_there(watched.admin);
                let is_ready = ask.await.is_some_and(|answer| answer.status == 200);
                watched.is_ready.store(is_ready, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        soon("readiness", async {
            while !replica.is_ready.load(Ordering::SeqCst) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        replica
    }

    fn replicas(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Replica>>> {
        self.replicas.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

trait SendIfThere {
    async fn send_if_there(self, address: SocketAddr) -> Option<Answer>;
}

impl SendIfThere for Ask {
    /// The answer, if somebody listens and answers.
    async fn send_if_there(self, address: SocketAddr) -> Option<Answer> {
        let stream = TcpStream::connect(address).await.ok()?;
        let mut client = Client::over(stream, Arc::default());
        client.send(self.http1(address)).await.try_answer("GET").await.ok()
    }
}

/// What clients have seen.
#[derive(Default)]
struct Seen {
    answers: [AtomicUsize; 4],
    /// Requests that did not leave, because their connection was given up just then.
    unsent: AtomicUsize,
    failures: Mutex<Vec<String>>,
    is_over: AtomicBool,
}

impl Seen {
    fn total(&self) -> usize {
        self.answers.iter().map(|answers| answers.load(Ordering::Relaxed)).sum()
    }

    /// Waits until so many more requests of every sort were answered.
    async fn more(&self, number: usize) {
        let wanted: Vec<_> =
            self.answers.iter().map(|now| now.load(Ordering::Relaxed) + number).collect();
        soon("more answers", async {
            while self
                .answers
                .iter()
                .zip(&wanted)
                .any(|(now, want)| now.load(Ordering::Relaxed) < *want)
            {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }
}

/// A client that asks for one thing after the other, on one connection as long as the other side keeps it.
async fn ask_on(seen: Arc<Seen>, address: SocketAddr, version: Version, streams: bool) {
    let kind = usize::from(version == Version::Http2) + 2 * usize::from(streams);
    let (method, path) = if streams { ("GET", "/events") } else { ("POST", "/x") };
    let expected = match streams {
        true => (0..EVENTS_EACH).map(|number| format!("data: {number}\n\n")).collect(),
        false => "yes".to_owned(),
    };
    let (mut http1, mut http2) = (None, None);
    while !seen.is_over.load(Ordering::SeqCst) {
        let ask = Ask::new(version, method, path);
        let answer = match version {
            Version::Http1 => {
                let mut client = match http1.take() {
                    Some(client) => client,
                    None => Client::connect(address, Arc::default()).await,
                };
                let answer = client.send(ask.http1(address)).await.try_answer(method).await;
                http1 = answer.as_ref().is_ok_and(|answer| answer.kept).then_some(client);
                answer.map_err(|error| error.to_string())
            }
            Version::Http2 => {
                // One that the other side has given up is not asked.
                let mut client = match http2.take() {
                    Some(client) => client,
                    None => Http2::connect(address, Arc::default()).await,
                };
                if client.is_usable().await {
                    let answer = client.ask(&ask).await;
                    if answer.as_ref().is_err_and(hyper::Error::is_canceled) {
                        // The connection was given up in between, and nothing of the request has left.
                        seen.unsent.fetch_add(1, Ordering::Relaxed);
                        continue;
                    }
                    http2 = Some(client);
                    answer.map_err(|error| format!("{error:?}"))
                } else {
                    continue;
                }
            }
        };
        let failure = match answer {
            Ok(answer) if answer.status == 200 && answer.text() == expected => None,
            Ok(answer) => Some(format!("{version:?} {path}: {} {}", answer.status, answer.text())),
            Err(error) => Some(format!("{version:?} {path}: {error}")),
        };
        match failure {
            None => _ = seen.answers[kind].fetch_add(1, Ordering::Relaxed),
            Some(failure) => seen.failures.lock().unwrap().push(failure),
        }
    }
}

/// Answers at once, and streams of events, each a few milliseconds after the other.
async fn provider() -> Origin {
    Origin::connections(|mut connection| async move {
        while let Some(request) = connection.request().await? {
            if request.target != "/events" {
                connection.wire.send(ok("yes")).await?;
                continue;
            }
            connection.wire.send(EVENTS).await?;
            for number in 0..EVENTS_EACH {
                tokio::time::sleep(Duration::from_millis(10)).await;
                connection.wire.send(chunk(format!("data: {number}\n\n"))).await?;
            }
            connection.wire.send("0\r\n\r\n").await?;
        }
        Ok(())
    })
    .await
}

fn setup(origin: &Origin, number: usize) -> Setup {
    // A limit that nobody reaches, and that is another one each time.
    let limit = format!(
        "[[limit]]\nname = \"many\"\nkey = \"address\"\nrate = \"{}/s\"\n",
        1_000_000 - number
    );
    Gateway::setup()
        .server("workers = 2\ndrain_delay = \"1s\"\ndrain_timeout = \"20s\"")
        .tables(&limit)
        // Every other time the provider is another one as well, with connections of its own.
        .upstream("provider", &origin.url(), &format!("idle_timeout = \"{}s\"", 60 - number / 2))
        .route("/{*path}", "provider", "limits = [\"many\"]")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_notices() {
    let origin = provider().await;
    let balancer = Balancer::default();
    let address = balancer.start().await;
    let mut gateways = Vec::new();
    for _ in 0..2 {
        let gateway = setup(&origin, 0).start().await;
        balancer.add(&gateway).await;
        gateways.push(gateway);
    }
    let seen = Arc::<Seen>::default();
    let mut clients = JoinSet::new();
    for version in Version::BOTH {
        for streams in [false, false, true, true] {
            clients.spawn(ask_on(seen.clone(), address, version, streams));
        }
    }
    seen.more(3).await;

    for number in 1..=RELOADS {
        for gateway in &gateways {
            let outcome = gateway.reload(&setup(&origin, number)).await;
            assert_eq!(outcome["message"], "the configuration was taken up");
        }
        seen.more(1).await;
    }
    for old in &mut gateways {
        let next = setup(&origin, 0).start().await;
        let replica = balancer.add(&next).await;
        old.signal("TERM");
        assert_eq!(old.exited().await.code(), Some(0));
        // The new one has its share by now.
        soon("connections", async {
            while replica.taken.load(Ordering::Relaxed) == 0 {
                seen.more(1).await;
            }
        })
        .await;
        balancer.replicas().retain(|known| known.address != old.address);
        *old = next;
        seen.more(3).await;
    }

    seen.is_over.store(true, Ordering::SeqCst);
    clients.join_all().await;
    // No more than one for each HTTP/2 connection that a drain can have given up.
    let unsent = seen.unsent.load(Ordering::Relaxed);
    assert!(unsent <= 2 * 4, "{unsent} requests did not leave");
    let failures = seen.failures.lock().unwrap();
    assert!(
        failures.is_empty(),
        "{} of {} requests failed: {failures:#?}",
        failures.len(),
        seen.total()
    );
}
