//! A real PostgreSQL, started by the test that needs it, in a directory of its own.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "each test binary uses a part of it, and a test may panic"
)]

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, TcpListener},
    os::unix::{fs::chown, process::ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{
        Arc, Condvar, Mutex, PoisonError, Weak,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

/// The password of the users `tollgate` and `scram`.
pub const PASSWORD: &str = "s3cret-pg-5d1e";

/// Who logs in how: `postgres` may do anything without a password.
const HBA: &str = "\
local all all trust
host all postgres 127.0.0.1/32 trust
host all scram 127.0.0.1/32 scram-sha-256
hostssl all tls 127.0.0.1/32 trust
host all tls 127.0.0.1/32 reject
host all all 127.0.0.1/32 password
";

pub struct PostgresServer {
    cluster: Arc<Cluster>,
    directory: PathBuf,
    port: u16,
    settings: Vec<String>,
    child: Option<Child>,
    log: Arc<Log>,
}

/// What initdb makes once for all servers of a test program.
struct Cluster {
    binaries: PathBuf,
    /// Whom the server runs as where root runs the tests: it refuses to be root.
    user: Option<(u32, u32)>,
    directory: PathBuf,
}

/// What a server has said.
#[derive(Default)]
struct Log {
    text: Mutex<(String, bool)>,
    changed: Condvar,
}

/// An open session of psql.
pub struct Psql {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
}

fn number() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

fn succeed(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert!(status.success(), "{command:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

impl Cluster {
    fn get() -> Arc<Self> {
        static CLUSTER: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
        let mut cluster = CLUSTER.lock().unwrap_or_else(PoisonError::into_inner);
        cluster.upgrade().unwrap_or_else(|| {
            let made = Arc::new(Self::new());
            *cluster = Arc::downgrade(&made);
            made
        })
    }

    fn new() -> Self {
        let name = format!("tollgate-postgres-{}-{}", std::process::id(), number());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir_all(&directory).unwrap();
        let cluster = Self { binaries: binaries(), user: user(), directory };
        cluster.give_away(&cluster.directory);
        let data = cluster.directory.join("initial");
        succeed(
            cluster
                .command("initdb")
                .args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"])
                .args(["--no-sync", "--pgdata"])
                .arg(&data),
        );
        fs::write(data.join("pg_hba.conf"), HBA).unwrap();
        let mut roles = cluster
            .command("postgres")
            .args(["--single", "-D"])
            .arg(&data)
            .arg("postgres")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut sql = roles.stdin.take().unwrap();
        for role in ["tollgate", "scram", "tls"] {
            writeln!(sql, "CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'").unwrap();
        }
        drop(sql);
        assert!(roles.wait().unwrap().success());
        cluster
    }

    /// A program of PostgreSQL's, as a user that it accepts.
    fn command(&self, program: &str) -> Command {
        let program = self.binaries.join(program);
        let mut command = match self.user {
            None => Command::new(program),
            Some((user, group)) => {
                let mut command = Command::new("setpriv");
                command.args([format!("--reuid={user}"), format!("--regid={group}")]);
                command.arg("--clear-groups").arg("--").arg(program);
                command
            }
        };
        command.current_dir(&self.directory).env("LC_ALL", "C").env_remove("PGOPTIONS");
        command
    }

    /// To whom the server runs as.
    fn give_away(&self, path: &Path) {
        if let Some((user, group)) = self.user {
            chown(path, Some(user), Some(group)).unwrap();
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Where PostgreSQL's programs are: on the path, or where Debian puts them, the newest first.
fn binaries() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut debian: Vec<_> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .map(|version| version.unwrap().path())
        .collect();
    debian.sort_by_key(|path| {
        let version = path.file_name().and_then(|name| name.to_str());
        std::cmp::Reverse(version.and_then(|version| version.parse::<u32>().ok()))
    });
    std::env::split_paths(&path)
        .chain(debian.into_iter().map(|version| version.join("bin")))
        .map(|directory| directory.join("postgres"))
        .filter(|program| program.is_file())
        // What is on the path may be a link to where the others are.
        .filter_map(|program| Some(fs::canonicalize(program).ok()?.parent()?.to_owned()))
        .find(|directory| ["initdb", "psql"].iter().all(|name| directory.join(name).is_file()))
        .expect("these tests need PostgreSQL (package postgresql)")
}

/// None if this is not root.
fn user() -> Option<(u32, u32)> {
    let id = |arguments: &[&str]| -> Option<u32> {
        let output = Command::new("id").args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse().ok()
    };
    if id(&["-u"]) != Some(0) {
        return None;
    }
    let of = |user| Some((id(&["-u", user])?, id(&["-g", user])?));
    Some(of("postgres").or_else(|| of("nobody")).expect("a user who is not root"))
}

/// A port that the kernel does not give to anybody who asks for any, so that a server finds it again.
fn free_port() -> u16 {
    loop {
        let port = fastrand::u16(15_000..32_000);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

impl PostgresServer {
    /// Starts a server with these settings, such as `max_connections=5`.
    pub fn start(settings: &[&str]) -> Self {
        let cluster = Cluster::get();
        let directory = cluster.directory.join(format!("s{}", number()));
        fs::create_dir(&directory).unwrap();
        cluster.give_away(&directory);
        let initial = cluster.directory.join("initial");
        let data = directory.join("data");
        succeed(Command::new("cp").arg("-a").args([&initial, &data]));
        let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        let log = Arc::default();
        let mut server = Self { cluster, directory, port: 0, settings, child: None, log };
        // Somebody may take the port before the server does.
        while server.port == 0 || !server.try_restart() {
            server.port = free_port();
        }
        server
    }

    /// The one that tests share who do nothing to it: each of them has a database of its own.
    pub fn shared() -> Arc<Self> {
        static SERVER: Mutex<Weak<PostgresServer>> = Mutex::new(Weak::new());
        let mut server = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
        server.upgrade().unwrap_or_else(|| {
            let started = Arc::new(Self::start(&["max_connections=200"]));
            *server = Arc::downgrade(&started);
            started
        })
    }

    /// Has this setting when it is started again.
    pub fn set(&mut self, setting: &str) {
        self.settings.push(setting.to_owned());
    }

    /// Starts it again, on the same port, and waits until it accepts connections.
    pub fn restart(&mut self) {
        while !self.try_restart() {}
    }

    /// `false` if somebody has its port.
    fn try_restart(&mut self) -> bool {
        let mut command = self.cluster.command("postgres");
        command.arg("-D").arg(self.directory.join("data")).args(["-p", &self.port.to_string()]);
        let sockets = format!("unix_socket_directories={}", self.directory.display());
        for setting in ["listen_addresses=127.0.0.1", &sockets, "fsync=off", "lc_messages=C"] {
            command.args(["-c", setting]);
        }
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stderr.take().unwrap());
        self.log = Arc::default();
        let log = self.log.clone();
        thread::spawn(move || log.read(output));
        self.child = Some(child);
        if self.log.wait_for("ready to accept connections") {
            return true;
        }
        self.child.take().unwrap().wait().unwrap();
        let said = self.log.text();
        assert!(said.contains("Address already in use"), "PostgreSQL does not start: {said}");
        false
    }

    /// Everything that it has said since it was started.
    pub fn log(&self) -> String {
        self.log.text()
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The directory of its socket, and of files that it is to read.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Writes a file that only the server can read.
    pub fn file(&self, name: &str, contents: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.directory.join(name);
        fs::write(&path, contents).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        self.cluster.give_away(&path);
        path
    }

    /// Makes a database of the user `tollgate`, and says its name.
    pub fn database(&self) -> String {
        let name = format!("db{}", number());
        self.sql("postgres", &format!("CREATE DATABASE {name} OWNER tollgate"));
        name
    }

    /// Its owner's URL.
    pub fn url(&self, database: &str) -> String {
        self.url_of(&format!("tollgate:{PASSWORD}"), database)
    }

    pub fn url_of(&self, login: &str, database: &str) -> String {
        format!("postgres://{login}@127.0.0.1:{}/{database}", self.port)
    }

    fn psql(&self, database: &str) -> Command {
        let mut command = self.cluster.command("psql");
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h"]).arg(&self.directory);
        command.args(["-p", &self.port.to_string(), "-U", "postgres", "-d", database]);
        command.env("PGCONNECT_TIMEOUT", "20");
        command
    }

    /// Runs statements as the superuser, and says what they say.
    pub fn sql(&self, database: &str, statements: &str) -> String {
        succeed(self.psql(database).args(["-c", statements])).trim_end().to_owned()
    }

    /// The same, or what is wrong with them.
    pub fn try_sql(&self, database: &str, statements: &str) -> Result<String, String> {
        let Output { status, stdout, stderr } =
            self.psql(database).args(["-c", statements]).output().unwrap();
        match status.success() {
            true => Ok(String::from_utf8(stdout).unwrap().trim_end().to_owned()),
            false => Err(String::from_utf8_lossy(&stderr).into_owned()),
        }
    }

    /// A session that lasts.
    pub fn session(&self, database: &str) -> Psql {
        let mut command = self.psql(database);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Psql { child, output }
    }

    /// Ends it in an orderly way: connections are closed, and it says so.
    pub fn stop(&mut self) {
        self.end("-INT");
    }

    /// Ends it as a power failure would.
    pub fn kill(&mut self) {
        self.end("-QUIT");
    }

    fn end(&mut self, signal: &str) {
        if let Some(mut child) = self.child.take() {
            send(signal, &[child.id()]);
            child.wait().unwrap();
        }
    }

    /// It lives, and does nothing: neither the server nor any process of a connection.
    pub fn pause(&self) {
        // The first one makes no more of them.
        let server = self.child.as_ref().unwrap().id();
        send("-STOP", &[server]);
        send("-STOP", &children(server));
    }

    pub fn resume(&self) {
        let server = self.child.as_ref().unwrap().id();
        send("-CONT", &children(server));
        send("-CONT", &[server]);
    }
}

/// Those that have ended meanwhile do not count.
fn send(signal: &str, processes: &[u32]) {
    for process in processes {
        let _ = Command::new("kill").args([signal, &process.to_string()]).output().unwrap();
    }
}

fn children(process: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap();
    text.split_whitespace().map(|id| id.parse().unwrap()).collect()
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.resume();
        }
        self.kill();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

impl Log {
    fn read(&self, mut output: impl BufRead) {
        let mut line = Vec::new();
        while output.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            self.text.lock().unwrap().0.push_str(&String::from_utf8_lossy(&line));
            self.changed.notify_all();
            line.clear();
        }
        self.text.lock().unwrap().1 = true;
        self.changed.notify_all();
    }

    /// `false` if it ends without having said that.
    fn wait_for(&self, wanted: &str) -> bool {
        let text = self.text.lock().unwrap();
        let said = self.changed.wait_while(text, |(text, over)| !text.contains(wanted) && !*over);
        said.unwrap().0.contains(wanted)
    }

    fn text(&self) -> String {
        self.text.lock().unwrap().0.clone()
    }
}

impl Psql {
    /// Runs statements, and waits until they are done.
    pub fn run(&mut self, statements: &str) {
        let input = self.child.stdin.as_mut().unwrap();
        writeln!(input, "{statements};\n\\echo done").unwrap();
        let mut line = String::new();
        while line.trim_end() != "done" {
            line.clear();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "psql ended: {statements}");
        }
    }
}

impl Drop for Psql {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let ended = self.child.wait().unwrap();
        assert!(ended.signal().is_none(), "{ended}");
    }
}
