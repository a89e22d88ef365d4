//! Processes: started, pinned, found, measured, ended.

use super::{
    bare::Client,
    load::Orders,
    scenario::{KEYS, key},
};
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, ChildStderr, ChildStdout, Command, Stdio},
};
use tollgate::auth::{ApiKey, KeyDigest};

/// Where things run. Load and origin share a core, so that the proxy has one of its own.
#[derive(Clone, Copy)]
pub(super) enum Core {
    Proxy,
    Others,
}

/// Whether processes can be bound to cores.
pub(super) fn can_pin() -> bool {
    let pinned = |core| {
        Command::new("taskset")
            .args(["-c", core, "true"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    pinned("0") && pinned("1")
}

/// A process that ends when this goes.
pub(super) struct Process {
    child: Child,
    pub(super) address: SocketAddr,
    /// Held open: who writes to a closed pipe fails.
    _output: Output,
}

enum Output {
    Out(#[expect(dead_code, reason = "held open")] BufReader<ChildStdout>),
    Err(#[expect(dead_code, reason = "held open")] BufReader<ChildStderr>),
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn origin(pin: bool) -> Self {
        Self::of_ours(on(Core::Others, pin, &myself()).args(["--role", "origin"]))
    }

    pub(super) fn bare(client: Client, origin: SocketAddr, pin: bool) -> Self {
        let origin = origin.to_string();
        let client = client.to_string();
        Self::of_ours(on(Core::Proxy, pin, &myself()).args(["--role", "bare", &client, &origin]))
    }

    /// One of this program's roles, which says where it listens on standard output.
    fn of_ours(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let address = line.trim().parse().expect("it did not say where it listens");
        let output = Output::Out(output);
        Self { child, address, _output: output }
    }

    /// tollgate with the configuration of this policy, which says where it listens in its log.
    pub(super) fn tollgate(origin: SocketAddr, pin: bool, policy: Policy) -> Self {
        let file = configuration(origin, policy);
        let mut child = on(Core::Proxy, pin, env!("CARGO_BIN_EXE_tollgate"))
            .args(["serve", "--config"])
            .arg(&file)
            .env_remove("TOLLGATE_LISTEN")
            .env_remove("TOLLGATE_ADMIN")
            .env_remove("TOLLGATE_STORE")
            .env("TOLLGATE_LOG", "info")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while line.is_empty() || !line.contains(r#""message":"listening""#) {
            line.clear();
            if log.read_line(&mut line).unwrap() == 0 {
                panic!("tollgate does not start; try `tollgate check {}`", file.display());
            }
        }
        let event: serde_json::Value = serde_json::from_str(&line).unwrap();
        let address = event["address"].as_str().unwrap().parse().unwrap();
        let output = Output::Err(log);
        Self { child, address, _output: output }
    }
}

/// What the load has seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) answers: u64,
    pub(super) errors: u64,
    /// Microseconds.
    pub(super) elapsed: u64,
    pub(super) ticks: u64,
}

/// Runs the load to its end.
pub(super) fn load(orders: &Orders, pin: bool) -> Seen {
    let mut child = on(Core::Others, pin, &myself())
        .args(["--role", "load"])
        .arg(orders.proxy.to_string())
        .arg(orders.pid.to_string())
        .arg(orders.scenario.to_string())
        .arg(orders.connections.to_string())
        .arg(orders.seconds.as_secs_f64().to_string())
        .arg(orders.at_most.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut output = child.stdout.take().unwrap();
    output.read_to_string(&mut said).unwrap();
    assert!(child.wait().unwrap().success(), "the load failed");
    let numbers: Vec<u64> = said.split_whitespace().map(|number| number.parse().unwrap()).collect();
    let [answers, errors, elapsed, ticks] = numbers[..] else {
        panic!("the load said {said:?}");
    };
    Seen { answers, errors, elapsed, ticks }
}

/// Tells the process that started this one where it listens.
pub(super) fn announce(address: SocketAddr) {
    println!("{address}");
    std::io::stdout().flush().unwrap();
}

/// User and system time of all threads of a process, those that have ended too, in ticks of 10 ms
/// (proc_pid_stat(5), fields 14 and 15; a tick to user space is 1/100 s on every Linux).
pub(super) fn cpu_ticks(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, field 2, is in parentheses and may have anything in it.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

fn myself() -> String {
    let path = std::env::current_exe().unwrap();
    path.to_str().unwrap().to_owned()
}

fn on(core: Core, pin: bool, program: &str) -> Command {
    if !pin {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    let core = match core {
        Core::Proxy => "0",
        Core::Others => "1",
    };
    command.args(["-c", core, program]);
    command
}

/// What tollgate asks of its callers.
#[derive(Clone, Copy)]
pub(super) enum Policy {
    None,
    Keys,
}

/// The configuration of the comparison, on ports that are free.
fn configuration(origin: SocketAddr, policy: Policy) -> PathBuf {
    let (name, template) = match policy {
        Policy::None => ("plain", include_str!("../product.plain.toml")),
        Policy::Keys => ("policy", include_str!("../product.policy.toml")),
    };
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let keys = directory.join(format!("end_to_end-{}.sha256", std::process::id()));
    let digests = (0..KEYS).map(|caller| {
        let key = ApiKey::parse(&key(caller)).unwrap();
        format!("{}\n", KeyDigest::of(&key))
    });
    fs::write(&keys, digests.collect::<String>()).unwrap();
    let filled = template
        .replace("{keys_sha256_file}", keys.to_str().unwrap())
        .replace("{rate}", "1000000")
        .replace("{port}", "0")
        .replace("{admin_port}", "0")
        .replace("{origin_port}", &origin.port().to_string())
        .replace("{workers}", "1");
    let path = directory.join(format!("end_to_end-{name}-{}.toml", std::process::id()));
    fs::write(&path, filled).unwrap();
    path
}
