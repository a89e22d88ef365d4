use super::super::{Protocol, Rewind, detect};
use bytes::Bytes;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, duplex},
    time::Instant,
};

const WAIT: Duration = Duration::from_secs(3);

async fn detected(pieces: &[&str], close: bool) -> Option<(Protocol, Bytes)> {
    let (mut client, mut server) = duplex(1024);
    let detecting = tokio::spawn(async move { detect(&mut server, WAIT).await.unwrap() });
    for piece in pieces {
        let _ = client.write_all(piece.as_bytes()).await;
        tokio::task::yield_now().await;
    }
    if close {
        drop(client);
        return detecting.await.unwrap();
    }
    detecting.await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn protocols() {
    for (pieces, close, expected) in [
        (&["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0"][..], false, Some(Protocol::Http2)),
        (&["PR", "I * HTTP/2.0\r\n\r\nSM\r\n", "\r\n"], false, Some(Protocol::Http2)),
        (&["G"], false, Some(Protocol::Http1)),
        (&["P", "O"], false, Some(Protocol::Http1)),
        (&["PRI * HTTP/2.0\r\n\r\nXX"], false, Some(Protocol::Http1)),
        (&["\x16"], false, Some(Protocol::Http1)),
        // A preface that stops.
        (&["PRI"], false, Some(Protocol::Http1)),
        (&["PRI"], true, Some(Protocol::Http1)),
        (&[], true, None),
        (&[], false, None),
    ] {
        let started = Instant::now();
        let got = detected(pieces, close).await;
        let waits = !close && matches!(pieces, [] | ["PRI"]);
        assert_eq!(started.elapsed() >= WAIT, waits, "{pieces:?}");
        assert!(started.elapsed() <= WAIT + Duration::from_millis(1), "{pieces:?}");
        assert_eq!(got.as_ref().map(|(protocol, _)| *protocol), expected, "{pieces:?}");
        if let Some((_, bytes)) = got {
            assert_eq!(bytes, pieces.concat(), "{pieces:?}");
        }
    }
}

#[tokio::test]
async fn rewound() {
    let (mut client, server) = duplex(1024);
    client.write_all(b"world").await.unwrap();
    let mut io = Rewind::new(server, Bytes::from_static(b"hello "));
    let mut start = [0; 4];
    io.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"hell");
    io.write_all(b"answer").await.unwrap();
    io.shutdown().await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "answer");
    drop(client);
    let mut rest = String::new();
    io.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "o world");
}
