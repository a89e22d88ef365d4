//! `tollgate classify`, as a process.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use serde_json::{Value, json};
use std::{
    io::Write,
    process::{Command, Stdio},
};
use support::gateway::{BINARY, Directory, run};

const QUOTA: &str = "HTTP/2 429 \r\ncontent-type: application/json\r\nx-request-id: req_1\r\ntransfer-encoding: chunked\r\n\r\n\
                     {\"error\":{\"message\":\"You exceeded your current quota\",\"code\":\"insufficient_quota\"}}";

const ROUTE: &str = "[upstream.a]\n[[upstream.a.endpoint]]\nurl = \"http://127.0.0.1:9\"\n\
                     [[route]]\npath = \"/a\"\nupstream = \"a\"\n";

fn json_of(out: &str) -> Vec<Value> {
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn one_answer() {
    let directory = Directory::default();
    let file = directory.file("answer", QUOTA);
    let file = file.to_str().unwrap();
    let (code, out, err) = run(&["classify", "--profile", "openai", file], &[]);
    assert_eq!((code, err.as_str()), (0, ""));
    for said in [
        "account_exhausted · openai · HTTP 429\n",
        "openai/account_exhausted\n",
        "next endpoint  yes\n",
        "out at once",
        "request id     req_1\n",
        "\nHTTP 502\n{\"data\":null,\"error\":{\"code\":\"upstream_provider_error\"",
    ] {
        assert!(out.contains(said), "{said}:\n{out}");
    }
    let (code, out, _) = run(&["classify", "--json", "--profile", "openai", file], &[]);
    let [answer] = &json_of(&out)[..] else { panic!("{out}") };
    let want = json!({
        "line": 1, "profile": "openai", "fault": "account_exhausted", "rule": "openai/account_exhausted",
        "provider_status": 429, "status": 502, "code": "upstream_provider_error", "message": answer["message"],
        "retryable": true, "retry_after_ms": null, "next_endpoint": "always", "health": "eject",
        "request_id": "req_1", "expect": null, "match": null,
    });
    assert_eq!((code, answer), (0, &want));
}

#[test]
fn bytes_of_any_kind() {
    let directory = Directory::default();
    let bytes = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n\xff\xfe{\x00}\x00";
    let file = directory.file("answer", bytes);
    let (code, out, err) =
        run(&["classify", "--profile", "generic", "--json", file.to_str().unwrap()], &[]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(
        (&json_of(&out)[0]["fault"], &json_of(&out)[0]["status"]),
        (&json!("ok"), &json!(200))
    );
    let file = directory
        .file("answer", b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n\xff\xfe\xfd");
    let (_, out, _) =
        run(&["classify", "--profile", "generic", "--json", file.to_str().unwrap()], &[]);
    assert_eq!(json_of(&out)[0]["fault"], "unexpected");
}

/// A capture of the wire has its chunks, and one of curl has not.
#[test]
fn chunks() {
    let directory = Directory::default();
    for body in [
        "{\"error\":{\"code\":\"insufficient_quota\"}}",
        "15;x=y\r\n{\"error\":{\"code\":\"ins\r\n14\r\nufficient_quota\"}} \r\n0\r\n\r\n",
    ] {
        let text = format!("HTTP/1.1 429 Too Many\r\ntransfer-encoding: chunked\r\n\r\n{body}");
        let file = directory.file("answer", text);
        let (_, out, _) =
            run(&["classify", "--profile", "openai", "--json", file.to_str().unwrap()], &[]);
        assert_eq!(json_of(&out)[0]["fault"], "account_exhausted", "{body}");
    }
}

#[test]
fn standard_input() {
    let mut command = Command::new(BINARY);
    command.args(["classify", "--profile", "gemini", "--json"]).env_clear();
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let answer = "HTTP/1.1 503 Service Unavailable\r\nretry-after: 7\r\n\r\n<html>";
    child.stdin.take().unwrap().write_all(answer.as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    let answer = &json_of(std::str::from_utf8(&done.stdout).unwrap())[0];
    assert_eq!((&answer["fault"], &answer["rule"]), (&json!("overloaded"), &Value::Null));
    assert_eq!((&answer["retryable"], &answer["retry_after_ms"]), (&json!(true), &json!(7000)));
}

#[test]
fn a_file_of_answers() {
    let directory = Directory::default();
    let line = |profile: &str, status: u16, expect: &str| {
        json!({ "profile": profile, "status": status, "expect": expect, "body": "", "note": "x" })
            .to_string()
    };
    let good = [
        line("openai", 429, "rate_limited"),
        line("kie", 200, "ok"),
        line("kie", 500, "provider_error"),
    ];
    let file = directory.file("good.jsonl", good.join("\n"));
    let (code, out, err) = run(&["classify", file.to_str().unwrap()], &[]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("LINE  PROFILE  STATUS"), "{out}");
    let summary = "PROFILE  ANSWERS  MATCHED  MISSED\nkie      2        2        0\nopenai   1        1        0\n\
                   all      3        3        0\n";
    assert!(out.ends_with(summary), "{out}");
    let bad = [&good[..], &[line("kie", 500, "ok")]].concat();
    let file = directory.file("bad.jsonl", bad.join("\n\n"));
    let file = file.to_str().unwrap();
    let (code, out, _) = run(&["classify", file], &[]);
    assert!(
        code == 1
            && out.contains("7     kie      500     provider_error  -")
            && out.contains("ok: MISSED"),
        "{out}"
    );
    let (code, out, _) = run(&["classify", "--json", file], &[]);
    let found: Vec<_> =
        json_of(&out).iter().map(|answer| answer["match"].as_bool().unwrap()).collect();
    assert_eq!((code, &found[..]), (1, &[true, true, true, false][..]));
    // The profile of the command line goes before that of the line.
    let (_, out, _) = run(&["classify", "--json", "--profile", "fal", file], &[]);
    assert!(json_of(&out).iter().all(|answer| answer["profile"] == "fal"), "{out}");
}

#[test]
fn the_catalog_of_a_configuration() {
    let directory = Directory::default();
    let config =
        directory.file("tollgate.toml", format!("[catalog]\npreset = \"eggapi\"\n{ROUTE}"));
    let answer = directory.file("answer", QUOTA);
    let (config, answer) = (config.to_str().unwrap(), answer.to_str().unwrap());
    let (code, out, err) =
        run(&["classify", "--profile", "openai", "--config", config, "--json", answer], &[]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(json_of(&out)[0]["code"], "UPSTREAM_ERROR", "{out}");
    directory.file("tollgate.toml", format!("[catalog]\npreset = \"none\"\n{ROUTE}"));
    assert_eq!(run(&["classify", "--profile", "openai", "--config", config, answer], &[]).0, 78);
}

#[test]
fn what_is_refused() {
    let directory = Directory::default();
    let file = |text: &str| directory.file("x", text).to_str().unwrap().to_owned();
    let says = |code: i32, said: &[&str], arguments: &[&str]| {
        let (found, out, err) = run(arguments, &[]);
        assert_eq!((found, out.as_str()), (code, ""), "{arguments:?}: {err}");
        assert!(said.iter().all(|said| err.contains(said)), "{arguments:?}: {err}");
    };
    says(2, &["which profile", "--profile NAME"], &["classify", &file(QUOTA)]);
    says(
        2,
        &["no profile opnai", "did you mean openai"],
        &["classify", "--profile", "opnai", &file(QUOTA)],
    );
    says(
        2,
        &["x:1: there is no profile gro"],
        &["classify", &file("{\"profile\":\"gro\",\"status\":200}")],
    );
    says(1, &["cannot read"], &["classify", "--profile", "openai", "/nowhere"]);
    says(1, &["x:1: expected a status line"], &["classify", "--profile", "openai", &file("hello")]);
    let lines = "{\"status\":200}\n{\"status\":\n{}\n";
    says(
        1,
        &["x:2: EOF", "x:3: missing field"],
        &["classify", "--profile", "openai", &file(lines)],
    );
}
