//! From the start of a process to its first good answer, and what it takes of memory when nothing is asked of it.

use super::{
    load::is_answer,
    options::Options,
    process::{Process, resident},
    report::quantile,
    scenario::{KEYS, Scenario},
    setup::{self, Policy},
};
use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

/// An answer that takes longer is an error.
const PATIENCE: Duration = Duration::from_secs(10);

/// Prints a table. Fails when more memory is taken than may be.
pub(super) fn run(options: &Options) -> ExitCode {
    let origin = Process::origin(false);
    let rows = [("keys in a file", Policy::Keys), ("keys in SQLite", Policy::StoredKeys)]
        .map(|(name, policy)| (name, setup::write(origin.address, policy, &options.product)));
    let (mut starts, mut memories) = (rows.each_ref().map(|_| Vec::new()), Vec::new());
    let mut idle = rows.each_ref().map(|_| Vec::new());
    for round in 0..options.rounds {
        for (index, (_, file)) in rows.iter().enumerate() {
            let began = Instant::now();
            let process = Process::tollgate(&options.product, file, false);
            first_answer(process.address, round);
            starts[index].push(began.elapsed().as_secs_f64() * 1e3);
            until_ready(process.admin.expect("it did not say where it is asked how it is"));
            let mib = resident(process.pid()).expect("it has ended") as f64 / 1024.0;
            idle[index].push(mib);
            memories.push(mib);
        }
    }
    println!("\nstart to the first good answer, {KEYS} keys, {} rounds", options.rounds);
    println!("{:<22}{:>10}{:>8}{:>8}{:>12}", "", "median ms", "quiet", "worst", "idle MiB");
    for (index, (name, _)) in rows.iter().enumerate() {
        let [starts, idle] = [&mut starts[index], &mut idle[index]].map(|values| {
            values.sort_by(f64::total_cmp);
            |at| quantile(values, at).unwrap_or_default()
        });
        println!(
            "{:<22}{:>10.1}{:>8.1}{:>8.1}{:>12.1}",
            format!("tollgate, {name}"),
            starts(0.5),
            starts(0.2),
            starts(1.0),
            idle(0.5)
        );
    }
    let most = memories.into_iter().fold(0.0, f64::max);
    if options.max_idle_mib.is_some_and(|limit| most >= limit) {
        eprintln!("end_to_end: {most:.1} MiB are taken by a process of which nothing is asked");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Asks with a caller's key, once.
fn first_answer(proxy: SocketAddr, caller: usize) {
    let answer = ask(proxy, &Scenario::Post.request(&proxy.to_string(), caller), |bytes| {
        is_answer(bytes).is_some()
    });
    let answer = answer.expect("no answer");
    assert_eq!(is_answer(&answer), Some(true), "{}", String::from_utf8_lossy(&answer));
}

/// Until it says of itself that it can be relied on.
fn until_ready(admin: SocketAddr) {
    let request = format!("GET /readyz HTTP/1.1\r\nhost: {admin}\r\nconnection: close\r\n\r\n");
    let began = Instant::now();
    while !ask(admin, request.as_bytes(), |_| false)
        .is_ok_and(|answer| answer.starts_with(b"HTTP/1.1 200 "))
    {
        assert!(began.elapsed() < PATIENCE, "it does not get ready");
        thread::sleep(Duration::from_millis(1));
    }
}

/// What comes back, until the connection ends or that is enough.
fn ask(
    address: SocketAddr,
    request: &[u8],
    is_enough: impl Fn(&[u8]) -> bool,
) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request)?;
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(answer),
            read => answer.extend(&buffer[..read]),
        }
        if is_enough(&answer) {
            return Ok(answer);
        }
    }
}
