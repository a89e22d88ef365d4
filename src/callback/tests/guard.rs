use super::*;

/// What comes of a URL: its addresses without the port, `private` or `unknown`.
async fn outcome(guard: &Guard, text: &str) -> String {
    match guard.resolve(&url(text)).await {
        Ok(addresses) => {
            let ips: Vec<_> = addresses.iter().map(|address| address.ip().to_string()).collect();
            ips.join(" ")
        }
        Err(Refused::Private) => "private".to_owned(),
        Err(Refused::Unknown(_)) => "unknown".to_owned(),
    }
}

fn with_names(guard: Guard) -> Guard {
    guard.with_lookup(|host, port| {
        let ips: &[&str] = match host {
            "public" => &["1.1.1.1", "2606:4700:4700::1111"],
            "private" => &["10.0.0.1"],
            "public-first" => &["1.1.1.1", "10.0.0.1"],
            "public-last" => &["10.0.0.1", "1.1.1.1"],
            "late" => &["1.1.1.1", "1.1.1.2", "1.1.1.3", "1.1.1.4", "1.1.1.5", "127.0.0.1"],
            "many" => &["1.1.1.1", "1.1.1.2", "1.1.1.3", "1.1.1.4", "1.1.1.5"],
            "mapped" => &["::ffff:10.0.0.1"],
            "mapped-public" => &["::ffff:1.1.1.1"],
            "translated" => &["64:ff9b::10.0.0.1"],
            "nothing" => &[],
            _ => return Box::pin(ready(Err(io::Error::other("no such name")))),
        };
        let address = |ip: &&str| SocketAddr::new(ip.parse().unwrap(), port);
        Box::pin(ready(Ok(ips.iter().map(address).collect())))
    })
}

#[tokio::test]
async fn names() {
    let strict = with_names(guard(&[]));
    let lenient = with_names(guard(&["192.168.0.0/16", "10.0.0.0/8"]));
    for (host, want, allowed) in [
        ("public", "1.1.1.1 2606:4700:4700::1111", "1.1.1.1 2606:4700:4700::1111"),
        ("private", "private", "10.0.0.1"),
        ("public-first", "private", "1.1.1.1 10.0.0.1"),
        ("public-last", "private", "10.0.0.1 1.1.1.1"),
        // Those that are not tried are looked at too.
        ("late", "private", "private"),
        ("many", "1.1.1.1 1.1.1.2 1.1.1.3 1.1.1.4", "1.1.1.1 1.1.1.2 1.1.1.3 1.1.1.4"),
        ("mapped", "private", "10.0.0.1"),
        ("mapped-public", "1.1.1.1", "1.1.1.1"),
        // What translates it is somebody else's machine.
        ("translated", "private", "private"),
        ("nothing", "unknown", "unknown"),
        ("fails", "unknown", "unknown"),
    ] {
        for scheme in ["http", "https"] {
            let text = format!("{scheme}://{host}/x");
            assert_eq!(outcome(&strict, &text).await, want, "{text}");
            assert_eq!(outcome(&lenient, &text).await, allowed, "{text}");
        }
    }
    let ports = strict.resolve(&url("https://public")).await.unwrap();
    assert!(ports.iter().all(|address| address.port() == 443), "{ports:?}");
}

#[tokio::test]
async fn addresses_are_not_looked_up() {
    let unused = |guard: Guard| guard.with_lookup(|host, _| panic!("{host} was looked up"));
    let strict = unused(guard(&[]));
    let lenient = unused(guard(&["127.0.0.0/8", "fd00::/8"]));
    for (host, want, allowed) in [
        ("1.1.1.1", "1.1.1.1", "1.1.1.1"),
        ("127.0.0.1", "private", "127.0.0.1"),
        ("10.0.0.1", "private", "private"),
        ("169.254.169.254", "private", "private"),
        ("[::1]", "private", "private"),
        ("[fd00::1]", "private", "fd00::1"),
        ("[::ffff:127.0.0.1]", "private", "127.0.0.1"),
        ("[::ffff:7f00:1]", "private", "127.0.0.1"),
        ("[64:ff9b::7f00:1]", "private", "private"),
        ("[2606:4700:4700::1111]", "2606:4700:4700::1111", "2606:4700:4700::1111"),
    ] {
        let text = format!("http://{host}:8080/");
        for (guard, want) in [(&strict, want), (&lenient, allowed)] {
            assert_eq!(outcome(guard, &text).await, want, "{text}");
            assert_eq!(guard.check_literal(&url(&text)).is_err(), want == "private", "{text}");
        }
    }
    let addresses = strict.resolve(&url("http://[::ffff:1.1.1.1]:8080")).await.unwrap();
    assert_eq!(addresses, ["1.1.1.1:8080".parse().unwrap()]);
}

/// What only the system's resolver takes for an address. None of these asks a server of names.
#[tokio::test]
async fn other_ways_to_write_an_address() {
    for host in ["127.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "localhost"] {
        let text = format!("http://{host}/");
        assert_eq!(outcome(&guard(&[]), &text).await, "private", "{text}");
    }
    assert_eq!(outcome(&local(), "http://127.1/").await, "127.0.0.1");
}
