//! The measurement: every proxy in turn, round by round.

use super::{
    bare::Client,
    load::Orders,
    options::Options,
    process::{Process, Seen, can_pin, load},
    report,
    scenario::Scenario,
    setup::{self, Policy},
};
use std::{
    io::{IsTerminal, Write},
    net::SocketAddr,
};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proxy {
    Tollgate(Policy),
    /// Another build of it.
    Beside(Policy),
    Bare(Client),
}

impl Proxy {
    /// Those of a run.
    pub(super) fn all(options: &Options) -> &'static [Self] {
        match options.beside {
            Some(_) => &[
                Self::Tollgate(Policy::None),
                Self::Beside(Policy::None),
                Self::Tollgate(Policy::Keys),
                Self::Beside(Policy::Keys),
            ],
            None => &[
                Self::Tollgate(Policy::None),
                Self::Tollgate(Policy::Logged),
                Self::Tollgate(Policy::Keys),
                Self::Bare(Client::Legacy),
                Self::Bare(Client::Pool),
            ],
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Tollgate(Policy::None) => "tollgate",
            Self::Tollgate(Policy::Logged) => "tollgate, access log",
            Self::Tollgate(Policy::Keys | Policy::StoredKeys) => "tollgate, keys, quota",
            Self::Beside(Policy::Keys | Policy::StoredKeys) => "beside, keys, quota",
            Self::Beside(_) => "beside",
            Self::Bare(Client::Legacy) => "hyper, legacy client",
            Self::Bare(Client::Pool) => "hyper, own pool",
        }
    }

    /// Whose costs are compared with this one's, if not it is that one.
    pub(super) fn reference(self) -> Option<Self> {
        match self {
            Self::Tollgate(Policy::None) => None,
            Self::Beside(policy) => Some(Self::Tollgate(policy)),
            Self::Tollgate(_) | Self::Bare(_) => Some(Self::Tollgate(Policy::None)),
        }
    }

    fn start(self, options: &Options, origin: SocketAddr, pin: bool) -> Process {
        let (binary, policy) = match self {
            Self::Tollgate(policy) => (&options.product, policy),
            Self::Beside(policy) => (options.beside.as_ref().unwrap(), policy),
            Self::Bare(client) => return Process::bare(client, origin, pin),
        };
        let file = setup::write(origin, policy, binary);
        match policy {
            Policy::Logged => Process::tollgate_with_log(binary, &file, pin),
            _ => Process::tollgate(binary, &file, pin),
        }
    }
}

/// What one proxy did in one round; `None` if it did not do it without errors.
pub(super) type Sample = Option<Figures>;

#[derive(Clone, Copy, Debug)]
pub(super) struct Figures {
    /// CPU time of the proxy, in microseconds.
    pub(super) per_request: f64,
    pub(super) per_second: f64,
}

pub(super) fn run(options: &Options) {
    let pin = can_pin();
    if !pin && options.smoke.is_none() {
        println!("note: not pinned to cores, for want of `taskset` or of a second core");
    }
    let origin = Process::origin(pin);
    for &scenario in &options.scenarios {
        let mut samples = Vec::new();
        for round in 0..options.rounds {
            samples.push(one_round(options, scenario, round, origin.address, pin));
            progress(scenario, round + 1, options.rounds);
        }
        if options.smoke.is_none() {
            report::print(scenario, Proxy::all(options), &samples);
        }
    }
}

/// For people who wait; a log has no use for it.
fn progress(scenario: Scenario, done: usize, of: usize) {
    let mut err = std::io::stderr();
    if err.is_terminal() {
        let end = if done == of { '\n' } else { ' ' };
        eprint!("\r{scenario}: {done} of {of} rounds{end}");
        let _ = err.flush();
    }
}

/// One sample of each proxy, in the order of [`Proxy::all`].
fn one_round(
    options: &Options,
    scenario: Scenario,
    round: usize,
    origin: SocketAddr,
    pin: bool,
) -> Vec<Sample> {
    let proxies = Proxy::all(options);
    let mut samples = vec![None; proxies.len()];
    for turn in 0..proxies.len() {
        let which = (round + turn) % proxies.len();
        let proxy = proxies[which];
        let process = proxy.start(options, origin, pin);
        let orders = Orders {
            proxy: process.address,
            pid: process.pid(),
            scenario,
            connections: options.connections,
            seconds: options.seconds,
            at_most: options.smoke.unwrap_or(0),
        };
        let seen = load(&orders, pin);
        if seen.errors > 0 || seen.answers == 0 {
            let Seen { answers, errors, .. } = seen;
            let text = format!("{}: {errors} errors, {answers} answers", proxy.name());
            assert!(options.smoke.is_none(), "{text}");
            eprintln!("round {} does not count for {text}", round + 1);
            continue;
        }
        samples[which] = Some(figures(seen));
    }
    samples
}

fn figures(seen: Seen) -> Figures {
    let answers = seen.answers as f64;
    Figures {
        per_request: seen.ticks as f64 * 10_000.0 / answers,
        per_second: answers * 1e6 / seen.elapsed as f64,
    }
}
