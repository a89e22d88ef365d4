use super::*;
use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use std::sync::Arc;
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// A certificate for this name that nobody else has signed, and what accepts connections with it.
fn certificate(name: &str) -> (CertificateDer<'static>, TlsAcceptor) {
    let mut parameters = CertificateParams::new([name.to_owned()]).unwrap();
    parameters.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate().unwrap();
    let certificate = parameters.self_signed(&key).unwrap().der().clone();
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    (certificate, TlsAcceptor::from(Arc::new(config)))
}

fn trusting(certificate: CertificateDer<'_>, guard: Guard) -> Sender {
    Sender::new(guard, TIMEOUT, &Roots::given([certificate]).unwrap())
}

async fn accept(listener: &TcpListener, tls: &TlsAcceptor) -> io::Result<TlsStream<TcpStream>> {
    let (socket, _) = listener.accept().await.unwrap();
    tls.accept(socket).await
}

#[tokio::test]
async fn the_right_name() {
    for (certified, host, sni) in [
        ("hook.example", "hook.example", Some("hook.example")),
        ("hook.example", "HOOK.example.", Some("hook.example")),
        ("127.0.0.1", "127.0.0.1", None),
    ] {
        let (listener, address) = listen().await;
        let (certificate, tls) = certificate(certified);
        let sender = trusting(certificate, named(local(), &[address]));
        let to = url(&format!("https://{host}:{}/hook", address.port()));
        let receive = async {
            let mut stream = accept(&listener, &tls).await.unwrap();
            let (_, connection) = stream.get_ref();
            let said = connection.server_name().map(str::to_ascii_lowercase);
            assert_eq!(said.as_deref(), sni);
            assert_eq!(connection.alpn_protocol(), Some(&b"http/1.1"[..]));
            let request = read_request(&mut stream).await;
            for piece in ["HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", "hel", "lo"] {
                stream.write_all(piece.as_bytes()).await.unwrap();
                stream.flush().await.unwrap();
                tokio::task::yield_now().await;
            }
            // Closed as TLS wants it: anything else is an error.
            assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
            request
        };
        let (sent, request) = both(post(&sender, &to), receive).await;
        assert_eq!(sent.unwrap().status, 200);
        assert!(request.starts_with("POST /hook HTTP/1.1\r\n"), "{request}");
        let authority = format!("{host}:{}", address.port());
        assert!(request.contains(&format!("\r\nhost: {authority}\r\n")), "{request}");
    }
}

#[tokio::test]
async fn certificates_that_are_not_trusted() {
    let (right, right_tls) = certificate("hook.example");
    let (other, other_tls) = certificate("other.example");
    let (listener, address) = listen().await;
    let name = "TLS failed: the certificate is for another name";
    let issuer = "TLS failed: invalid peer certificate: UnknownIssuer";
    for (root, tls, host, want) in [
        (&other, &other_tls, "hook.example", name),
        (&right, &right_tls, "sub.hook.example", name),
        (&right, &right_tls, "127.0.0.1", name),
        (&other, &right_tls, "hook.example", issuer),
    ] {
        let sender = trusting(root.clone(), named(local(), &[address]));
        let to = url(&format!("https://{host}:{}/?s3cret", address.port()));
        let receive = async {
            // That it is refused may be seen in the handshake or behind it; a request is not.
            if let Ok(mut stream) = accept(&listener, tls).await {
                let read = stream.read(&mut [0]).await;
                assert!(!matches!(read, Ok(1..)), "{read:?}");
            }
        };
        let (sent, ()) = both(post(&sender, &to), receive).await;
        let error = sent.unwrap_err();
        assert!(matches!(error, SendError::Tls(_)), "{error:?}");
        assert_eq!(error.to_string(), want, "{to}");
    }
}

#[tokio::test]
async fn what_is_not_tls() {
    let (listener, address) = listen().await;
    let (right, tls) = certificate("hook.example");
    let sender = trusting(right, named(local(), &[address]));
    let to = url("https://hook.example/?s3cret");
    for (said, want) in [
        ("", "TLS failed: tls handshake eof"),
        (OK, "TLS failed: received corrupt message of type InvalidContentType"),
    ] {
        let receive = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            // What is left unread would turn the end into a reset.
            socket.read_buf(&mut Vec::with_capacity(64 * 1024)).await.unwrap();
            socket.write_all(said.as_bytes()).await.unwrap();
        };
        let (sent, ()) = both(post(&sender, &to), receive).await;
        assert_eq!(sent.unwrap_err().to_string(), want);
    }
    // And the other way round.
    let plain = url("http://hook.example/?s3cret");
    let (sent, accepted) = both(post(&sender, &plain), accept(&listener, &tls)).await;
    assert!(accepted.is_err());
    let error = sent.unwrap_err();
    assert!(matches!(error, SendError::Http(_)), "{error:?}");
}

#[tokio::test]
async fn a_host_that_no_certificate_can_be_for() {
    let (listener, address) = listen().await;
    let sender = sender(named(local(), &[address]));
    for host in ["127.1", "2130706433", "a~b", "a..b"] {
        let error = post(&sender, &url(&format!("https://{host}/"))).await.unwrap_err();
        let want = "TLS failed: the host is no name of a certificate";
        assert_eq!(error.to_string(), want, "{host}");
    }
    nobody_came(listener);
}
