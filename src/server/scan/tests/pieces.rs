//! In whatever pieces the bytes come, the same is delivered and the same is refused.

use super::{super::Limits, GET, detail, scan_io};
use crate::Fault;
use proptest::prelude::*;
use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    task::{Context, Poll, Waker},
};
use tokio::io::{AsyncRead, ReadBuf};

/// Gives its pieces one by one, then the end.
struct Pieces(VecDeque<Vec<u8>>);

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(mut piece) = self.0.pop_front() {
            let rest = piece.split_off(piece.len().min(buf.remaining()));
            buf.put_slice(&piece);
            if !rest.is_empty() {
                self.0.push_front(rest);
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[derive(Debug, PartialEq)]
struct Seen {
    bytes: String,
    end: String,
    refused: Option<(usize, String)>,
}

/// What hyper reads of these pieces, with room for so many bytes at a time.
fn read(pieces: Vec<Vec<u8>>, room: usize) -> Seen {
    let limits = Limits { head_bytes: 400, target_bytes: 100, ..Limits::default() };
    let (mut io, state) = scan_io(Pieces(pieces.into()), limits);
    let mut bytes = Vec::new();
    let mut cx = Context::from_waker(Waker::noop());
    let end = loop {
        let mut space = vec![0; room + 3];
        let mut buf = ReadBuf::new(&mut space);
        buf.put_slice(b"abc");
        match Pin::new(&mut io).poll_read(&mut cx, &mut buf) {
            Poll::Pending => break "pending".to_owned(),
            Poll::Ready(Ok(())) if buf.filled().len() == 3 => break "end".to_owned(),
            Poll::Ready(Ok(())) => bytes.extend_from_slice(&buf.filled()[3..]),
            Poll::Ready(Err(error)) => {
                assert_eq!(error.kind(), io::ErrorKind::InvalidData);
                let fault = error.get_ref().and_then(|inner| inner.downcast_ref::<Fault>());
                break detail(fault.expect("a fault inside"));
            }
        }
    };
    let refused = (0..100).find_map(|n| state.begin().map(|fault| (n, detail(&fault))));
    Seen { bytes: String::from_utf8_lossy(&bytes).into_owned(), end, refused }
}

fn whole(bytes: &str) -> Seen {
    read(vec![bytes.as_bytes().to_vec()], 64 * 1024)
}

const POST: &str = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";
const CHUNKED: &str = "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\
                       5;a=b\r\nhello\r\n1\r\n\n\r\n0\r\nT: u\r\n\r\n";
const STAND_IN: &str = " / HTTP/1.1\r\nhost: invalid\r\nconnection: close\r\n\r\n";

#[test]
fn good_requests_pass_as_they_are() {
    let stream = [GET, POST, CHUNKED, GET].concat();
    let seen = whole(&stream);
    assert_eq!(seen, Seen { bytes: stream, end: "end".to_owned(), refused: None });
}

#[test]
fn good_good_bad_good() {
    let bad = "HEAD / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n";
    let seen = whole(&[GET, POST, bad, GET].concat());
    assert_eq!(seen.bytes, [GET, POST, "HEAD", STAND_IN].concat());
    assert_eq!(seen.end, "pending");
    assert_eq!(seen.refused, Some((2, "more than one Host".to_owned())));
}

#[test]
fn a_smuggled_request_is_not_delivered() {
    let smuggler = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 41\r\nTransfer-Encoding: chunked\r\n\
                    \r\n0\r\n\r\nGET /admin HTTP/1.1\r\nHost: x\r\n\r\n";
    let seen = whole(&[GET, smuggler].concat());
    assert_eq!(seen.bytes, [GET, "POST", STAND_IN].concat());
}

#[test]
fn stand_ins() {
    for (bad, expected) in [
        ("\x16\x03", "GET / HTTP/1.1\r\n"),
        ("HEAD / HTTP/1.0\nx", "HEAD / HTTP/1.0\r\n"),
        ("PUT / HTTP/3.0\r\n\r\n", "PUT / HTTP/1.1\r\n"),
        ("CONNECT / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\n"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "PRI / HTTP/1.1\r\n"),
    ] {
        let seen = whole(bad);
        assert_eq!(seen.bytes, format!("{expected}host: invalid\r\nconnection: close\r\n\r\n"));
        assert_eq!(seen.refused.map(|(number, _)| number), Some(0), "{bad:?}");
    }
}

#[test]
fn a_broken_body_is_an_error_after_its_good_part() {
    let head = "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    let seen = whole(&[head, "5\r\nhello\r\n5;a\nxxxxx\r\n0\r\n\r\n", GET].concat());
    assert_eq!(seen.bytes, [head, "5\r\nhello\r\n5;a"].concat());
    assert_eq!(seen.end, "LF without CR in chunked framing");
    assert_eq!(seen.refused, None);
}

#[test]
fn empty_lines_are_dropped() {
    let seen = whole(&["\r\n", GET, "\r\n\r\n", POST, "\r\n"].concat());
    assert_eq!(seen, Seen { bytes: [GET, POST].concat(), end: "end".to_owned(), refused: None });
    let seen = whole(&["\r\n\r\n\r\n", GET].concat());
    assert_eq!(seen.bytes, format!("GET{STAND_IN}"));
}

#[test]
fn an_upgrade_lets_everything_through_and_no_request() {
    let upgrade = "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    let stream = [GET, upgrade, "\x01\x02\n\n", GET].concat();
    let seen = whole(&stream);
    assert_eq!((seen.bytes, seen.end.as_str()), (stream, "end"));
    assert_eq!(seen.refused, Some((2, "a request after an upgrade".to_owned())));

    let pieces = VecDeque::from([[GET, upgrade].concat().into_bytes()]);
    let (mut io, state) = scan_io(Pieces(pieces), Limits::default());
    let mut space = [0; 1024];
    let mut cx = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut io).poll_read(&mut cx, &mut ReadBuf::new(&mut space)).is_ready());
    assert_eq!((state.begin(), state.upgradable()), (None, false));
    assert_eq!((state.begin(), state.upgradable()), (None, true));
}

#[test]
fn a_head_that_is_cut_off_is_not_delivered() {
    let seen = whole(&[GET, "GET / HT"].concat());
    assert_eq!(seen, Seen { bytes: GET.to_owned(), end: "end".to_owned(), refused: None });
}

fn message() -> impl Strategy<Value = String> {
    let long = "x".repeat(500);
    let fixed = vec![
        GET.to_owned(),
        POST.to_owned(),
        CHUNKED.to_owned(),
        "\r\n".to_owned(),
        "GET / HTTP/1.0\r\n\r\n".to_owned(),
    ];
    let odd = vec![
        "\n".to_owned(),
        "\r".to_owned(),
        "\0".to_owned(),
        "GET / HTTP/1.1\nHost: x\n\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: x\r\n y\r\n\r\n".to_owned(),
        format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: x\r\nX: {long}\r\n\r\n"),
        CHUNKED.replace("5;", "5\n"),
        CHUNKED.replace("0\r\n", "z\r\n"),
        "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: a\r\n\r\n".to_owned(),
        "GE".to_owned(),
    ];
    prop_oneof![5 => prop::sample::select(fixed), 1 => prop::sample::select(odd)]
}

proptest! {
    #[test]
    fn pieces_do_not_matter(
        messages in prop::collection::vec(message(), 1..8),
        mut cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        room in prop_oneof![1usize..20, Just(8192usize)],
        each in any::<bool>(),
    ) {
        let stream = messages.concat();
        let bytes = stream.as_bytes();
        let pieces = if each {
            bytes.iter().map(|byte| vec![*byte]).collect()
        } else {
            cuts.sort_by_key(|cut| cut.index(bytes.len()));
            let mut pieces = Vec::new();
            let mut from = 0;
            for cut in cuts.iter().map(|cut| cut.index(bytes.len())).chain([bytes.len()]) {
                if cut > from {
                    pieces.push(bytes[from..cut].to_vec());
                    from = cut;
                }
            }
            pieces
        };
        prop_assert_eq!(read(pieces, room), whole(&stream));
    }
}
