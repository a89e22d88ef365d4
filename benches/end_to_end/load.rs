//! The clients: each asks, reads the whole answer, and asks again.

use super::{
    process::cpu_ticks,
    scenario::{ANSWER, Scenario},
};
use httparse::Status;
use std::{
    cell::Cell,
    io,
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime,
    task::LocalSet,
    time::{sleep, timeout},
};

/// Whom to ask, for what and how long.
pub(super) struct Orders {
    pub(super) proxy: SocketAddr,
    /// The process that is measured.
    pub(super) pid: u32,
    pub(super) scenario: Scenario,
    pub(super) connections: usize,
    pub(super) seconds: Duration,
    /// So many requests and no more; 0 for as many as there is time for.
    pub(super) at_most: u64,
}

/// An answer that takes longer is an error.
const PATIENCE: Duration = Duration::from_secs(10);

/// What all connections count.
#[derive(Default)]
struct Tally {
    answers: Cell<u64>,
    errors: Cell<u64>,
}

/// Says on standard output: answers, errors, microseconds and ticks of the proxy's CPU time.
pub(super) fn run(orders: &Orders) {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (answers, errors, elapsed, ticks) = LocalSet::new().block_on(&runtime, measure(orders));
    println!("{answers} {errors} {} {ticks}", elapsed.as_micros());
}

async fn measure(orders: &Orders) -> (u64, u64, Duration, u64) {
    let host = orders.proxy.to_string();
    let request = |caller| -> Rc<[u8]> { orders.scenario.request(&host, caller).into() };
    // Once with nothing else going on: what is wrong here is wrong always.
    let mut first = Connection::open(orders.proxy).await.expect("no connection");
    timeout(PATIENCE, first.ask(&request(0)))
        .await
        .expect("no answer in time")
        .expect("a wrong answer");

    let tally = Rc::new(Tally::default());
    let share = orders.at_most.div_ceil(orders.connections as u64);
    let clients: Vec<_> = (0..orders.connections)
        .map(|caller| {
            let at_most = if share == 0 { u64::MAX } else { share };
            let client = client(orders.proxy, request(caller), tally.clone(), at_most);
            tokio::task::spawn_local(client)
        })
        .collect();
    if share > 0 {
        for client in clients {
            client.await.expect("a client panicked");
        }
        return (tally.answers.get(), tally.errors.get(), Duration::ZERO, 0);
    }
    // Connections are made, pools are filled, buffers have grown.
    sleep(orders.seconds.min(Duration::from_millis(250))).await;
    let (began, answers, ticks) =
        (Instant::now(), tally.answers.get(), cpu_ticks(orders.pid).unwrap());
    sleep(orders.seconds).await;
    (
        tally.answers.get() - answers,
        tally.errors.get(),
        began.elapsed(),
        cpu_ticks(orders.pid).unwrap() - ticks,
    )
}

/// Asks again and again; a connection that fails is replaced.
async fn client(proxy: SocketAddr, request: Rc<[u8]>, tally: Rc<Tally>, mut at_most: u64) {
    let mut connection = None;
    while at_most > 0 {
        at_most -= 1;
        let asked = timeout(PATIENCE, async {
            let mut open = match connection.take() {
                Some(open) => open,
                None => Connection::open(proxy).await?,
            };
            open.ask(&request).await?;
            io::Result::Ok(open)
        });
        if let Ok(Ok(open)) = asked.await {
            connection = Some(open);
            tally.answers.set(tally.answers.get() + 1);
        } else {
            tally.errors.set(tally.errors.get() + 1);
            sleep(Duration::from_millis(10)).await;
        }
    }
}

/// A keep-alive connection to the proxy.
struct Connection {
    stream: TcpStream,
    buffer: [u8; 4096],
}

impl Connection {
    async fn open(proxy: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(proxy).await?;
        stream.set_nodelay(true)?;
        let buffer = [0; 4096];
        Ok(Self { stream, buffer })
    }

    /// Sends the request, and reads the answer that is due.
    async fn ask(&mut self, request: &[u8]) -> io::Result<()> {
        self.stream.write_all(request).await?;
        let mut filled = 0;
        loop {
            let read = self.stream.read(&mut self.buffer[filled..]).await?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            filled += read;
            match is_answer(&self.buffer[..filled]) {
                Some(true) => return Ok(()),
                Some(false) => {
                    let got = String::from_utf8_lossy(&self.buffer[..filled]);
                    return Err(io::Error::other(format!("{got:?}")));
                }
                None => {}
            }
        }
    }
}

/// Whether these bytes are the answer that is due, once that is clear.
pub(super) fn is_answer(bytes: &[u8]) -> Option<bool> {
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut fields);
    let head = match response.parse(bytes) {
        Ok(Status::Complete(head)) => head,
        Ok(Status::Partial) => return None,
        Err(_) => return Some(false),
    };
    let body = &bytes[head..];
    if response.code != Some(200) || !ANSWER.as_bytes().starts_with(body) {
        return Some(false);
    }
    (body.len() == ANSWER.len()).then_some(true)
}
