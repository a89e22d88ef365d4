use super::{
    super::{
        Limits,
        head::{Bad, Found, Framing, check, check_at_once, find},
        target::is_authority,
    },
    detail,
};
use proptest::prelude::*;

/// What becomes of a head, in the words of the refusal.
fn judge(head: &[u8]) -> Result<Framing, String> {
    let slowly = judge_slowly(head);
    if let Some((_, verdict)) = check_at_once(head, &Limits::default()) {
        assert_eq!(verdict.map_err(|fault| detail(&fault)), slowly, "{}", head.escape_ascii());
    }
    slowly
}

fn judge_slowly(head: &[u8]) -> Result<Framing, String> {
    let limits = Limits::default();
    match find(head, 0, &limits) {
        Ok(Found::Head(len)) => check(&head[..len], &limits).map_err(|fault| detail(&fault)),
        Ok(found) => Err(format!("{found:?}")),
        Err(Bad { fault, .. }) => Err(detail(&fault)),
    }
}

/// A POST with these lines beside its Host.
fn post(lines: &str) -> Result<Framing, String> {
    judge(format!("POST / HTTP/1.1\r\nHost: x\r\n{lines}\r\n").as_bytes())
}

/// A GET of this target, from host `x`.
fn get(target: &str) -> Result<Framing, String> {
    judge(format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes())
}

#[test]
fn length_of_the_body() {
    const NOT_CHUNKED: &str = "a Transfer-Encoding other than chunked";
    const NOT_A_NUMBER: &str = "Content-Length is not a number";
    const RANGE: &str = "Content-Length is out of range";
    const BOTH: &str = "Content-Length together with Transfer-Encoding";
    const NAME: &str = "a field name is not a token followed by a colon";
    const VALUE: &str = "a field value has a character that it must not have";
    const FOLDED: &str = "a field line is folded";
    const LF: &str = "a line ends in LF without CR";
    const CR: &str = "CR without LF";
    for (lines, expected) in [
        ("", Ok(Framing::Length(0))),
        ("Content-Length: 0\r\n", Ok(Framing::Length(0))),
        ("content-LENGTH: 5\r\n", Ok(Framing::Length(5))),
        ("Content-Length:5\r\n", Ok(Framing::Length(5))),
        ("Content-Length: \t5 \t\r\n", Ok(Framing::Length(5))),
        ("Content-Length: 0005\r\n", Ok(Framing::Length(5))),
        ("Content-Length: 9223372036854775807\r\n", Ok(Framing::Length(u64::MAX >> 1))),
        ("Content-Length: 9223372036854775808\r\n", Err(RANGE)),
        ("Content-Length: 18446744073709551621\r\n", Err(RANGE)),
        ("Content-Length: 99999999999999999999999\r\n", Err(RANGE)),
        ("Content-Length:\r\n", Err(NOT_A_NUMBER)),
        ("Content-Length: +5\r\n", Err(NOT_A_NUMBER)),
        ("Content-Length: -5\r\n", Err(NOT_A_NUMBER)),
        ("Content-Length: 0x5\r\n", Err(NOT_A_NUMBER)),
        ("Content-Length: 5, 5\r\n", Err(NOT_A_NUMBER)),
        ("Content-Length: 5 5\r\n", Err(NOT_A_NUMBER)),
        ("Content-Length: 5;\r\n", Err(NOT_A_NUMBER)),
        ("Content-Length: \u{661}\r\n", Err(NOT_A_NUMBER)),
        ("Content-Length: 5\r\nContent-Length: 5\r\n", Err("more than one Content-Length")),
        ("Content-Length: 5\r\nContent-Length: 6\r\n", Err("more than one Content-Length")),
        ("Content-Length : 5\r\n", Err(NAME)),
        ("Content-Length\t: 5\r\n", Err(NAME)),
        ("Content-Length\r\n", Err(NAME)),
        (": 5\r\n", Err(NAME)),
        ("Content\0-Length: 5\r\n", Err(NAME)),
        // TE.TE and its kind.
        ("Transfer-Encoding: chunked\r\n", Ok(Framing::Chunked)),
        ("transfer-encoding:\tCHUNKED\t \r\n", Ok(Framing::Chunked)),
        ("Transfer-Encoding: xchunked\r\n", Err(NOT_CHUNKED)),
        ("Transfer-Encoding: chunked, identity\r\n", Err(NOT_CHUNKED)),
        ("Transfer-Encoding: identity, chunked\r\n", Err(NOT_CHUNKED)),
        ("Transfer-Encoding: gzip, chunked\r\n", Err(NOT_CHUNKED)),
        ("Transfer-Encoding: chunked, chunked\r\n", Err(NOT_CHUNKED)),
        ("Transfer-Encoding: chunked,\r\n", Err(NOT_CHUNKED)),
        ("Transfer-Encoding: chunked;q=1\r\n", Err(NOT_CHUNKED)),
        ("Transfer-Encoding: \"chunked\"\r\n", Err(NOT_CHUNKED)),
        ("Transfer-Encoding: identity\r\n", Err(NOT_CHUNKED)),
        ("Transfer-Encoding:\r\n", Err(NOT_CHUNKED)),
        ("Transfer-Encoding: \x0bchunked\r\n", Err(VALUE)),
        ("Transfer-Encoding: \u{a0}chunked\r\n", Err(NOT_CHUNKED)),
        ("Transfer-Encoding : chunked\r\n", Err(NAME)),
        ("Transfer-Encoding:\r\n chunked\r\n", Err(FOLDED)),
        ("Transfer-Encoding: x\r\n\tchunked\r\n", Err(FOLDED)),
        (" Transfer-Encoding: chunked\r\n", Err(FOLDED)),
        ("X: y\nTransfer-Encoding: chunked\r\n", Err(LF)),
        ("X: y\rTransfer-Encoding: chunked\r\n", Err(CR)),
        ("X: y\r\r\nTransfer-Encoding: chunked\r\n", Err(CR)),
        ("X: a\0b\r\n", Err(VALUE)),
        ("X: a\x7fb\r\n", Err(VALUE)),
        ("X: caf\u{e9}\r\n", Ok(Framing::Length(0))),
        ("X_Y: z\r\n", Ok(Framing::Length(0))),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            Err("more than one Transfer-Encoding"),
        ),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n",
            Err("more than one Transfer-Encoding"),
        ),
        ("Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n", Err(NOT_CHUNKED)),
        // CL.TE and TE.CL.
        ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", Err(BOTH)),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", Err(BOTH)),
        ("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", Err(BOTH)),
    ] {
        assert_eq!(post(lines), expected.map_err(str::to_owned), "{lines:?}");
    }
}

#[test]
fn request_lines_and_hosts() {
    const VERSION: &str = "the version is not HTTP/1.0 or HTTP/1.1";
    const HOST: &str = "Host is not a host and a port";
    const METHOD: &str = "the request does not begin with a method";
    const EMPTY: Result<Framing, &str> = Ok(Framing::Length(0));
    for (head, expected) in [
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", EMPTY),
        ("GET / HTTP/1.0\r\n\r\n", EMPTY),
        ("GET / HTTP/1.0\r\nHost: x:80\r\n\r\n", EMPTY),
        ("X-tra!#$ / HTTP/1.1\r\nHost: x\r\n\r\n", EMPTY),
        ("GET / HTTP/1.1\r\n\r\n", Err("no Host")),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", Err(HOST)),
        ("GET / HTTP/1.1\r\nHost: x\r\nhost: x\r\n\r\n", Err("more than one Host")),
        ("GET / HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n", Err("more than one Host")),
        ("GET / HTTP/1.1\r\nHost: x, y\r\n\r\n", Err(HOST)),
        ("GET / HTTP/1.0\r\nHost: u@x\r\n\r\n", Err(HOST)),
        ("GET / HTTP/1.2\r\nHost: x\r\n\r\n", Err(VERSION)),
        ("GET / HTTP/2.0\r\nHost: x\r\n\r\n", Err(VERSION)),
        ("GET / HTTP/0.9\r\nHost: x\r\n\r\n", Err(VERSION)),
        ("GET / http/1.1\r\nHost: x\r\n\r\n", Err(VERSION)),
        ("GET / HTTP/1.1 \r\nHost: x\r\n\r\n", Err("the head is malformed")),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Err(VERSION)),
        ("GET /\r\n\r\n", Err("the request target has a character that it must not have")),
        (
            "GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
            Err("the request target has a character that it must not have"),
        ),
        ("GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n", Err("the method is not a token")),
        ("G\u{e9}T / HTTP/1.1\r\nHost: x\r\n\r\n", Err("the method is not a token")),
        (" GET / HTTP/1.1\r\nHost: x\r\n\r\n", Err(METHOD)),
        ("\x16\x03\x01\x02", Err(METHOD)),
        ("\0", Err(METHOD)),
        ("\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", Err("a line ends in LF without CR")),
        ("GET / HTTP/1.1\nHost: x\n\n", Err("a line ends in LF without CR")),
        ("GET / HTTP/1.1\r\nHost: x\r\n\n", Err("a line ends in LF without CR")),
        ("GET / HTTP/1.1\r\nHost: x\n\r\n", Err("a line ends in LF without CR")),
        ("GET / HTTP/1.1\rHost: x\r\n\r\n", Err("CR without LF")),
        ("\rGET / HTTP/1.1\r\nHost: x\r\n\r\n", Err("CR without LF")),
        ("\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", Err("Blank")),
        ("\r", Err("Partial")),
        ("", Err("Partial")),
        ("GET / HTTP/1.1\r\nHost: x\r\n", Err("Partial")),
        (
            "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
            Err("Transfer-Encoding in HTTP/1.0"),
        ),
    ] {
        assert_eq!(judge(head.as_bytes()), expected.map_err(str::to_owned), "{head:?}");
    }
}

#[test]
fn targets() {
    const CHARS: &str = "the request target has a character that it must not have";
    const DOTS: &str = "the request target has a dot segment";
    const ENCODING: &str = "the request target has a bad percent-encoding";
    const FRAGMENT: &str = "the request target has a fragment";
    const NO_PATH: &str = "the request target is not a path";
    const AUTHORITY: &str = "the target's authority is not a host and a port";
    const OTHER: &str = "Host differs from the request target";
    const EMPTY: Result<Framing, &str> = Ok(Framing::Length(0));
    for (target, expected) in [
        ("/", EMPTY),
        ("/a/b.c/..d/e../...?q=/../#".trim_end_matches('#'), EMPTY),
        ("//a//", EMPTY),
        ("/%20?a=[b]&c={d}|e^f`", EMPTY),
        ("/.well-known/%2efoo/%25", EMPTY),
        ("/a%", Err(ENCODING)),
        ("/a%4", Err(ENCODING)),
        ("/a%zz", Err(ENCODING)),
        ("/a%00", Err(ENCODING)),
        ("/{id}", EMPTY),
        ("/a#b", Err(FRAGMENT)),
        ("/a?b#c", Err(FRAGMENT)),
        ("http://x#b", Err(FRAGMENT)),
        ("/a\\b", Err(CHARS)),
        ("/a?b\\", Err(CHARS)),
        ("/<", Err(CHARS)),
        ("/?\"", Err(CHARS)),
        ("/\u{e9}", Err(CHARS)),
        ("/\x7f", Err(CHARS)),
        ("/\x01", Err(CHARS)),
        ("/a b", Err("the version is not HTTP/1.0 or HTTP/1.1")),
        ("/.", Err(DOTS)),
        ("/..", Err(DOTS)),
        ("/./a", Err(DOTS)),
        ("/a/../b", Err(DOTS)),
        ("/a/..", Err(DOTS)),
        ("/a/..?b", Err(DOTS)),
        ("/a/%2e%2E/b", Err(DOTS)),
        ("/a/.%2e/b", Err(DOTS)),
        ("/a/%2E./b", Err(DOTS)),
        ("/a/%2e", Err(DOTS)),
        ("/a%2f../b", Err(DOTS)),
        ("/a/..%2Fb", Err(DOTS)),
        ("/a/..%5cb", Err(DOTS)),
        ("/a/..;/b", Err(DOTS)),
        ("/a/b;c=1", EMPTY),
        ("http://x/../a", Err(DOTS)),
        ("http://x", EMPTY),
        ("HTTP://X/a?b", EMPTY),
        ("https://x?b", EMPTY),
        ("http://y/", Err(OTHER)),
        ("http://x:80/", Err(OTHER)),
        ("http://u@x/", Err(AUTHORITY)),
        ("http:///a", Err(AUTHORITY)),
        ("ftp://x/", Err(NO_PATH)),
        ("http:/x", Err(NO_PATH)),
        ("*", Err(NO_PATH)),
        ("x", Err(NO_PATH)),
        ("x:80", Err(NO_PATH)),
        ("?a", Err(NO_PATH)),
    ] {
        assert_eq!(get(target), expected.map_err(str::to_owned), "{target:?}");
    }
    let options = judge(b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(options, Ok(Framing::Length(0)));
}

#[test]
fn other_protocols() {
    const CONNECT: &str = "CONNECT without a host and a port";
    for (head, expected) in [
        (
            "GET / HTTP/1.1\r\nHost: x\r\nConnection: a, Upgrade\r\nUpgrade: websocket",
            Ok(Framing::Raw),
        ),
        ("GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket", Ok(Framing::Length(0))),
        ("GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket", Ok(Framing::Length(0))),
        (
            "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: h2c",
            Ok(Framing::Length(0)),
        ),
        (
            "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: a\r\nContent-Length: 5",
            Ok(Framing::Length(5)),
        ),
        ("CONNECT x:443 HTTP/1.1\r\nHost: x:443", Ok(Framing::Raw)),
        ("CONNECT x:443 HTTP/1.0", Ok(Framing::Raw)),
        ("CONNECT x:443 HTTP/1.1\r\nHost: x", Err("Host differs from the request target")),
        ("CONNECT x HTTP/1.1\r\nHost: x", Err(CONNECT)),
        ("CONNECT / HTTP/1.1\r\nHost: x", Err(CONNECT)),
        ("CONNECT u@x:1 HTTP/1.1\r\nHost: x", Err(CONNECT)),
        ("CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\nContent-Length: 1", Err("CONNECT with a body")),
    ] {
        let head = format!("{head}\r\n\r\n");
        assert_eq!(judge(head.as_bytes()), expected.map_err(str::to_owned), "{head:?}");
    }
}

#[test]
fn authorities() {
    for good in ["x", "a-b.c_d~1.", "127.0.0.1:8080", "[::1]", "[::ffff:1.2.3.4]:65535", "X:1"] {
        assert!(is_authority(good.as_bytes()), "{good}");
    }
    for bad in [
        "",
        ":80",
        "x:",
        "x:65536",
        "x:000080",
        "x:8a",
        "x:80:80",
        "u@x",
        "x/y",
        "x y",
        "x,y",
        "[::1",
        "::1",
        "[::g]",
        "[]",
        "[::1]x",
        "[::1]x:80",
        "[fe80::1%25eth0]",
        "x%2fy",
        "caf\u{e9}",
        "x\\y",
        "x?",
    ] {
        assert!(!is_authority(bad.as_bytes()), "{bad}");
    }
}

#[test]
fn limits() {
    let limits = Limits { head_bytes: 100, target_bytes: 20, fields: 3, ..Limits::default() };
    let judge = |head: &str| match find(head.as_bytes(), 0, &limits) {
        Ok(Found::Head(len)) => {
            check(&head.as_bytes()[..len], &limits).map_err(|fault| detail(&fault))
        }
        Ok(_) => Err("partial".to_owned()),
        Err(Bad { fault, seen }) => Err(format!("{} after {seen}", detail(&fault))),
    };
    let sized = |len: usize| {
        let frame = "GET / HTTP/1.1\r\nHost: x\r\nX: \r\n\r\n".len();
        format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "y".repeat(len - frame))
    };
    let target = |len: usize| format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(len - 1));
    assert_eq!(judge(&sized(100)), Ok(Framing::Length(0)));
    assert_eq!(judge(&sized(101)), Err("HeaderTooLarge after 100".to_owned()));
    assert_eq!(judge(&sized(101)[..100]), Err("HeaderTooLarge after 100".to_owned()));
    assert_eq!(judge(&sized(101)[..99]), Err("partial".to_owned()));
    assert_eq!(judge(&target(20)), Ok(Framing::Length(0)));
    assert_eq!(judge(&target(21)), Err("UriTooLong".to_owned()));
    assert_eq!(judge(&target(1000)), Err("UriTooLong after 100".to_owned()));
    let fields = |n| format!("GET / HTTP/1.0\r\n{}\r\n", "a: b\r\n".repeat(n));
    assert_eq!(judge(&fields(3)), Ok(Framing::Length(0)));
    assert_eq!(judge(&fields(4)), Err("HeaderTooLarge".to_owned()));
}

proptest! {
    /// What is accepted, `http` accepts: hyper must have no reason to answer by itself.
    #[test]
    fn hyper_has_nothing_to_refuse(
        start in prop::sample::select(vec![
            "GET /a?b=c HTTP/1.1\r\nHost: x\r\nX-Y: z\r\n\r\n",
            "OPTIONS http://x:1/a?b HTTP/1.1\r\nhost: x:1\r\nContent-Length: 5\r\n\r\n",
            "CONNECT x:1 HTTP/1.1\r\nhost: x:1\r\n\r\n",
        ]),
        changes in prop::collection::vec((0usize..80, any::<u8>(), any::<bool>()), 0..3),
    ) {
        let mut head = start.as_bytes().to_vec();
        for (at, byte, insert) in changes {
            let at = at % head.len();
            if insert { head.insert(at, byte) } else { head[at] = byte }
        }
        let limits = Limits::default();
        if judge(&head).is_ok() {
            // Nothing good takes the slow way.
            prop_assert!(check_at_once(&head, &limits).is_some());
        }
        if let Ok(Found::Head(len)) = find(&head, 0, &limits)
            && check(&head[..len], &limits).is_ok()
        {
            let mut slots = [httparse::EMPTY_HEADER; 100];
            let mut request = httparse::Request::new(&mut slots);
            prop_assert_eq!(request.parse(&head), Ok(httparse::Status::Complete(len)));
            prop_assert!(http::Method::from_bytes(request.method.unwrap().as_bytes()).is_ok());
            let target = request.path.unwrap();
            prop_assert!(http::Uri::try_from(target).is_ok(), "{}", target);
            for header in request.headers {
                prop_assert!(http::HeaderName::from_bytes(header.name.as_bytes()).is_ok());
                prop_assert!(http::HeaderValue::from_bytes(header.value).is_ok());
            }
        }
    }
}
