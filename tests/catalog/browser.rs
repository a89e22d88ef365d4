//! A headless Chromium, driven over the DevTools protocol: JSON with a NUL behind each message, over two pipes.

use super::support::gateway::Directory;
use serde_json::{Value, json};
use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(20);

/// Descriptors 3 and 4 are where Chromium reads and writes the protocol. It runs as root in some places, where it has no
/// sandbox; the pages are our own.
const START: &str = "exec chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --disable-quic --no-first-run \
    --disable-background-networking --disable-component-update --disable-sync --disable-back-forward-cache --renderer-process-limit=1 --disable-features=ProactivelySwapBrowsingInstance,SpareRendererForSitePerProcess --remote-debugging-pipe \
    --user-data-dir=\"$1\" 3<&0 4>&1 </dev/null >/dev/null 2>&1";

/// One tab. Everything that it asks for and complains about is kept.
pub(super) struct Browser {
    process: Child,
    input: Option<ChildStdin>,
    messages: Receiver<Value>,
    session: Option<String>,
    last_id: u64,
    events: Vec<Value>,
    _profile: Directory,
}

impl Browser {
    pub(super) fn start() -> Self {
        let profile = Directory::default();
        let found =
            Command::new("sh").args(["-c", "command -v chromium"]).stdout(Stdio::null()).status();
        assert!(found.unwrap().success(), "there is no chromium here; tests/all installs it");
        let mut process = Command::new("sh")
            .args(["-c", START, "sh"])
            .arg(profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (process.stdin.take(), process.stdout.take().unwrap());
        let (sender, messages) = mpsc::channel();
        thread::spawn(move || {
            for message in BufReader::new(output).split(0).map_while(Result::ok) {
                let message = serde_json::from_slice(&message).expect("JSON");
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        let (session, events) = (None, Vec::new());
        let mut browser =
            Self { process, input, messages, session, last_id: 0, events, _profile: profile };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = browser.call("Target.attachToTarget", attach);
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Network", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Calls a method of the protocol.
    pub(super) fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.last_id += 1;
        let id = self.last_id;
        let mut message = json!({ "id": id, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.input.as_mut().unwrap().write_all(&bytes).unwrap();
        loop {
            let mut message = self.receive(method);
            if message["id"] == id {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].take();
            }
            self.events.push(message);
        }
    }

    fn receive(&self, what: &str) -> Value {
        self.messages.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{what}: {error}"))
    }

    /// Opens a page anew, and returns when it has loaded.
    pub(super) fn open(&mut self, url: &str) {
        // Another fragment of the same page would not be loaded.
        self.navigate("about:blank");
        self.navigate(url);
    }

    /// As a link does it: another fragment of the same page is only a jump.
    pub(super) fn navigate(&mut self, url: &str) {
        let loaded = |event: &Value| event["method"] == "Page.loadEventFired";
        let before = self.events.iter().filter(|event| loaded(event)).count();
        let answer = self.call("Page.navigate", json!({ "url": url }));
        assert!(answer["errorText"].is_null(), "{url}: {answer}");
        if answer["loaderId"].is_null() {
            return;
        }
        while self.events.iter().filter(|event| loaded(event)).count() == before {
            let event = self.receive(url);
            self.events.push(event);
        }
    }

    /// What an expression comes to in the page.
    pub(super) fn evaluate(&mut self, expression: &str) -> Value {
        let parameters =
            json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let mut answer = self.call("Runtime.evaluate", parameters);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].take()
    }

    /// Waits until it comes to this.
    pub(super) fn until(&mut self, expression: &str, want: &Value) {
        let began = Instant::now();
        loop {
            let found = self.evaluate(expression);
            if found == *want {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{expression}: {found}, and not {want}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Of this size, and in light or dark.
    pub(super) fn view(&mut self, (width, height): (u32, u32), scheme: &str) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500 });
        self.call("Emulation.setDeviceMetricsOverride", size);
        let scheme = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.call("Emulation.setEmulatedMedia", scheme);
    }

    /// Types into what has the focus.
    pub(super) fn write(&mut self, text: &str) {
        self.call("Input.insertText", json!({ "text": text }));
    }

    /// Presses a key that types nothing, or a line's end.
    pub(super) fn press(&mut self, key: &str, code: u32) {
        let text = if key == "Enter" { "\r" } else { "" };
        for (kind, text) in [("keyDown", text), ("keyUp", "")] {
            let event =
                json!({ "type": kind, "key": key, "windowsVirtualKeyCode": code, "text": text });
            self.call("Input.dispatchKeyEvent", event);
        }
    }

    /// What was asked for of others than `origin` since the last time, and every complaint: of the policy, of scripts, of
    /// loading.
    pub(super) fn complaints(&mut self, origin: &str) -> Vec<Value> {
        // Whatever was on its way is here when this is answered.
        self.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))");
        let complaint = |event: &Value| match event["method"].as_str().unwrap_or_default() {
            "Network.requestWillBeSent" => {
                let url = event["params"]["request"]["url"].as_str().unwrap_or_default();
                !url.starts_with(&format!("{origin}/")) && url != "about:blank" && url != "data:,"
            }
            "Log.entryAdded" | "Runtime.exceptionThrown" | "Runtime.consoleAPICalled" => true,
            _ => false,
        };
        std::mem::take(&mut self.events).into_iter().filter(complaint).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Without anybody at the other end of the pipe it goes, and takes its own processes along.
        self.input.take();
        for _ in 0..100 {
            if self.process.try_wait().is_ok_and(|ended| ended.is_some()) {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
