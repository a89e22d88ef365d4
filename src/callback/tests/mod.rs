mod guard;
mod send;
mod tls;

use super::{error::SendError, send::Answer, *};
use crate::forward::Roots;
use bytes::Bytes;
use http::HeaderMap;
use std::{
    future::ready,
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// No test that passes waits as long as this.
const TIMEOUT: Duration = Duration::from_secs(20);

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

fn url(text: &str) -> CallbackUrl {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn guard(allowed: &[&str]) -> Guard {
    Guard::new(allowed.iter().map(|network| network.parse().unwrap()))
}

/// Lets callbacks get to the receivers of these tests.
fn local() -> Guard {
    guard(&["127.0.0.0/8"])
}

fn sender(guard: Guard) -> Sender {
    Sender::new(guard, TIMEOUT, &Roots::system())
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A name that has these addresses, whatever it is.
fn named(guard: Guard, addresses: &[SocketAddr]) -> Guard {
    let addresses = addresses.to_vec();
    guard.with_lookup(move |_, _| Box::pin(ready(Ok(addresses.clone()))))
}

async fn post(sender: &Sender, url: &CallbackUrl) -> Result<Answer, SendError> {
    sender.send(url, HeaderMap::new(), Bytes::from_static(b"s3cret")).await
}

/// Both sides of a call. A receiver that nobody calls does not wait for ever.
async fn both<S, R>(sender: impl Future<Output = S>, receiver: impl Future<Output = R>) -> (S, R) {
    let both = async { tokio::join!(sender, receiver) };
    tokio::time::timeout(TIMEOUT, both).await.unwrap()
}

/// Takes one connection, reads the request, answers and closes. What it has read.
async fn answer(listener: &TcpListener, answer: &[u8]) -> String {
    let (mut socket, request) = take(listener).await;
    socket.write_all(answer).await.unwrap();
    request
}

/// Takes one connection and reads the request.
async fn take(listener: &TcpListener) -> (TcpStream, String) {
    let (mut socket, _) = listener.accept().await.unwrap();
    let request = read_request(&mut socket).await;
    (socket, request)
}

async fn read_request(io: &mut (impl AsyncRead + Unpin)) -> String {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8(read.clone()).unwrap();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let (_, length) = head.split_once("content-length: ").unwrap();
            let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
            if body.len() == length {
                return text;
            }
        }
        assert_ne!(io.read_buf(&mut read).await.unwrap(), 0, "{text}");
    }
}

/// Nobody has connected.
fn nobody_came(listener: TcpListener) {
    let listener = listener.into_std().unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
}
