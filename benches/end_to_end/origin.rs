//! The provider: the same answer to every request. Without hyper, so that it is fast enough for any proxy.

use super::{process::announce, scenario::ANSWER};
use httparse::Status;
use std::io;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime,
};

pub(super) fn run() {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        announce(listener.local_addr().unwrap());
        let length = ANSWER.len();
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{ANSWER}"
        );
        let answer: &'static str = answer.leak();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(stream, answer));
        }
    });
}

/// Answers the requests of one connection until it ends. Pipelining is not for a proxy's pool to do.
async fn serve(mut stream: TcpStream, answer: &'static str) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut buffer, mut filled) = ([0; 16 * 1024], 0);
    loop {
        let read = stream.read(&mut buffer[filled..]).await?;
        filled += read;
        if read == 0 {
            return Ok(());
        }
        if length(&buffer[..filled]).is_some_and(|length| length <= filled) {
            filled = 0;
            stream.write_all(answer.as_bytes()).await?;
        }
    }
}

/// The length of the request that these bytes begin with, if its head is whole. A body is of a known length, or
/// chunked and small enough to come whole with its end.
fn length(bytes: &[u8]) -> Option<usize> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut fields);
    let Ok(Status::Complete(head)) = request.parse(bytes) else {
        return None;
    };
    let field = |name: &str| {
        let found = request.headers.iter();
        found.filter(|field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value).next()
    };
    if field("transfer-encoding").is_some() && !bytes.ends_with(b"0\r\n\r\n") {
        return None;
    }
    let body = field("content-length")
        .map_or(Some(0), |value| std::str::from_utf8(value).ok()?.parse::<usize>().ok());
    Some(head + body?)
}
