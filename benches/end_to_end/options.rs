use super::{bare::Client, load::Orders, scenario::Scenario};
use std::{net::SocketAddr, path::PathBuf, str::FromStr, time::Duration};

/// What this process is to do.
pub(super) enum Command {
    Measure(Options),
    /// Starts alone.
    Start(Options),
    Play(Role),
    /// Asked for a list of tests, of which there are none.
    Nothing,
}

/// A part in the measurement.
pub(super) enum Role {
    Origin,
    Bare { client: Client, origin: SocketAddr },
    Load(Orders),
}

/// How to measure.
pub(super) struct Options {
    pub(super) rounds: usize,
    pub(super) seconds: Duration,
    pub(super) connections: usize,
    pub(super) scenarios: Vec<Scenario>,
    /// No measurement: so many requests to each proxy, and an end.
    pub(super) smoke: Option<u64>,
    /// The tollgate that is measured.
    pub(super) product: PathBuf,
    /// Another one, to be compared with it.
    pub(super) beside: Option<PathBuf>,
    /// What a process may take of memory before anything is asked of it.
    pub(super) max_idle_mib: Option<f64>,
}

const USAGE: &str = "usage: cargo bench --bench end_to_end -- \
    [--rounds N] [--seconds S] [--connections N] [--scenario get|post] [--product BINARY] [--beside BINARY]\n       \
    cargo bench --bench end_to_end -- --start [--rounds N] [--product BINARY] [--max-idle-mib N]";

/// Understands the command line: ours, and what cargo and test runners add to it.
pub(super) fn parse(args: impl Iterator<Item = String>) -> Result<Command, String> {
    let mut options = Options {
        rounds: 20,
        seconds: Duration::from_secs(1),
        connections: 64,
        scenarios: Vec::new(),
        smoke: None,
        product: env!("CARGO_BIN_EXE_tollgate").into(),
        beside: None,
        max_idle_mib: None,
    };
    let (mut bench, mut test, mut start) = (false, false, false);
    let mut args = args.peekable();
    if args.next_if(|arg| arg == "--role").is_some() {
        return role(args).map(Command::Play);
    }
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--bench" => bench = true,
            "--test" => test = true,
            "--list" => return Ok(Command::Nothing),
            "--rounds" => options.rounds = value(&arg, args.next())?,
            "--seconds" => options.seconds = seconds(&arg, args.next())?,
            "--connections" => options.connections = value(&arg, args.next())?,
            "--start" => start = true,
            "--product" => options.product = value(&arg, args.next())?,
            "--beside" => options.beside = Some(value(&arg, args.next())?),
            "--max-idle-mib" => options.max_idle_mib = Some(value(&arg, args.next())?),
            "--scenario" => options.scenarios.push(value(&arg, args.next())?),
            _ => return Err(format!("{arg} is not understood\n{USAGE}")),
        }
    }
    if options.rounds == 0 || options.connections == 0 || options.seconds.is_zero() {
        return Err(format!("nothing would be measured\n{USAGE}"));
    }
    if start {
        return Ok(Command::Start(options));
    }
    if options.scenarios.is_empty() {
        options.scenarios.extend(Scenario::ALL);
    }
    if test || !bench {
        options.rounds = 1;
        options.connections = 4;
        options.smoke = Some(50);
    }
    Ok(Command::Measure(options))
}

/// The arguments of a part, as `process` gives them.
fn role(mut args: impl Iterator<Item = String>) -> Result<Role, String> {
    let mut next = |what: &str| value::<String>(what, args.next());
    match next("--role")?.as_str() {
        "origin" => Ok(Role::Origin),
        "bare" => Ok(Role::Bare {
            client: next("client")?.parse()?,
            origin: value("origin", Some(next("origin")?))?,
        }),
        "load" => Ok(Role::Load(Orders {
            proxy: value("proxy", Some(next("proxy")?))?,
            pid: value("pid", Some(next("pid")?))?,
            scenario: next("scenario")?.parse()?,
            connections: value("connections", Some(next("connections")?))?,
            seconds: seconds("seconds", Some(next("seconds")?))?,
            at_most: value("at_most", Some(next("at_most")?))?,
        })),
        other => Err(format!("there is no role {other}")),
    }
}

fn value<T: FromStr>(name: &str, text: Option<String>) -> Result<T, String> {
    let text = text.ok_or_else(|| format!("{name} needs a value\n{USAGE}"))?;
    text.parse().map_err(|_| format!("{name}: {text} is not understood\n{USAGE}"))
}

fn seconds(name: &str, text: Option<String>) -> Result<Duration, String> {
    let seconds = value(name, text)?;
    Duration::try_from_secs_f64(seconds).map_err(|error| format!("{name}: {error}"))
}
