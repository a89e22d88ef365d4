//! Processes: started, pinned, found, measured, ended.

use super::{bare::Client, load::Orders, setup};
use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write},
    net::SocketAddr,
    path::Path,
    process::{Child, ChildStderr, ChildStdout, Command, Stdio},
    thread,
    time::Duration,
};

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
    /// Where tollgate is asked how it is.
    pub(super) admin: Option<SocketAddr>,
    /// Held open: who writes to a closed pipe fails.
    _output: Output,
}

enum Output {
    Out(#[expect(dead_code, reason = "held open")] BufReader<ChildStdout>),
    Err(#[expect(dead_code, reason = "held open")] BufReader<ChildStderr>),
    File,
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
        Self { child, address, admin: None, _output: Output::Out(output) }
    }

    /// tollgate with the configuration in this file, which says where it listens in its log.
    pub(super) fn tollgate(binary: &Path, file: &Path, pin: bool) -> Self {
        let mut command = of_tollgate(binary, file, pin);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains(LISTENING) {
            line.clear();
            if log.read_line(&mut line).unwrap() == 0 {
                panic!("tollgate does not start; try `tollgate check {}`", file.display());
            }
        }
        let (address, admin) = addresses(&line);
        Self { child, address, admin, _output: Output::Err(log) }
    }

    /// The same with a log that is worth writing down: nobody on another core has to read it.
    pub(super) fn tollgate_with_log(binary: &Path, file: &Path, pin: bool) -> Self {
        let log = setup::file("log");
        let mut command = of_tollgate(binary, file, pin);
        let mut child = command.stderr(File::create(&log).unwrap()).spawn().unwrap();
        loop {
            let text = fs::read_to_string(&log).unwrap();
            let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
            if let Some(line) = whole.into_iter().find(|line| line.contains(LISTENING)) {
                let (address, admin) = addresses(line);
                return Self { child, address, admin, _output: Output::File };
            }
            assert!(child.try_wait().unwrap().is_none(), "tollgate does not start: {text}");
            thread::sleep(Duration::from_millis(1));
        }
    }
}

const LISTENING: &str = r#""message":"listening""#;

fn of_tollgate(binary: &Path, file: &Path, pin: bool) -> Command {
    let mut command = on(Core::Proxy, pin, binary.to_str().unwrap());
    command.args(["serve", "--config"]).arg(file);
    for variable in ["TOLLGATE_LISTEN", "TOLLGATE_ADMIN", "TOLLGATE_STORE"] {
        command.env_remove(variable);
    }
    command.env("TOLLGATE_LOG", "info");
    command
}

/// Where it listens, for clients and for whoever looks after it.
fn addresses(line: &str) -> (SocketAddr, Option<SocketAddr>) {
    let event: serde_json::Value = serde_json::from_str(line).unwrap();
    let address = |name: &str| event[name].as_str().map(|address| address.parse().unwrap());
    (address("address").unwrap(), address("admin"))
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

/// Resident memory of a process, in KiB.
pub(super) fn resident(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
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
