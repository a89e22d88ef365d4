//! Servers that are none, and servers that refuse.

use super::*;
use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    thread,
};

/// Answers whatever it reads with this; with nothing, it only listens.
fn server(answer: impl Fn(&str) -> String + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            serve(stream, &answer);
        }
    });
    url
}

pub(super) fn serve(mut stream: TcpStream, answer: &impl Fn(&str) -> String) {
    let mut buffer = [0; 64 * 1024];
    while let Ok(n @ 1..) = stream.read(&mut buffer) {
        let asked = String::from_utf8_lossy(&buffer[..n]);
        if stream.write_all(answer(&asked).as_bytes()).is_err() {
            break;
        }
    }
}

async fn connect(url: &str) -> Unavailable {
    store(url).counters().connect().await.unwrap_err()
}

#[tokio::test]
async fn every_refusal_says_what_it_is() {
    let table = [
        ("-LOADING Redis is loading the dataset in memory\r\n", Unavailable::Loading),
        ("-READONLY You can't write against a read only replica.\r\n", Unavailable::ReadOnly),
        ("-OOM command not allowed when used memory > 'maxmemory'.\r\n", Unavailable::OutOfMemory),
        ("-NOAUTH Authentication required.\r\n", Unavailable::PasswordRequired),
        ("-NOPERM this user has no permissions\r\n", Unavailable::NotPermitted),
        ("-MOVED 3999 127.0.0.1:6381\r\n", Unavailable::OtherNode),
        ("-MISCONF Errors writing to the AOF file\r\n", Unavailable::Refused("MISCONF")),
        // As versions before 7 say it of a command inside a script.
        (
            "-ERR Error running script (call to f_1): @user_script:41: -OOM command not allowed\r\n",
            Unavailable::OutOfMemory,
        ),
        (
            "-ERR Error running script (call to f_1): @user_script:41: -READONLY You can't write\r\n",
            Unavailable::ReadOnly,
        ),
        ("-ERR unknown command\r\n", Unavailable::Refused("ERR")),
        ("-S3CRET\r\n", Unavailable::Refused("an unknown error")),
        ("+OK\r\n", Unavailable::NotRedis),
        (":7\r\n", Unavailable::NotRedis),
        ("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", Unavailable::NotRedis),
        ("\0\0rubbish\r\n", Unavailable::NotRedis),
    ];
    for (answer, expected) in table {
        let url = server(move |_| answer.to_owned());
        assert_eq!(connect(&url).await, expected, "{answer}");
    }
}

#[tokio::test]
async fn a_server_that_repeats_a_password_is_not_quoted() {
    let url = server(|asked| {
        let asked = asked.replace("\r\n", " ");
        format!("-ERR unknown command, with args beginning with: {asked}\r\n")
    });
    let store = store(&url.replace("//", "//user:hunter2@"));
    let counters = store.counters();
    let error = counters.connect().await.unwrap_err();
    assert_eq!(error, Unavailable::PasswordRejected);
    let check = counters.check(demands([demand("a", 5)])).await.unwrap_err();
    let seen = format!("{error} {error:?} {check} {check:?} {store:?} {counters:?}");
    assert!(!seen.contains("hunter2"), "{seen}");
}

#[tokio::test]
async fn nothing_there_and_nobody_answering() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = connect(&format!("redis://{closed}")).await;
    assert_eq!(error, Unavailable::Unreachable(std::io::ErrorKind::ConnectionRefused));

    let error = connect("redis://no-such-host.invalid").await;
    // A resolver may take its time to say so.
    assert!(matches!(error, Unavailable::Unresolved | Unavailable::Timeout), "{error}");

    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", silent.local_addr().unwrap());
    let timeout = Duration::from_millis(30);
    let counters = RedisStore::new(config(&url).timeout(timeout)).counters();
    let start = Instant::now();
    for _ in 0..100 {
        let error = counters.check(demands([demand("a", 5)])).await.unwrap_err();
        assert_eq!(reason(&error), Unavailable::Timeout);
    }
    assert!(start.elapsed() < timeout * 50, "each of them waited: {:?}", start.elapsed());
}

#[tokio::test]
async fn a_server_that_turns_to_rubbish_is_left() {
    // Well until a check comes, which is the first to spend something of a quota.
    let url = server(|asked| {
        let answer = match asked {
            asked if asked.contains("LOAD") => "$2\r\nab\r\n",
            asked if asked.contains(":a:") => "*1\r\n:1\r\n",
            _ => "*3\r\n:1\r\n:5\r\n$4\r\n5000\r\n",
        };
        answer.to_owned()
    });
    let counters = store(&url).counters();
    counters.connect().await.unwrap();
    let error = counters.check(demands([demand("a", 5)])).await.unwrap_err();
    assert_eq!(reason(&error), Unavailable::NotRedis);
    assert!(!counters.is_available());
}

#[tokio::test]
async fn a_full_server_and_a_replica() {
    let server = RedisServer::start(&[]);
    let counters = store(&server.url()).counters();
    counters.connect().await.unwrap();
    let mut client = server.client();
    let mut set = |name: &str, value: &str| {
        let _: () = redis::cmd("CONFIG").arg(&["SET", name, value]).query(&mut client).unwrap();
    };
    set("maxmemory", "1");
    let error = counters.check(demands([demand("a", 5)])).await.unwrap_err();
    assert_eq!(reason(&error), Unavailable::OutOfMemory);
    set("maxmemory", "0");
    back(&counters).await;

    let _: () = redis::cmd("REPLICAOF").arg(&["127.0.0.1", "1"]).query(&mut client).unwrap();
    let error = counters.check(demands([demand("a", 5)])).await.unwrap_err();
    assert!(matches!(reason(&error), Unavailable::ReadOnly | Unavailable::Closed), "{error:?}");
    let _: () = redis::cmd("REPLICAOF").arg(&["NO", "ONE"]).query(&mut client).unwrap();
    back(&counters).await;
}

#[tokio::test]
async fn a_check_that_waited_for_the_connection_opens_its_circuit() {
    // Well until a check comes, and then silent.
    let url = server(|asked| {
        let answer = match asked {
            asked if asked.contains("LOAD") => {
                thread::sleep(Duration::from_millis(50));
                "$2\r\nab\r\n"
            }
            asked if asked.contains(":a:") => "",
            _ => "*0\r\n",
        };
        answer.to_owned()
    });
    let counters = RedisStore::new(config(&url).timeout(Duration::from_millis(500))).counters();
    // It is asked before there is a session, and it is the session that does not answer.
    let error = counters.check(demands([demand("a", 5)])).await.unwrap_err();
    assert_eq!(reason(&error), Unavailable::Timeout);
    assert!(!counters.is_available());
}
