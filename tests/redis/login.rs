//! Passwords, permissions and TLS.

use super::*;
use std::{fs, net::TcpListener};

const PASSWORD: &str = "correct-horse-5d1f";

async fn connect(url: &str) -> Result<(), Unavailable> {
    store(url).counters().connect().await
}

#[tokio::test]
async fn the_password_is_needed_and_has_to_be_right() {
    let server = RedisServer::start(&["--requirepass", PASSWORD]);
    let url = server.url();
    assert_eq!(connect(&url).await, Err(Unavailable::PasswordRequired));
    assert_eq!(connect(&format!("{url}?pass=wrong")).await, Err(Unavailable::PasswordRejected));
    assert_eq!(connect(&format!("{url}?pass={PASSWORD}")).await, Ok(()));
    assert_eq!(connect(&format!("{url}?user=default&pass={PASSWORD}")).await, Ok(()));
    assert_eq!(
        connect(&format!("{url}?db=99&pass={PASSWORD}")).await,
        Err(Unavailable::NoDatabase)
    );
}

#[tokio::test]
async fn a_password_where_none_is_wanted_is_an_error() {
    let server = RedisServer::start(&[]);
    let url = format!("{}?pass={PASSWORD}", server.url());
    assert_eq!(connect(&url).await, Err(Unavailable::PasswordRejected));
}

#[tokio::test]
async fn the_documented_permissions_are_enough_and_each_is_needed() {
    let server = RedisServer::start(&[]);
    let mut client = server.client();
    let mut user = |name: &str, rules: &[&str]| {
        let rules = ["on", ">p"].iter().chain(rules).copied().collect::<Vec<_>>();
        let _: () =
            redis::cmd("ACL").arg("SETUSER").arg(name).arg(rules).query(&mut client).unwrap();
        format!("{}?db=1&user={name}&pass=p", server.url())
    };
    let needed = ["~tollgate:*", "+evalsha", "+script|load", "+select", "+time", "+get", "+set"];
    let counters = store(&user("all", &needed)).counters();
    assert!(is_admitted(&counters.check(demands([demand("a", 5)])).await.unwrap()));
    for (n, left_out) in needed.iter().enumerate() {
        let rules: Vec<_> = needed.iter().filter(|rule| *rule != left_out).copied().collect();
        let url = user(&format!("without{n}"), &rules);
        assert_eq!(connect(&url).await, Err(Unavailable::NotPermitted), "without {left_out}");
    }
}

#[tokio::test]
async fn a_password_that_changes_is_taken_up_without_a_restart() {
    let server = RedisServer::start(&["--requirepass", "old"]);
    let counters = store(&format!("{}?pass={PASSWORD}", server.url())).counters();
    assert_eq!(counters.connect().await, Err(Unavailable::PasswordRejected));
    let mut client = redis::Client::open(format!("{}?pass=old", server.url()))
        .unwrap()
        .get_connection()
        .unwrap();
    let _: () =
        redis::cmd("CONFIG").arg(&["SET", "requirepass", PASSWORD]).query(&mut client).unwrap();
    back(&counters).await;
}

#[tokio::test]
async fn tls_with_an_authority_of_our_own() {
    let directory = RedisServer::start(&[]);
    let file = |name: &str| directory.socket().with_file_name(name);
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(file("cert.pem"), certified.cert.pem()).unwrap();
    fs::write(file("key.pem"), certified.signing_key.serialize_pem()).unwrap();
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(file("other.pem"), other.cert.pem()).unwrap();

    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let (cert, key) = (file("cert.pem"), file("key.pem"));
    let paths = [cert.to_str().unwrap(), key.to_str().unwrap()];
    let _server = RedisServer::start(&[
        "--tls-port",
        &port,
        "--tls-cert-file",
        paths[0],
        "--tls-key-file",
        paths[1],
        "--tls-auth-clients",
        "no",
        "--requirepass",
        PASSWORD,
    ]);
    let url = format!("rediss://:{PASSWORD}@localhost:{port}");
    let trusting = config(&url).authorities(&cert).unwrap();
    let counters = RedisStore::new(trusting).counters();
    assert!(is_admitted(&counters.check(demands([demand("a", 5)])).await.unwrap()));

    let distrusting = config(&url).authorities(file("other.pem")).unwrap();
    for config in [distrusting, config(&url)] {
        let error = RedisStore::new(config).counters().connect().await.unwrap_err();
        assert!(matches!(error, Unavailable::Tls(_)), "{error}");
        assert!(error.to_string().contains("certificate"), "{error}");
    }
    // TLS where none is spoken, and the other way round.
    let plain = format!("redis://:{PASSWORD}@localhost:{port}");
    assert!(connect(&plain).await.is_err());
}

#[test]
fn authorities_that_are_none_are_refused() {
    let directory = RedisServer::start(&[]);
    let file = directory.socket().with_file_name("rubbish.pem");
    let config = || config("rediss://localhost");
    assert!(config().authorities(&file).is_err(), "missing");
    fs::write(&file, "rubbish").unwrap();
    let error = config().authorities(&file).unwrap_err();
    assert_eq!(error.to_string(), "the certificate authorities cannot be read");
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "there is none in it");
}
