//! What a request costs from socket to socket, against what hyper alone costs.
//!
//! ```text
//! cargo bench --bench end_to_end -- --rounds 20 --seconds 1
//! ```
//!
//! Reports CPU microseconds per request of the proxy's process, user and system time of all its threads, for
//!
//! - `tollgate`: routing and normalization on, access log off (`product.plain.toml` beside this folder), one worker;
//! - `tollgate, access log`: the same with a line for each request, written to a file;
//! - `tollgate, keys, quota`: a thousand keys, a quota for each that never fires, and the schema of what is posted
//!   besides (`product.policy.toml`);
//! - `hyper, legacy client`: nothing but hyper's HTTP/1 server and hyper-util's pooling client, on tokio's multi-thread
//!   runtime with one worker. What a proxy is at first;
//! - `hyper, own pool`: the same with a stack of `hyper::client::conn` connections, on a current-thread runtime.
//!   What hyper can do at best, and how tollgate is built.
//!
//! # How
//!
//! ```text
//! core 1: load (64 connections) ──► core 0: one of the proxies ──► core 1: origin
//! ```
//!
//! Each is a process of its own: this program again with `--role`, and the `tollgate` binary. With `taskset`
//! (util-linux) and two cores they are pinned as shown; without, the report says so.
//!
//! The proxies take turns, round by round, in another order each time and started anew each time. **Ratios of one
//! run are what counts**: each is the median of the rounds' own ratios, so that a machine that is slow for a
//! minute is slow for all. `quiet` is the 20th percentile of a proxy's rounds, what it costs when nobody disturbs.
//! Believe a difference below 5 % only when the ratio of the medians and that of the `quiet` ones agree.
//! Requests per second stand beside it; near 50,000 they are the load's limit rather than the proxy's. A proxy that
//! has little to do costs more per request, for it sleeps in between: compare at equal load.
//!
//! Every answer is compared with the one that is due, status and body, before the time runs and while it does. One
//! that differs, a connection that breaks and one that hangs are errors, and a round with errors does not count.
//!
//! # Two builds of tollgate
//!
//! ```text
//! cargo bench --bench end_to_end -- --product target/release/tollgate --beside ../before/target/release/tollgate
//! ```
//!
//! compares them, instead of tollgate with hyper.
//!
//! # From start to answer
//!
//! ```text
//! cargo bench --bench end_to_end -- --start
//! ```
//!
//! Reports milliseconds from the start of the process to its first good answer, with a thousand keys in a file and in
//! SQLite, and how much memory is resident once `/readyz` says yes. One process after another, not pinned, one worker.
//! With `--max-idle-mib N` it fails when that is N or more.
//!
//! # What to keep in mind
//!
//! - Loopback work in the kernel is most of it, 60 to 80 %, and the same for all.
//! - `tollgate` does what a proxy owes and the bare ones do not: `X-Forwarded-*`, `Via`, `x-request-id`, deadlines,
//!   a strict reading of heads. The bare ones only take the fields of a connection out.
//! - Time is read from `/proc/PID/stat`, in ticks of 10 ms: a round of one second knows it to 1 or 2 %.
//! - Built under `cargo bench`, `tollgate` shares its dependencies' features with the tests; a release build has
//!   fewer.
//!
//! Without `--bench`, which `cargo bench` gives, as under `cargo test --benches`, it only looks whether everything
//! works: a few requests to each proxy.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark prints, and may panic"
)]

#[cfg(target_os = "linux")]
mod bare;
#[cfg(target_os = "linux")]
mod load;
#[cfg(target_os = "linux")]
mod options;
#[cfg(target_os = "linux")]
mod origin;
#[cfg(target_os = "linux")]
mod process;
#[cfg(target_os = "linux")]
mod report;
#[cfg(target_os = "linux")]
mod rounds;
#[cfg(target_os = "linux")]
mod scenario;
#[cfg(target_os = "linux")]
mod setup;
#[cfg(target_os = "linux")]
mod start;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    use options::{Command, Role};

    match options::parse(std::env::args().skip(1)) {
        Ok(Command::Measure(options)) => rounds::run(&options),
        Ok(Command::Start(options)) => return start::run(&options),
        Ok(Command::Play(role)) => match role {
            Role::Origin => origin::run(),
            Role::Bare { client, origin } => bare::run(client, origin),
            Role::Load(orders) => load::run(&orders),
        },
        Ok(Command::Nothing) => {}
        Err(message) => {
            eprintln!("end_to_end: {message}");
            return std::process::ExitCode::from(2);
        }
    }
    std::process::ExitCode::SUCCESS
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("end_to_end: processes are measured by /proc; on Linux only");
}
