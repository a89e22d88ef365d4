//! `tollgate demo`: every command that it prints, run as printed, gives what is printed beside it.
#![cfg(feature = "standalone")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Output, Stdio},
};

/// A running demo; it ends with the test.
struct Demo {
    process: Child,
    guide: Vec<String>,
}

impl Demo {
    fn start() -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_tollgate"))
            .args(["demo", "--listen", "127.0.0.1:0"])
            .env_clear()
            .env("TOLLGATE_LOG", "warn")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        let lines = stdout.lines().map(Result::unwrap);
        let guide = lines.take_while(|line| !line.starts_with("Ctrl-C")).collect();
        Self { process, guide }
    }

    /// The commands, each with what it is said to answer.
    fn commands(&self) -> impl Iterator<Item = (&str, &str)> {
        self.guide.windows(2).filter(|pair| pair[0].starts_with("curl ")).map(|pair| {
            let promise = pair[1].trim().strip_prefix("→ ").expect("a promise below each command");
            (&*pair[0], promise)
        })
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs a command as a person would, in a shell.
fn paste(command: &str) -> Output {
    Command::new("sh").args(["-c", &format!("{command} --max-time 30")]).output().unwrap()
}

/// Whether the output keeps the promise, and if not, why.
fn check(promise: &str, output: &Output) -> Result<(), String> {
    let text = String::from_utf8_lossy(&output.stdout);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).ok_or("no answer at all")?;
    match promise.split_once(' ').unwrap_or((promise, "")) {
        ("limited:", _) => {
            let statuses: Vec<_> = text.split_whitespace().collect();
            let of = |status: &str| statuses.iter().filter(|s| **s == status).count();
            // There is no task of this id, which is an answer too.
            let (passed, limited) = (of("404"), of("429"));
            let right = passed >= 100 && limited > 0 && passed + limited == 500;
            right.then_some(()).ok_or_else(|| format!("{passed} passed, {limited} limited"))
        }
        ("passes:", what) => {
            let want = if what.starts_with("302") { "302" } else { "200" };
            let whole = output.status.success() && status == want;
            whole.then_some(()).ok_or_else(|| format!("{} {status}", output.status))
        }
        ("event:", what) => {
            let code = what.split(',').next().unwrap_or_default();
            let last = body.trim_end().rsplit("\n\n").next().unwrap_or_default();
            let envelope = last.strip_prefix("event: error\ndata: ").ok_or(body)?;
            let envelope: serde_json::Value =
                serde_json::from_str(envelope).map_err(|e| e.to_string())?;
            // The transfer itself is whole.
            let right =
                output.status.success() && status == "200" && envelope["error"]["code"] == code;
            right.then_some(()).ok_or_else(|| format!("{} {status} {envelope}", output.status))
        }
        (want, code) => {
            let body: serde_json::Value = serde_json::from_str(body).map_err(|e| e.to_string())?;
            if status != want || body["error"]["code"] != code || !body["data"].is_null() {
                return Err(format!("{status} {body}"));
            }
            let leaked = ["LEAK-MARKER", "provider.internal.example", "demo-provider-key"];
            match leaked.iter().find(|word| text.contains(**word)) {
                Some(word) => Err(format!("{word} in {text}")),
                None => Ok(()),
            }
        }
    }
}

#[test]
fn every_printed_command_gives_what_it_says() {
    let demo = Demo::start();
    // What uses the quota up comes when nobody else needs it.
    let (floods, commands): (Vec<_>, Vec<_>) =
        demo.commands().partition(|(_, promise)| promise.starts_with("limited:"));
    assert!(commands.len() > 40 && floods.len() == 1, "{commands:?}");
    // Side by side: some of them wait for a provider that says nothing.
    let broken: Vec<String> = std::thread::scope(|scope| {
        let running: Vec<_> = commands
            .iter()
            .map(|(command, promise)| (command, promise, scope.spawn(|| paste(command))))
            .collect();
        let checked = running.into_iter().filter_map(|(command, promise, output)| {
            let error = check(promise, &output.join().unwrap()).err()?;
            Some(format!("{command}\n  promised: {promise}\n  got: {error}"))
        });
        checked.collect()
    });
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    for (command, promise) in floods {
        check(promise, &paste(command)).unwrap();
    }
}

#[test]
fn a_task_can_be_polled() {
    let demo = Demo::start();
    let command = |needle: &str| {
        let found = demo.commands().find(|(command, _)| command.contains(needle));
        found.expect(needle).0.to_owned()
    };
    let body = |command: &str| -> serde_json::Value {
        let output = paste(command);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap()
    };
    let task = body(&command("webHook"));
    let id = task["data"]["id"].as_str().unwrap();
    let result = body(&command("\"ID\"").replace("\"ID\"", &format!("\"{id}\"")));
    assert_eq!(result["code"], 0);
    assert_eq!(result["data"]["id"], id);
}

/// The clients of the contract, as they stand in `examples/clients`.
#[test]
fn clients_follow_the_advice() {
    let demo = Demo::start();
    let first = demo.commands().next().expect("a command").0;
    let url = first.split_whitespace().find(|word| word.trim_matches('\'').starts_with("http"));
    let url = url.unwrap().trim_matches('\'').trim_matches('"');
    let origin: String = url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
    let key = demo.guide.iter().find_map(|line| {
        let (_, rest) = line.split_once("Bearer ")?;
        rest.split(['"', '\'']).next()
    });
    let key = key.expect("a key in the guide");
    let clients = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/clients");
    for (program, file) in [("python3", "client.py"), ("node", "client.mjs")] {
        for (prompt, want) in [
            ("demo:fast", r#""status":200,"attempts":1"#),
            (
                "demo:overloaded-503",
                r#""status":502,"code":"upstream_provider_error","attempts":4"#,
            ),
            ("demo:rate-limit-200", r#""status":429,"code":"upstream_rate_limited","attempts":4"#),
            ("demo:invalid", r#""status":400,"code":"upstream_invalid_request","attempts":1"#),
            ("", r#""status":400,"code":"invalid_prompt","attempts":1"#),
        ] {
            let output = Command::new(program)
                .arg(clients.join(file))
                .arg(prompt)
                .envs([("TOLLGATE_URL", &*origin), ("TOLLGATE_KEY", key), ("SECOND", "0.01")])
                .output()
                .unwrap_or_else(|error| panic!("{program}: {error}"));
            let text = String::from_utf8_lossy(&output.stdout);
            let mut got: serde_json::Value = serde_json::from_str(&text)
                .unwrap_or_else(|error| panic!("{program} {prompt}: {error}: {output:?}"));
            let has_task = got.as_object_mut().unwrap().remove("task").is_some();
            let want: serde_json::Value = serde_json::from_str(&format!("{{{want}}}")).unwrap();
            assert_eq!(got, want, "{program} {prompt}");
            assert_eq!(has_task, prompt == "demo:fast");
        }
    }
}
