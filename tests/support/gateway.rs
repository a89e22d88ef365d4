//! The real binary, with a configuration of the test's own.

use super::{Answer, CALLER, CREDENTIAL, Client, MARKER, Origin, client::Ask, http2::Http2, soon};
use serde_json::Value;
use std::{
    io::{BufRead as _, BufReader, Read as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};
use tokio::sync::Notify;
use tollgate::Catalog;

/// The binary under test.
pub const BINARY: &str = env!("CARGO_BIN_EXE_tollgate");

/// What configurations are called.
pub const FILE: &str = "tollgate.toml";

/// Callers with keys, and providers whose answers say how far the work is.
pub const TABLES: &str = r#"
[auth]
accept = ["bearer"]
[profile.mine]
extends = "generic"
work = { at = "/status", succeeded = "succeeded", failed = "failed" }
without = ["error_and_failed"]
"#;

/// A directory that goes when the test does.
#[derive(Debug)]
pub struct Directory(PathBuf);

impl Default for Directory {
    fn default() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("tollgate-test-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Directory {
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The URL of a store in here.
    pub fn store(&self) -> String {
        format!("sqlite://{}", self.0.join("tollgate.db").display())
    }

    pub fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// A new API key of the store in here.
    pub fn key(&self, arguments: &[&str]) -> String {
        let store = self.store();
        let create = ["keys", "create", "--store", &store, "--json"];
        let (code, out, error) = run(&[&create, arguments].concat(), &[]);
        assert_eq!(code, 0, "{arguments:?}: {error}");
        let made: Value = serde_json::from_str(&out).unwrap();
        made["key"].as_str().unwrap().to_owned()
    }

    /// Gives an account of the store in here money.
    pub fn pay_in(&self, account: &str, amount: &str) {
        let add = ["balance", "add", "--store", &self.store(), account, amount, "--open"];
        let (code, _, error) = run(&add, &[]);
        assert_eq!(code, 0, "{account} {amount}: {error}");
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A configuration in the making.
#[derive(Debug)]
pub struct Setup {
    preset: &'static str,
    server: String,
    tables: String,
    upstreams: String,
    routes: String,
    environment: Vec<(String, String)>,
    /// What must not come out, besides what never may.
    secrets: Vec<String>,
    directory: Directory,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            preset: "default",
            // One worker, so that connections to the provider can be counted.
            server: "listen = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\nvia = \"gate\"\n"
                .to_owned(),
            tables: String::new(),
            upstreams: String::new(),
            routes: String::new(),
            environment: vec![("PROVIDER_KEY".to_owned(), CREDENTIAL.to_owned())],
            secrets: Vec::new(),
            directory: Directory::default(),
        }
    }
}

impl Setup {
    pub fn preset(mut self, preset: &'static str) -> Self {
        self.preset = preset;
        self
    }

    /// Lines of `[server]`.
    pub fn server(mut self, lines: &str) -> Self {
        self.server.push_str(lines);
        self.server.push('\n');
        self
    }

    /// Tables, such as `[auth]`.
    pub fn tables(mut self, text: &str) -> Self {
        self.tables.push_str(text);
        self.tables.push('\n');
        self
    }

    /// What must not come out anywhere.
    pub fn secret(mut self, secret: &str) -> Self {
        self.secrets.push(secret.to_owned());
        self
    }

    /// An upstream, with lines of its table, and the gateway's credential there.
    pub fn upstream(self, name: &str, url: &str, lines: &str) -> Self {
        self.upstream_with(name, url, lines, "credential = { bearer = \"${PROVIDER_KEY}\" }")
    }

    /// An upstream, with lines of its table and of its endpoint's.
    pub fn upstream_with(mut self, name: &str, url: &str, lines: &str, endpoint: &str) -> Self {
        self.upstreams.push_str(&format!(
            "[upstream.{name}]\n{lines}\n[[upstream.{name}.endpoint]]\nurl = \"{url}\"\n{endpoint}\n"
        ));
        if let Some((_, rest)) = url.split_once("://") {
            let authority = rest.split('/').next().unwrap_or(rest);
            self.secrets.push(authority.to_owned());
        }
        self
    }

    /// An upstream of several endpoints, each with its name, its URL and lines of its own; asked in this order unless the lines
    /// say otherwise. The gateway has the same credential at all of them.
    pub fn pool(mut self, name: &str, lines: &str, endpoints: &[(&str, &str, &str)]) -> Self {
        self.upstreams.push_str(&format!("[upstream.{name}]\n{lines}\n"));
        for (endpoint, url, lines) in endpoints {
            self.upstreams.push_str(&format!(
                "[[upstream.{name}.endpoint]]\nname = \"{endpoint}\"\nurl = \"{url}\"\n\
                 credential = {{ bearer = \"${{PROVIDER_KEY}}\" }}\n{lines}\n"
            ));
            let (_, rest) = url.split_once("://").unwrap();
            self.secrets.push(rest.to_owned());
        }
        self
    }

    /// A route, with further lines.
    pub fn route(mut self, path: &str, upstream: &str, lines: &str) -> Self {
        self.routes.push_str(&format!(
            "[[route]]\npath = \"{path}\"\nupstream = \"{upstream}\"\n{lines}\n"
        ));
        self
    }

    /// Everything to this one, with lines for its table.
    pub fn all_to(self, url: &str, lines: &str) -> Self {
        self.upstream("provider", url, lines).route("/{*path}", "provider", "")
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn without_env(mut self) -> Self {
        self.environment.clear();
        self
    }

    /// A file beside the configuration.
    pub fn file(self, name: &str, text: &str) -> Self {
        self.directory.file(name, text);
        self
    }

    /// The configuration file.
    pub fn write(&self) -> PathBuf {
        self.directory.file(FILE, self.text())
    }

    /// What it says.
    pub fn text(&self) -> String {
        let workers = if self.server.contains("workers") { "" } else { "workers = 1\n" };
        format!(
            "[server]\n{workers}{}\n[catalog]\npreset = \"{}\"\n{}{}{}",
            self.server, self.preset, self.tables, self.upstreams, self.routes
        )
    }

    /// Starts the gateway, and returns when it listens.
    pub async fn start(self) -> Gateway {
        let file = self.write();
        let mut command = Command::new(BINARY);
        command
            .args(["serve", "--config"])
            .arg(file)
            .env_clear()
            .env("TOLLGATE_LOG", "trace")
            .envs(self.environment.clone());
        let catalog = Catalog::preset(self.preset).unwrap();
        let mut secrets = self.secrets;
        secrets.extend([MARKER, CREDENTIAL, CALLER].map(str::to_owned));
        Gateway::run(command, catalog, secrets, Some(self.directory)).await
    }
}

/// A gateway that runs. When it goes, its log and everything that it answered are searched for what must not be
/// there.
#[derive(Debug)]
pub struct Gateway {
    pub address: SocketAddr,
    pub admin: Option<SocketAddr>,
    pub catalog: Catalog,
    child: Child,
    log: Arc<Log>,
    reader: Option<JoinHandle<()>>,
    /// What clients have read.
    pub answers: Arc<Mutex<Vec<u8>>>,
    secrets: Vec<String>,
    directory: Option<Directory>,
}

#[derive(Debug, Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    changed: Notify,
}

impl Gateway {
    pub fn setup() -> Setup {
        Setup::default()
    }

    /// One of the shipped examples, with a store of its own in this directory.
    pub async fn example(
        name: &str,
        directory: Directory,
        environment: &[(&str, &str)],
        secrets: &[&str],
    ) -> Self {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
        let mut command = Command::new(BINARY);
        command
            .args(["serve", "--config"])
            .arg(&file)
            .env_clear()
            .env("TOLLGATE_LISTEN", "127.0.0.1:0")
            .env("TOLLGATE_ADMIN", "127.0.0.1:0")
            .env("TOLLGATE_STORE", directory.store())
            .env("TOLLGATE_LOG", "trace")
            .envs(environment.iter().copied());
        let catalog = Catalog::preset(name.trim_end_matches(".toml")).unwrap();
        let mut secrets: Vec<_> = secrets.iter().map(|secret| (*secret).to_owned()).collect();
        secrets.extend([MARKER, CREDENTIAL].map(str::to_owned));
        Self::run(command, catalog, secrets, Some(directory)).await
    }

    /// In front of one provider.
    pub async fn to(origin: &Origin) -> Self {
        Setup::default().all_to(&origin.url(), "").start().await
    }

    /// Runs a command that serves.
    pub async fn run(
        mut command: Command,
        catalog: Catalog,
        secrets: Vec<String>,
        directory: Option<Directory>,
    ) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (log, lines) = (Arc::<Log>::default(), child.stderr.take().unwrap());
        let shared = log.clone();
        let reader = thread::spawn(move || {
            for line in BufReader::new(lines).lines().map_while(Result::ok) {
                shared.lines.lock().unwrap().push(line);
                shared.changed.notify_waiters();
            }
            shared.changed.notify_waiters();
        });
        let mut gateway = Self {
            address: ([0, 0, 0, 0], 0).into(),
            admin: None,
            catalog,
            child,
            log,
            reader: Some(reader),
            answers: Arc::default(),
            secrets,
            directory,
        };
        let listening = gateway.logged(|line| line["message"] == "listening").await;
        let address = |name: &str| listening[name].as_str().map(|a| a.parse().unwrap());
        gateway.address = address("address").unwrap();
        gateway.admin = address("admin");
        gateway
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A connection for HTTP/1.
    pub async fn client(&self) -> Client {
        Client::connect(self.address, self.answers.clone()).await
    }

    /// A connection for HTTP/2.
    pub async fn http2(&self) -> Http2 {
        Http2::connect(self.address, self.answers.clone()).await
    }

    /// Sends a request on a connection of its own.
    ///
    /// # Errors
    ///
    /// With what happened, when there is no whole answer.
    pub async fn try_ask(&self, ask: Ask) -> Result<Answer, String> {
        ask.send(self.address, self.answers.clone()).await
    }

    /// Sends a request on a connection of its own.
    pub async fn ask(&self, ask: Ask) -> Answer {
        let asked = format!("{ask:?}");
        match self.try_ask(ask).await {
            Ok(answer) => answer,
            Err(error) => panic!("no whole answer to {asked}: {error}"),
        }
    }

    /// Sends these bytes on a connection of their own, and reads one answer.
    pub async fn raw(&self, bytes: impl AsRef<[u8]>) -> Answer {
        let method = String::from_utf8_lossy(bytes.as_ref()).into_owned();
        let method = method.split(' ').next().unwrap_or_default();
        let mut client = self.client().await;
        client.send(&bytes).await.answer(method).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.raw(format!("GET {path} HTTP/1.1\r\nhost: api.test\r\n\r\n")).await
    }

    /// Every line of the log so far.
    pub fn log(&self) -> Vec<Value> {
        let lines = self.log.lines.lock().unwrap();
        let parse = |line: &String| serde_json::from_str(line).ok();
        lines.iter().filter_map(parse).collect()
    }

    /// Everything on standard error so far.
    pub fn stderr(&self) -> String {
        self.log.lines.lock().unwrap().join("\n")
    }

    /// Waits for a line of the log.
    pub async fn logged(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let found = async {
            loop {
                let changed = self.log.changed.notified();
                if let Some(line) = self.log().into_iter().find(&wanted) {
                    return line;
                }
                assert!(
                    !self.reader.as_ref().is_some_and(JoinHandle::is_finished),
                    "the gateway has ended:\n{}",
                    self.stderr()
                );
                let _ = tokio::time::timeout(Duration::from_millis(50), changed).await;
            }
        };
        soon("a line in the log", found).await
    }

    /// The access log's line of a request.
    pub async fn request_line(&self, request_id: &str) -> Value {
        self.logged(|line| line["message"] == "request" && line["request_id"] == request_id).await
    }

    /// Where its configuration is, and what stands beside it.
    pub fn directory(&self) -> &Directory {
        self.directory.as_ref().unwrap()
    }

    /// Has it read this configuration in the place of its own; what it says became of that.
    pub async fn reload(&self, setup: &Setup) -> Value {
        self.directory().file(FILE, setup.text());
        self.reload_by(|| self.signal("HUP")).await
    }

    /// Waits for what becomes of the configuration after this.
    pub async fn reload_by(&self, cause: impl FnOnce()) -> Value {
        let reloads = || self.log().into_iter().filter(|line| line["why"].is_string());
        let before = reloads().count();
        cause();
        self.logged(|_| reloads().count() > before).await;
        reloads().next_back().unwrap()
    }

    /// Sends a signal, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.pid().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// Stops the process until it gets the signal `CONT`. A signal is on its way for a while: waits until every thread stands still.
    pub async fn stop(&self) {
        self.signal("STOP");
        let stands_still = |thread: std::io::Result<std::fs::DirEntry>| {
            let stat = std::fs::read_to_string(thread.unwrap().path().join("stat")).unwrap();
            // `PID (NAME) STATE …`; a name may have anything in it.
            stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
        };
        soon("standstill", async {
            while !std::fs::read_dir(format!("/proc/{}/task", self.pid()))
                .unwrap()
                .all(stands_still)
            {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    }

    /// Waits for the process to end by itself.
    pub async fn exited(&mut self) -> ExitStatus {
        soon("the end of the process", async {
            loop {
                if let Some(status) = self.child.try_wait().unwrap() {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
    }

    /// Of `/proc/PID/status`, in KiB.
    pub fn memory(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// A page of the admin listener.
    pub async fn page(&self, path: &str) -> Value {
        let answer = self.ask_admin(path).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        serde_json::from_slice(&answer.body).unwrap()
    }

    /// The state of an endpoint of an upstream, as the admin listener tells it.
    pub async fn endpoint_state(&self, upstream: &str, endpoint: &str) -> String {
        let page = self.page("/endpoints").await;
        let upstreams = page["upstreams"].as_array().unwrap();
        let upstream = upstreams.iter().find(|u| u["upstream"] == upstream).unwrap();
        let endpoints = upstream["endpoints"].as_array().unwrap();
        let endpoint = endpoints.iter().find(|e| e["endpoint"] == endpoint).unwrap();
        endpoint["state"].as_str().unwrap().to_owned()
    }

    /// Waits until an endpoint is in this state.
    pub async fn until_endpoint_is(&self, upstream: &str, endpoint: &str, state: &str) {
        soon(&format!("{endpoint} is {state}"), async {
            while self.endpoint_state(upstream, endpoint).await != state {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    /// Asks the admin listener. What it tells is searched for secrets too.
    pub async fn ask_admin(&self, path: &str) -> Answer {
        let mut client = Client::connect(self.admin.unwrap(), self.answers.clone()).await;
        let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        client.send(request).await.answer("GET").await
    }

    /// The same; the status.
    pub async fn probe(&self, path: &str) -> u16 {
        self.ask_admin(path).await.status
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        if thread::panicking() {
            eprintln!("the gateway's log:\n{}", tail(&self.stderr()));
            return;
        }
        let stderr = self.stderr();
        assert!(!stderr.contains("panicked"), "{stderr}");
        let answers = self.answers.lock().unwrap();
        let answers = String::from_utf8_lossy(&answers);
        for secret in &self.secrets {
            for (what, text) in [("the log", &*stderr), ("an answer", &*answers)] {
                if let Some(at) = text.find(secret.as_str()) {
                    let near: String = text[..at].chars().rev().take(200).collect();
                    let near: String = near.chars().rev().collect();
                    panic!("{secret} in {what}, after: {near}");
                }
            }
        }
    }
}

/// The end of a long text.
fn tail(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

/// Runs a command of the binary to its end: exit code, standard output, standard error.
pub fn run(arguments: &[&str], environment: &[(&str, &str)]) -> (i32, String, String) {
    let mut child = Command::new(BINARY)
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut error = child.stderr.take().unwrap();
    let error = thread::spawn(move || {
        let mut text = String::new();
        error.read_to_string(&mut text).unwrap();
        text
    });
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    let code = child.wait().unwrap().code().unwrap_or(-1);
    (code, out, error.join().unwrap())
}
