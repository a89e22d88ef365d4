//! The provider over real sockets, spoken to in raw bytes.

use std::{
    io::{ErrorKind, Read},
    net::SocketAddr,
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
    time::{sleep, timeout},
};

use super::{
    act::Pace,
    scenario::{HEADER, HOST, MARKER, Row},
    *,
};

const DRAW: &str = "/v1/draw/nano-banana";
const RESULT: &str = "/v1/draw/result";
/// What must happen happens long before.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long nothing must happen.
const QUIET: Duration = Duration::from_millis(200);
const HOUR: Duration = Duration::from_secs(3600);
const QUICK: Pace = Pace {
    event: Duration::from_millis(2),
    task: Duration::from_millis(2),
    slow: Duration::from_millis(100),
};

async fn start(pace: Pace) -> SocketAddr {
    let mut provider = Provider::bind().await.unwrap();
    provider.site.pace = pace;
    let addr = provider.addr();
    tokio::spawn(provider.serve(std::future::pending()));
    addr
}

fn post(path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: provider\r\nAuthorization: Bearer {KEY}\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    )
}

fn order(prompt: &str) -> String {
    json!({"model": "nano-banana-2", "prompt": prompt}).to_string()
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Closed,
    Reset,
    /// Not within the time given.
    Open,
}

struct Client {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Client {
    async fn connect(addr: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(addr).await.unwrap(), read: Vec::new() }
    }

    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Reads until what has been read is `enough`.
    async fn until(&mut self, enough: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        let read = async {
            while !enough(&self.read) {
                assert_ne!(self.stream.read_buf(&mut self.read).await.unwrap(), 0, "closed");
            }
        };
        timeout(PATIENCE, read).await.expect("enough in time");
        std::mem::take(&mut self.read)
    }

    async fn whole_answer(&mut self) -> Answer {
        Answer::read(
            &self.until(|read| Answer::read(read).is_some_and(|a| a.shape == Shape::Whole)).await,
        )
        .unwrap()
    }

    async fn read_to_end(&mut self, patience: Duration) -> (Vec<u8>, End) {
        let read = async {
            loop {
                match self.stream.read_buf(&mut self.read).await {
                    Ok(0) => return End::Closed,
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::ConnectionReset => return End::Reset,
                    Err(error) => panic!("{error}"),
                }
            }
        };
        let end = timeout(patience, read).await.unwrap_or(End::Open);
        (std::mem::take(&mut self.read), end)
    }
}

/// How much of what an answer's head announced there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Whole,
    Short,
    NoLastChunk,
}

struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
    shape: Shape,
}

impl Answer {
    /// `None`: this is no HTTP, or not a whole head.
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut response = httparse::Response::new(&mut headers);
        let length = response.parse(bytes).ok().filter(httparse::Status::is_complete)?.unwrap();
        let (head, rest) = bytes.split_at(length);
        let head = String::from_utf8(head.to_vec()).unwrap().to_ascii_lowercase();
        let status = response.code?;
        let announced = head
            .split("content-length: ")
            .nth(1)
            .map(|rest| rest.lines().next().unwrap().parse().unwrap());
        let (body, shape) = match announced {
            Some(length) if rest.len() == length => (rest.to_vec(), Shape::Whole),
            Some(length) => {
                assert!(rest.len() < length, "more than announced");
                (rest.to_vec(), Shape::Short)
            }
            None if head.contains("transfer-encoding: chunked") => unchunk(rest),
            None => (rest.to_vec(), Shape::Whole),
        };
        Some(Self { status, head, body, shape })
    }

    /// The body as a reader sees it.
    fn text(&self) -> String {
        let mut text = Vec::new();
        if self.head.contains("content-encoding: gzip") {
            flate2::read::GzDecoder::new(&*self.body).read_to_end(&mut text).unwrap();
        } else {
            text.clone_from(&self.body);
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn events(&self) -> Vec<Value> {
        let text = self.text();
        let events = text.split_terminator("\n\n");
        events
            .map(|event| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap())
            .collect()
    }
}

fn unchunk(mut rest: &[u8]) -> (Vec<u8>, Shape) {
    let mut body = Vec::new();
    loop {
        let Ok(httparse::Status::Complete((start, size))) = httparse::parse_chunk_size(rest) else {
            return (body, Shape::NoLastChunk);
        };
        let size = size as usize;
        let Some(data) = rest.get(start..start + size + 2) else {
            return (body, Shape::NoLastChunk);
        };
        assert!(data.ends_with(b"\r\n"));
        if size == 0 {
            return (body, Shape::Whole);
        }
        body.extend_from_slice(&data[..size]);
        rest = &rest[start + size + 2..];
    }
}

/// What a scenario is to look like from outside.
enum Looks {
    /// A whole answer with this status and these words.
    Like(u16, &'static str),
    /// Part of an answer with this status, then this end.
    Part(u16, Shape, End),
    /// These bytes at the beginning, which are not HTTP, then this end.
    Bytes(&'static str, End),
}

fn looks(scenario: Scenario) -> Looks {
    use Looks::{Bytes, Like, Part};
    match scenario {
        Scenario::Ok | Scenario::Fast | Scenario::Slow => {
            Like(200, r#""progress":100,"status":"succeeded""#)
        }
        Scenario::RefusedKey => Like(401, "invalid apikey"),
        Scenario::RefusedKey200 => Like(200, r#""code":-1,"data":null,"msg":"invalid apikey""#),
        Scenario::OutOfCredit => Like(402, "insufficient credits"),
        Scenario::OutOfCredit200 => {
            Like(200, r#""code":-1,"data":null,"msg":"insufficient credits""#)
        }
        Scenario::OutOfCredit400 => {
            Like(400, r#""error":"apikey credits not enough","status":"failed""#)
        }
        Scenario::RateLimit => Like(429, "rate limit"),
        Scenario::RateLimit200 => Like(200, r#""code":-1,"data":null,"msg":"rate limit""#),
        Scenario::Invalid => Like(400, "Invalid input parameters"),
        Scenario::UnknownTask => Like(404, r#""code":-22,"data":null"#),
        Scenario::ModerationInput => {
            Like(200, r#""status":"failed","failure_reason":"input_moderation""#)
        }
        Scenario::ModerationOutput => {
            Like(200, r#""status":"failed","failure_reason":"output_moderation""#)
        }
        Scenario::Failed => Like(200, r#""status":"failed","failure_reason":"error""#),
        Scenario::Html502 => Like(502, "<h1>502 Bad Gateway</h1>"),
        Scenario::Html504 => Like(504, "<h1>504 Gateway Timeout</h1>"),
        Scenario::Error500 => Like(500, "Traceback"),
        Scenario::Overloaded503 => Like(503, "overloaded"),
        Scenario::Gzip500 => Like(500, "internal"),
        Scenario::Empty500 => Like(500, ""),
        Scenario::WrongType => Like(500, "internal"),
        Scenario::TruncatedJson => Like(200, r#"{"code":0,"msg":"success","data":{"id":""#),
        Scenario::Garbage => Like(500, "\u{fffd}"),
        Scenario::Redirect => Like(302, ""),
        Scenario::HalfBody => Part(200, Shape::Short, End::Closed),
        Scenario::HalfStream => Part(200, Shape::NoLastChunk, End::Closed),
        Scenario::Stall => Part(200, Shape::Short, End::Open),
        Scenario::ResetMid => Part(200, Shape::Short, End::Reset),
        Scenario::Silence => Bytes("", End::Open),
        Scenario::Reset => Bytes("", End::Reset),
        Scenario::NoHttp => Bytes("SSH-2.0-", End::Closed),
        Scenario::Unasked101 => Part(101, Shape::Whole, End::Closed),
    }
}

/// Asks for a scenario and compares what comes with what the table in [`looks`] says.
async fn check(addr: SocketAddr, row: &Row, headers: &str, prompt: &str) {
    let name = row.name;
    let expected = looks(row.scenario);
    let quiet = matches!(expected, Looks::Part(_, _, End::Open) | Looks::Bytes(_, End::Open));
    let mut client = Client::connect(addr).await;
    client.send(post(DRAW, &format!("Connection: close\r\n{headers}"), &order(prompt))).await;
    let (bytes, end) = client.read_to_end(if quiet { QUIET } else { PATIENCE }).await;
    let answer = Answer::read(&bytes);
    match expected {
        Looks::Like(status, words) => {
            let answer = answer.unwrap();
            assert_eq!(
                (answer.status, answer.shape, end),
                (status, Shape::Whole, End::Closed),
                "{name}"
            );
            assert!(answer.text().contains(words), "{name}: {}", answer.text());
        }
        Looks::Part(status, shape, expected) => {
            let answer = answer.unwrap();
            assert_eq!((answer.status, answer.shape, end), (status, shape, expected), "{name}");
            assert!(!answer.body.is_empty(), "{name}");
        }
        Looks::Bytes(words, expected) => {
            assert!(answer.is_none(), "{name}");
            assert!(
                bytes.starts_with(words.as_bytes()) && bytes.is_empty() == words.is_empty(),
                "{name}"
            );
            assert_eq!(end, expected, "{name}");
        }
    }
    let text = Answer::read(&bytes)
        .map_or_else(|| String::from_utf8_lossy(&bytes).into_owned(), |a| a.text());
    assert_eq!(text.contains(MARKER), row.marked, "{name}: {text}");
    assert_eq!(text.contains(HOST), row.marked, "{name}: {text}");
}

#[tokio::test]
async fn each_scenario_is_what_the_table_says() {
    let addr = start(QUICK).await;
    for row in SCENARIOS {
        check(addr, row, &format!("{HEADER}: {}\r\n", row.name), "a cat").await;
        check(addr, row, "", &format!("{PROMPT}{} a cat", row.name)).await;
    }
}

#[tokio::test]
async fn a_whole_answer_leaves_the_connection_open() {
    let addr = start(QUICK).await;
    let mut client = Client::connect(addr).await;
    for row in SCENARIOS {
        if let Looks::Like(status, _) = looks(row.scenario) {
            client.send(post(DRAW, &format!("{HEADER}: {}\r\n", row.name), &order("a cat"))).await;
            assert_eq!(client.whole_answer().await.status, status, "{}", row.name);
        }
    }
}

#[tokio::test]
async fn what_only_the_head_says() {
    let addr = start(QUICK).await;
    let redirect = format!("location: http://{addr}{DRAW}\r\n");
    for (name, line) in [
        ("rate-limit", "retry-after: 7\r\n"),
        ("gzip-500", "content-encoding: gzip\r\n"),
        ("wrong-type", "content-type: image/png\r\n"),
        ("html-502", "content-type: text/html\r\n"),
        ("truncated-json", "content-type: application/json\r\n"),
        ("empty-500", "content-length: 0\r\n"),
        ("garbage", "content-length: 1048576\r\n"),
        ("half-stream", "content-type: text/event-stream\r\n"),
        ("unasked-101", "upgrade: websocket\r\n"),
        ("redirect", &redirect),
    ] {
        let mut client = Client::connect(addr).await;
        let headers = format!("Connection: close\r\n{HEADER}: {name}\r\n");
        client.send(post(DRAW, &headers, &order("a cat"))).await;
        let (bytes, _) = client.read_to_end(PATIENCE).await;
        let head = Answer::read(&bytes).unwrap().head;
        assert!(head.contains(line), "{name}: {head}");
    }
}

#[tokio::test]
async fn compression_hides_the_marker_and_truncation_breaks_the_json() {
    let addr = start(QUICK).await;
    let mut client = Client::connect(addr).await;
    client.send(post(DRAW, "x-demo-scenario: gzip-500\r\n", "")).await;
    let answer = client.whole_answer().await;
    assert!(!String::from_utf8_lossy(&answer.body).contains(MARKER));
    client.send(post(DRAW, "x-demo-scenario: truncated-json\r\n", "")).await;
    let answer = client.whole_answer().await;
    assert!(serde_json::from_slice::<Value>(&answer.body).unwrap_err().is_eof());
    client.send(post(DRAW, "x-demo-scenario: half-stream\r\n", "")).await;
    let (bytes, _) = client.read_to_end(PATIENCE).await;
    assert_eq!(Answer::read(&bytes).unwrap().events().len(), 2);
}

#[test]
fn the_table_names_each_scenario_once() {
    for (at, row) in SCENARIOS.iter().enumerate() {
        assert_eq!(Scenario::named(row.name), Some(row.scenario), "{}", row.name);
        assert!(SCENARIOS[..at].iter().all(|other| other.scenario != row.scenario), "{}", row.name);
        assert!(!row.does.is_empty() && row.does.len() <= 72, "{}", row.name);
    }
    assert!(scenario::TRACE.contains(MARKER) && scenario::TRACE.contains(HOST));
}

#[tokio::test]
async fn the_header_wins_over_the_prompt_and_an_unknown_name_lists_them_all() {
    let addr = start(QUICK).await;
    let mut client = Client::connect(addr).await;
    client.send(post(DRAW, "x-demo-scenario: html-504\r\n", &order("demo:html-502"))).await;
    assert_eq!(client.whole_answer().await.status, 504);
    let names: Vec<_> = SCENARIOS.iter().map(|row| row.name).collect();
    for (headers, prompt) in
        [("x-demo-scenario: nope\r\n", "a cat"), ("", "demo:nope"), ("", "demo:"), ("", "demo: ok")]
    {
        client.send(post(DRAW, headers, &order(prompt))).await;
        let answer = client.whole_answer().await;
        assert_eq!(answer.status, 400);
        assert_eq!(answer.json()["scenarios"], json!(names));
    }
}

#[tokio::test]
async fn a_stream_arrives_event_by_event() {
    // The second event is an hour away: what comes of the first has not waited for it.
    let addr = start(Pace { event: HOUR, ..QUICK }).await;
    let mut client = Client::connect(addr).await;
    client.send(post(DRAW, "", &order("a cat"))).await;
    let first =
        client.until(|read| Answer::read(read).is_some_and(|answer| !answer.body.is_empty())).await;
    let answer = Answer::read(&first).unwrap();
    assert_eq!(answer.shape, Shape::NoLastChunk);
    assert_eq!(answer.events().len(), 1);
    assert_eq!(answer.events()[0]["progress"], 5);
}

#[tokio::test]
async fn a_stream_runs_from_progress_to_its_result() {
    let addr = start(QUICK).await;
    let mut client = Client::connect(addr).await;
    client.send(post(DRAW, "", &order("a cat"))).await;
    let answer = client.whole_answer().await;
    assert!(answer.head.contains("content-type: text/event-stream\r\n"));
    let events = answer.events();
    let progress: Vec<_> = events.iter().map(|event| event["progress"].as_u64().unwrap()).collect();
    assert_eq!(progress, [5, 35, 60, 85, 100]);
    assert!(events.iter().all(|event| event["id"] == events[0]["id"]));
    assert!(
        events[..4]
            .iter()
            .all(|event| event["status"] == "running" && event["results"] == json!([]))
    );
    let url = events[4]["results"][0]["url"].as_str().unwrap();
    assert!(url.starts_with("https://images.invalid/"), "{url}");

    let body =
        json!({"model": "nano-banana-2", "prompt": "a cat", "shutProgress": true}).to_string();
    client.send(post(DRAW, "", &body)).await;
    assert_eq!(client.whole_answer().await.events().len(), 1);
}

async fn begin(client: &mut Client, prompt: &str, hook: &str) -> String {
    let body = json!({"model": "nanobanano-2", "prompt": prompt, "webHook": hook}).to_string();
    client.send(post(DRAW, "", &body)).await;
    let answer = client.whole_answer().await.json();
    assert_eq!((&answer["code"], &answer["msg"]), (&json!(0), &json!("success")));
    answer["data"]["id"].as_str().unwrap().to_owned()
}

async fn ask(client: &mut Client, headers: &str, id: &str) -> Value {
    client.send(post(RESULT, headers, &json!({"id": id}).to_string())).await;
    client.whole_answer().await.json()
}

#[tokio::test]
async fn a_task_runs_and_then_has_a_result() {
    let addr = start(Pace { task: HOUR, ..QUICK }).await;
    let mut client = Client::connect(addr).await;
    let id = begin(&mut client, "a cat", "-1").await;
    let answer = ask(&mut client, "", &id).await;
    assert_eq!((&answer["data"]["status"], &answer["data"]["id"]), (&json!("running"), &json!(id)));
    // A failure that the task is heading for shows only at its end; a refused input at once.
    let id = begin(&mut client, "demo:failed", "-1").await;
    assert_eq!(ask(&mut client, "", &id).await["data"]["status"], "running");
    let id = begin(&mut client, "demo:moderation-input", "-1").await;
    assert_eq!(ask(&mut client, "", &id).await["data"]["failure_reason"], "input_moderation");

    let addr = start(QUICK).await;
    let mut client = Client::connect(addr).await;
    for (prompt, hook, status, reason) in [
        ("a cat", "-1", "succeeded", ""),
        ("a cat", "https://caller.invalid/hook", "succeeded", ""),
        ("demo:moderation-output", "-1", "failed", "output_moderation"),
        ("demo:failed", "-1", "failed", "error"),
    ] {
        let id = begin(&mut client, prompt, hook).await;
        let mut data = ask(&mut client, "", &id).await["data"].take();
        while data["status"] == "running" {
            sleep(Duration::from_millis(1)).await;
            data = ask(&mut client, "", &id).await["data"].take();
        }
        assert_eq!(
            (&data["status"], &data["failure_reason"]),
            (&json!(status), &json!(reason)),
            "{prompt}"
        );
        assert_eq!(data["results"].as_array().unwrap().is_empty(), status == "failed");
    }
}

#[tokio::test]
async fn a_task_that_is_not_there() {
    let addr = start(QUICK).await;
    let mut client = Client::connect(addr).await;
    let answer = ask(&mut client, "", "no-such-task").await;
    assert_eq!((&answer["code"], &answer["data"]), (&json!(-22), &Value::Null));
    // A result can be asked to be a failure without a task.
    let answer = ask(&mut client, "x-demo-scenario: moderation-output\r\n", "no-such-task").await;
    assert_eq!(answer["data"]["failure_reason"], "output_moderation");
}

#[tokio::test]
async fn the_oldest_task_is_forgotten_first() {
    let addr = start(QUICK).await;
    let mut client = Client::connect(addr).await;
    let first = begin(&mut client, "a cat", "-1").await;
    let second = begin(&mut client, "a cat", "-1").await;
    for _ in 2..=1000 {
        begin(&mut client, "a cat", "-1").await;
    }
    assert_eq!(ask(&mut client, "", &first).await["code"], -22);
    assert_eq!(ask(&mut client, "", &second).await["code"], 0);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let addr = start(QUICK).await;
    let mut client = Client::connect(addr).await;
    for body in [
        "",
        "not json",
        "[]",
        r#"{"prompt":"a cat"}"#,
        r#"{"model":"gpt-image","prompt":"a cat"}"#,
        r#"{"model":"nano-banana","prompt":""}"#,
        r#"{"model":"nano-banana","prompt":7}"#,
        r#"{"model":"nano-banana","prompt":"a cat","webHook":"-2"}"#,
        r#"{"model":"nano-banana","prompt":"a cat","shutProgress":"yes"}"#,
    ] {
        client.send(post(DRAW, "", body)).await;
        let answer = client.whole_answer().await;
        assert_eq!(answer.status, 400, "{body}");
        assert_eq!(answer.json()["error"], "Invalid input parameters");
    }
    client.send(post(RESULT, "", "{}")).await;
    assert_eq!(client.whole_answer().await.status, 400);
}

#[tokio::test]
async fn only_its_key_opens_it() {
    let addr = start(QUICK).await;
    let mut client = Client::connect(addr).await;
    let body = order("demo:html-502");
    for credential in [
        "",
        "Authorization: Bearer other\r\n",
        "Authorization: demo-provider-key\r\n",
        "Authorization: B\r\n",
    ] {
        let length = body.len();
        client.send(format!("POST {DRAW} HTTP/1.1\r\nHost: p\r\n{credential}Content-Length: {length}\r\n\r\n{body}")).await;
        let answer = client.whole_answer().await;
        assert_eq!(
            (answer.status, answer.json()["msg"].as_str()),
            (200, Some("invalid apikey")),
            "{credential}"
        );
    }
}

#[tokio::test]
async fn anything_else_is_not_found() {
    let addr = start(QUICK).await;
    let mut client = Client::connect(addr).await;
    for line in [
        "GET /",
        "GET /v1/draw/nano-banana",
        "POST /v1/draw",
        "DELETE /v1/draw/result",
        "OPTIONS *",
    ] {
        client.send(format!("{line} HTTP/1.1\r\nHost: p\r\n\r\n")).await;
        let answer = client.whole_answer().await;
        assert_eq!(answer.status, 404, "{line}");
        assert!(answer.text().contains("<hr><center>nginx</center>"), "{line}");
    }
    client.send("HEAD / HTTP/1.1\r\nHost: p\r\nConnection: close\r\n\r\n").await;
    let (bytes, end) = client.read_to_end(PATIENCE).await;
    assert!(bytes.ends_with(b"\r\n\r\n") && end == End::Closed);
}

#[tokio::test]
async fn bodies_in_chunks_in_pieces_and_on_approval() {
    let addr = start(QUICK).await;
    let mut client = Client::connect(addr).await;
    let body = order("demo:html-502");
    let (one, two) = body.split_at(10);
    let chunked = format!(
        "POST {DRAW} HTTP/1.1\r\nHost: p\r\nAuthorization: bearer {KEY}\r\nTransfer-Encoding: chunked\r\n\r\n\
         {:x};ext=1\r\n{one}\r\n{:X}\r\n{two}\r\n0\r\nTrailer: x\r\n\r\n",
        one.len(),
        two.len()
    );
    // Two in one piece, then byte for byte.
    client.send(format!("{chunked}{chunked}")).await;
    let page_end = b"-->\r\n";
    let pages = |read: &[u8]| read.windows(5).filter(|window| window == page_end).count();
    client.until(|read| pages(read) == 2).await;
    for byte in chunked.as_bytes() {
        client.send([*byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(client.whole_answer().await.status, 502);

    let request = post(DRAW, "Expect: 100-continue\r\n", &body);
    let (head, body) = request.split_at(request.len() - body.len());
    client.send(head).await;
    let interim = client.until(|read| read.ends_with(b"\r\n\r\n")).await;
    assert_eq!(interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    client.send(body).await;
    assert_eq!(client.whole_answer().await.status, 502);
}

#[tokio::test]
async fn what_is_too_large_or_ambiguous_is_refused_and_closed() {
    let addr = start(QUICK).await;
    let post = |rest: &str| format!("POST {DRAW} HTTP/1.1\r\nHost: p\r\n{rest}");
    for (request, status) in [
        (post("Content-Length: 4194305\r\n\r\n"), 413),
        (post("Transfer-Encoding: chunked\r\n\r\n400001\r\n"), 413),
        (post("Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n"), 413),
        (post("Transfer-Encoding: chunked\r\n\r\n\r\n"), 400),
        (post("Transfer-Encoding: chunked\r\n\r\n1\r\nabc"), 400),
        (post("Transfer-Encoding: gzip\r\n\r\n"), 400),
        (post("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"), 400),
        (post("Content-Length: 1\r\nContent-Length: 1\r\n\r\n"), 400),
        (post("Content-Length: +1\r\n\r\n"), 400),
        (post("Content-Length: \r\n\r\n"), 400),
        (post(&format!("X: {}", "x".repeat(33 * 1024))), 431),
        ("GET / HTTP/1.0\r\n\r\n".into(), 505),
        ("\u{16}\u{3}\u{1}".into(), 400),
    ] {
        let mut client = Client::connect(addr).await;
        client.send(&request).await;
        let (bytes, end) = client.read_to_end(PATIENCE).await;
        let answer = Answer::read(&bytes).unwrap();
        assert_eq!((answer.status, end), (status, End::Closed), "{request:.100}");
    }
}

#[tokio::test]
async fn shutdown_ends_what_is_held_open() {
    let provider = Provider::bind().await.unwrap();
    let addr = provider.addr();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(provider.serve(async {
        let _ = stopped.await;
    }));
    let mut client = Client::connect(addr).await;
    client.send(post(DRAW, "x-demo-scenario: stall\r\n", "")).await;
    client.until(|read| Answer::read(read).is_some()).await;
    stop.send(()).unwrap();
    assert_eq!(client.read_to_end(PATIENCE).await.1, End::Closed);
    timeout(PATIENCE, serving).await.unwrap().unwrap().unwrap();
    assert!(TcpStream::connect(addr).await.is_err());
}

#[tokio::test]
async fn slow_waits_before_its_head_and_fast_never_waits() {
    let addr = start(Pace { event: HOUR, task: HOUR, slow: HOUR }).await;
    let mut client = Client::connect(addr).await;
    client.send(post(DRAW, "", &order("demo:slow"))).await;
    assert_eq!(client.read_to_end(QUIET).await, (Vec::new(), End::Open));

    let mut client = Client::connect(addr).await;
    client.send(post(DRAW, "", &order("demo:fast"))).await;
    assert_eq!(client.whole_answer().await.events().len(), 5);
    let id = begin(&mut client, "demo:fast", "-1").await;
    assert_eq!(ask(&mut client, "", &id).await["data"]["status"], "succeeded");
}
