//! The measurement: every proxy in turn, round by round.

use super::{
    bare::Client,
    load::Orders,
    options::Options,
    process::{Policy, Process, Seen, can_pin, load},
    report,
    scenario::Scenario,
};
use std::{
    io::{IsTerminal, Write},
    net::SocketAddr,
};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proxy {
    Tollgate,
    /// With a thousand keys, and a quota for each.
    TollgateWithKeys,
    Bare(Client),
}

impl Proxy {
    pub(super) const ALL: [Self; 4] = [
        Self::Tollgate,
        Self::TollgateWithKeys,
        Self::Bare(Client::Legacy),
        Self::Bare(Client::Pool),
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Tollgate => "tollgate",
            Self::TollgateWithKeys => "tollgate, keys, quota",
            Self::Bare(Client::Legacy) => "hyper, legacy client",
            Self::Bare(Client::Pool) => "hyper, own pool",
        }
    }

    fn start(self, origin: SocketAddr, pin: bool) -> Process {
        match self {
            Self::Tollgate => Process::tollgate(origin, pin, Policy::None),
            Self::TollgateWithKeys => Process::tollgate(origin, pin, Policy::Keys),
            Self::Bare(client) => Process::bare(client, origin, pin),
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
            report::print(scenario, &samples);
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

/// One sample of each proxy, in the order of [`Proxy::ALL`].
fn one_round(
    options: &Options,
    scenario: Scenario,
    round: usize,
    origin: SocketAddr,
    pin: bool,
) -> [Sample; Proxy::ALL.len()] {
    let mut samples = [None; Proxy::ALL.len()];
    for turn in 0..Proxy::ALL.len() {
        let which = (round + turn) % Proxy::ALL.len();
        let proxy = Proxy::ALL[which];
        let process = proxy.start(origin, pin);
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
