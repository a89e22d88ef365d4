//! What only a server does, and what befalls it.

use super::{
    Directory, PostgresServer, at, key, name,
    postgres_server::PASSWORD,
    watch::{follow, get, wait_until},
};
use crate::{
    auth::KeyTable,
    store::{
        KeyError, KeyWatch, Missing, NewKey, Store, StoreError, StoreUrl, postgres::PostgresError,
    },
};
use std::{
    sync::{
        Arc, Barrier,
        atomic::{AtomicI32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// A database of its own on the server that is shared.
struct Database {
    server: Arc<PostgresServer>,
    name: String,
}

impl Database {
    fn new() -> Self {
        let server = PostgresServer::shared();
        let name = server.database();
        Self { server, name }
    }

    fn url(&self) -> StoreUrl {
        url(&self.server.url(&self.name))
    }

    fn url_of(&self, login: &str) -> StoreUrl {
        url(&self.server.url_of(login, &self.name))
    }

    fn sql(&self, statements: &str) -> String {
        self.server.sql(&self.name, statements)
    }

    fn open(&self) -> Store {
        open(&self.url(), Missing::Create).unwrap()
    }
}

fn url(text: &str) -> StoreUrl {
    text.parse().unwrap()
}

fn open(url: &StoreUrl, missing: Missing) -> Result<Store, StoreError> {
    Store::open(url, missing)
}

#[track_caller]
fn refused(url: &StoreUrl) -> PostgresError {
    match open(url, Missing::Create).unwrap_err() {
        StoreError::Postgres(error) => {
            assert!(!format!("{error} {error:?} {url} {url:?}").contains(PASSWORD), "{error:?}");
            error
        }
        error => panic!("{error:?}"),
    }
}

#[test]
fn none_yet() {
    let database = Database::new();
    let missing = open(&database.url(), Missing::Refuse);
    assert!(matches!(missing, Err(StoreError::Missing)), "{missing:?}");
    assert_eq!(Store::plans(&database.url()).unwrap(), [""; 0]);
    assert_eq!(database.sql("SELECT to_regnamespace('tollgate') IS NULL"), "t", "only looked at");
    assert!(database.open().was_created());
    let mut store = open(&database.url(), Missing::Refuse).unwrap();
    assert!(!store.was_created());
    store.create(&NewKey { plan: Some(name("pro")), ..key("a") }, at(1)).unwrap();
    assert_eq!(Store::plans(&database.url()).unwrap(), ["pro"]);
}

/// All of them find a store, which one of them has made.
#[test]
fn several_make_it_at_once() {
    for _ in 0..3 {
        let database = Database::new();
        let barrier = Barrier::new(6);
        let created = AtomicI32::new(0);
        thread::scope(|scope| {
            for number in 0..6 {
                let (database, barrier, created) = (&database, &barrier, &created);
                scope.spawn(move || {
                    barrier.wait();
                    let mut store = database.open();
                    created.fetch_add(store.was_created().into(), Ordering::Relaxed);
                    store.create(&key(&format!("k{number}")), at(1)).unwrap();
                });
            }
        });
        assert_eq!(created.into_inner(), 1);
        assert_eq!(database.open().keys(None, None, 100).unwrap().len(), 6);
        assert_eq!(database.sql("SELECT value FROM tollgate.revision"), "6");
    }
}

#[test]
fn what_is_no_store() {
    let database = Database::new();
    database.sql("CREATE SCHEMA tollgate AUTHORIZATION tollgate");
    database.sql("CREATE TABLE tollgate.users (id int)");
    let foreign = open(&database.url(), Missing::Create);
    assert!(matches!(foreign, Err(StoreError::Foreign)), "{foreign:?}");
    assert_eq!(database.sql("DROP TABLE tollgate.users"), "");
    // An empty schema is one that somebody has made for us.
    assert!(database.open().was_created());
    database.sql("INSERT INTO tollgate.schema_version (version) VALUES (99)");
    let newer = open(&database.url(), Missing::Create);
    assert!(matches!(newer, Err(StoreError::Newer { found: 99, .. })), "{newer:?}");
    assert!(matches!(Store::plans(&database.url()), Err(StoreError::Newer { .. })));

    database.server.sql(
        "postgres",
        &format!(
            "CREATE DATABASE latin_{} OWNER tollgate TEMPLATE template0 ENCODING 'LATIN1'",
            database.name
        ),
    );
    let latin = url(&database.server.url(&format!("latin_{}", database.name)));
    let error = refused(&latin);
    assert!(matches!(&error, PostgresError::Encoding(name) if name == "LATIN1"), "{error:?}");
}

#[test]
fn who_may_not() {
    let Database { server, name } = &Database::new();
    let with = |login: &str, database: &str| refused(&url(&server.url_of(login, database)));
    let error = with("tollgate:wrong", name);
    assert!(matches!(error, PostgresError::Login), "{error:?}");
    let error = with("tollgate", name);
    assert!(matches!(error, PostgresError::NoPassword), "{error:?}");
    let error = with(&format!("tollgate:{PASSWORD}"), "nowhere");
    assert!(matches!(error, PostgresError::NoDatabase), "{error:?}");
    // Nobody of this name may come in without TLS.
    let error = with(&format!("tls:{PASSWORD}"), name);
    assert!(matches!(error, PostgresError::Refused(_)), "{error:?}");
    let error = refused(&url(&format!("{}?sslmode=require", server.url(name))));
    assert!(matches!(error, PostgresError::Tls(_)), "{error:?}");
    let nobody = url(&format!("postgres://u:{PASSWORD}@127.0.0.1:9/d"));
    let error = refused(&nobody);
    assert!(matches!(error, PostgresError::Unreachable(_)), "{error:?}");
    let error = refused(&url(&format!("postgres://u:{PASSWORD}@name.invalid/d")));
    assert!(matches!(error, PostgresError::Unreachable(_)), "{error:?}");
}

/// Somebody who may do little: what that is enough for.
#[test]
fn privileges() {
    let database = Database::new();
    let guest = database.url_of(&format!("scram:{PASSWORD}"));
    let error = refused(&guest);
    assert!(matches!(error, PostgresError::Denied(_)), "{error:?}");
    database.open().create(&key("a"), at(1)).unwrap();
    let error = refused(&guest);
    assert!(matches!(error, PostgresError::Denied(_)), "{error:?}");
    // A gateway only reads.
    database.sql("GRANT USAGE ON SCHEMA tollgate TO scram");
    database.sql("GRANT SELECT ON ALL TABLES IN SCHEMA tollgate TO scram");
    let (mut follower, table) = follow(&guest);
    assert!(get(&table, "a").is_some());
    database.open().create(&key("b"), at(2)).unwrap();
    follower.poll().unwrap();
    assert!(get(&table, "b").is_some());
    let error = open(&guest, Missing::Refuse).unwrap().revoke("a", at(3)).unwrap_err();
    assert!(
        matches!(error, KeyError::Store(StoreError::Postgres(PostgresError::Denied(_)))),
        "{error:?}"
    );
    // And this is enough for every command.
    database.sql("GRANT INSERT, UPDATE ON ALL TABLES IN SCHEMA tollgate TO scram");
    let mut store = open(&guest, Missing::Refuse).unwrap();
    assert!(store.revoke("a", at(3)).unwrap().1);
    store.create(&NewKey { account: name("new"), ..key("c") }, at(3)).unwrap();
    assert_eq!(store.import(&[(1, key("d"))], false, at(3)).unwrap().added, 1);
    store.set_suspended("new", true, at(3)).unwrap();
}

/// A standby says the same.
#[test]
fn it_may_only_be_read() {
    let database = Database::new();
    database.open().create(&key("a"), at(1)).unwrap();
    database
        .sql(&format!("ALTER DATABASE {} SET default_transaction_read_only = on", database.name));
    let (_, table) = follow(&database.url());
    assert!(get(&table, "a").is_some());
    let error =
        open(&database.url(), Missing::Refuse).unwrap().create(&key("b"), at(2)).unwrap_err();
    assert!(
        matches!(error, KeyError::Store(StoreError::Postgres(PostgresError::ReadOnly))),
        "{error:?}"
    );
    let text = format!("{}?target_session_attrs=read-write", database.server.url(&database.name));
    let error = refused(&url(&text));
    assert!(error.to_string().contains("does not allow writes"), "{error}");
}

#[test]
fn somebody_keeps_it_locked() {
    let database = Database::new();
    let mut store = database.open();
    store.create(&key("a"), at(1)).unwrap();
    let mut other = database.server.session(&database.name);
    other.run("BEGIN; SELECT FROM tollgate.revision FOR UPDATE");
    static ASKED: AtomicI32 = AtomicI32::new(0);
    store
        .when_locked(|attempts| {
            ASKED.store(attempts, Ordering::Relaxed);
            attempts < 10
        })
        .unwrap();
    let error = store.revoke("a", at(2)).unwrap_err();
    assert!(matches!(error, KeyError::Store(StoreError::Locked)), "{error:?}");
    assert_eq!(ASKED.load(Ordering::Relaxed), 10);
    // Who only reads does not wait.
    let mut second = database.open();
    assert!(second.key("a").unwrap().revoked_at.is_none());
    // Nobody to ask: the server has an end to it.
    let began = Instant::now();
    let error = second.revoke("a", at(2)).unwrap_err();
    assert!(matches!(error, KeyError::Store(StoreError::Locked)), "{error:?}");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    other.run("COMMIT");
    assert!(second.revoke("a", at(3)).unwrap().1);
}

/// Whoever is refused is refused alone.
#[test]
fn a_session_goes_on_after_a_refusal() {
    let database = Database::new();
    let mut store = database.open();
    store.create(&key("a"), at(1)).unwrap();
    for _ in 0..2 {
        let taken = store.create(&key("a"), at(2));
        assert!(matches!(taken, Err(KeyError::IdTaken(_))), "{taken:?}");
        assert!(matches!(store.revoke("b", at(2)), Err(KeyError::NoSuchKey(_))));
    }
    assert_eq!(database.sql("SELECT value FROM tollgate.revision"), "1");
    assert!(store.revoke("a", at(3)).unwrap().1);
}

#[test]
fn more_keys_than_are_read_at_once() {
    let database = Database::new();
    let mut store = database.open();
    let lines = |first: u64, last: u64| -> Vec<(u64, NewKey)> {
        let key =
            |line: u64| NewKey { account: name(&format!("a{line}")), ..key(&format!("k{line}")) };
        (first..=last).map(|line| (line, key(line))).collect()
    };
    assert_eq!(store.import(&lines(1, 10_001), false, at(1)).unwrap().added, 10_001);
    let (mut follower, table) = follow(&database.url());
    assert_eq!(table.len(), 10_001);
    let imported = store.import(&lines(9_000, 20_500), false, at(2)).unwrap();
    assert_eq!((imported.added, imported.unchanged), (10_499, 1_002));
    follower.poll().unwrap();
    assert_eq!(table.len(), 20_500);
    assert!(get(&table, "k20500").is_some() && get(&table, "k10002").is_some());
}

/// A backup in the place of what was there, as pg_restore puts it: the same identity, and a revision that was seen.
#[test]
fn tables_are_replaced() {
    let database = Database::new();
    let mut store = database.open();
    store.create(&key("kept"), at(1)).unwrap();
    let (mut follower, table) = follow(&database.url());
    database.sql(
        "BEGIN;
         CREATE TABLE other (LIKE tollgate.revision INCLUDING ALL);
         INSERT INTO other SELECT * FROM tollgate.revision;
         UPDATE tollgate.keys SET id = 'restored';
         DROP TABLE tollgate.revision;
         ALTER TABLE other SET SCHEMA tollgate;
         ALTER TABLE tollgate.other RENAME TO revision;
         GRANT ALL ON tollgate.revision TO tollgate;
         COMMIT",
    );
    follower.poll().unwrap();
    assert_eq!(get(&table, "kept").unwrap().principal.key_id(), "restored");
    // The same table says that it is another store.
    database.sql("BEGIN; UPDATE tollgate.keys SET id = 'again'; UPDATE tollgate.revision SET store = gen_random_uuid(); COMMIT");
    follower.poll().unwrap();
    assert_eq!(get(&table, "kept").unwrap().principal.key_id(), "again");
}

/// While there is no store, or half of one, the keys stay.
#[test]
fn the_schema_is_gone_for_a_while() {
    let database = Database::new();
    database.open().create(&key("a"), at(1)).unwrap();
    let (mut follower, table) = follow(&database.url());
    database.sql("ALTER SCHEMA tollgate RENAME TO aside");
    for _ in 0..2 {
        let error = follower.poll().unwrap_err();
        assert!(matches!(error, StoreError::Missing), "{error:?}");
        assert!(get(&table, "a").is_some());
    }
    database.sql(
        "ALTER SCHEMA aside RENAME TO tollgate; INSERT INTO tollgate.schema_version VALUES (99)",
    );
    let error = follower.poll().unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 99, .. }), "{error:?}");
    database.sql("DELETE FROM tollgate.schema_version WHERE version = 99");
    database.open().create(&key("b"), at(2)).unwrap();
    follower.poll().unwrap();
    assert!(get(&table, "a").is_some() && get(&table, "b").is_some());
}

/// A migration by a newer version, while a gateway of this one is connected.
#[test]
fn the_schema_becomes_newer() {
    let database = Database::new();
    database.open().create(&key("a"), at(1)).unwrap();
    let (mut follower, table) = follow(&database.url());
    database.sql("INSERT INTO tollgate.schema_version VALUES (99)");
    let error = follower.poll().unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 99, .. }), "{error:?}");
    assert!(get(&table, "a").is_some());
}

/// Rows that no version of this program wrote.
#[test]
fn impossible_rows() {
    for sql in [
        "UPDATE tollgate.keys SET scopes = '[1]'",
        "UPDATE tollgate.keys SET expires_at = 9223372036854775807",
        "ALTER TABLE tollgate.keys DROP CONSTRAINT keys_digest_check; UPDATE tollgate.keys SET digest = ''",
        "ALTER TABLE tollgate.keys DROP CONSTRAINT keys_account_fkey; DELETE FROM tollgate.accounts",
        "ALTER TABLE tollgate.keys ALTER expires_at TYPE text",
    ] {
        let database = Database::new();
        database.open().create(&key("a"), at(1)).unwrap();
        let (mut follower, _) = follow(&database.url());
        database.sql(sql);
        follower.close();
        let error = follower.poll().unwrap_err();
        assert!(matches!(error, StoreError::Corrupt(_)), "{sql}: {error:?}");
    }
}

/// A name that a person of another alphabet has, in the order of bytes.
#[test]
fn every_character_has_its_place() {
    let database = Database::new();
    let mut store = database.open();
    for (number, id) in ["ä", "Z", "a", "日本", "\u{10fffd}"].into_iter().enumerate() {
        let digest = super::digest(&format!("key-{number}"));
        let new = NewKey { id: Some(name(id)), account: name(id), digest, ..key("x") };
        store.create(&new, at(1)).unwrap();
    }
    let names: Vec<_> = store.accounts("", 10).unwrap().into_iter().map(|a| a.name).collect();
    assert_eq!(names, ["Z", "a", "ä", "日本", "\u{10fffd}"]);
    assert_eq!(store.key("日").unwrap().id, "日本");
    assert_eq!(store.key("\u{10fffd}").unwrap().account, "\u{10fffd}");
}

/// The thread, and a server that ends, comes back, and hangs.
#[test]
fn the_thread_outlives_the_server() {
    let mut server = PostgresServer::start(&[]);
    let database = server.database();
    let url = url(&server.url(&database));
    let table = KeyTable::default();
    let watch = KeyWatch::start(&url, table.clone()).unwrap();
    let create = |id: &str| open(&url, Missing::Refuse).unwrap().create(&key(id), at(1)).unwrap();
    create("a");
    wait_until(|| get(&table, "a").is_some());
    for (number, end) in [PostgresServer::stop, PostgresServer::kill].into_iter().enumerate() {
        end(&mut server);
        wait_until(|| !watch.is_healthy());
        assert!(get(&table, "a").is_some());
        let error = refused(&url);
        assert!(matches!(error, PostgresError::Unreachable(_)), "{error:?}");
        server.restart();
        wait_until(|| watch.is_healthy());
        let id = format!("after-{number}");
        create(&id);
        wait_until(|| get(&table, &id).is_some());
    }
    server.pause();
    wait_until(|| !watch.is_healthy());
    let error = refused(&url);
    assert!(matches!(error, PostgresError::Silent(_)), "{error:?}");
    server.resume();
    wait_until(|| watch.is_healthy());
    assert!(get(&table, "a").is_some());
}

/// A server that is told to end says so to who is connecting, and to who is connected.
#[test]
fn a_connection_is_ended() {
    let database = Database::new();
    let mut store = database.open();
    store.create(&key("a"), at(1)).unwrap();
    let ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'tollgate'";
    assert_eq!(database.sql(ended), "1");
    let error = store.revoke("a", at(2)).unwrap_err();
    let KeyError::Store(StoreError::Postgres(error)) = error else { panic!("{error:?}") };
    assert!(matches!(error, PostgresError::Lost | PostgresError::Unavailable), "{error:?}");
    assert!(database.open().key("a").unwrap().revoked_at.is_none());
}

/// A server with this certificate and its key.
fn with_tls(certificate: &rcgen::Certificate, key: &rcgen::KeyPair) -> PostgresServer {
    let mut server = PostgresServer::start(&[]);
    server.stop();
    server.set("ssl=on");
    for (setting, contents) in
        [("ssl_cert_file", certificate.pem()), ("ssl_key_file", key.serialize_pem())]
    {
        let file = server.file(setting, &contents);
        server.set(&format!("{setting}={}", file.display()));
    }
    server.restart();
    server
}

/// Opens a store as the user who may come in with TLS only: what is said if that fails.
fn open_with_tls(server: &PostgresServer, parameters: &str) -> Result<(), String> {
    let text = server.url_of("tls", &format!("postgres?{parameters}"));
    match open(&url(&text), Missing::Create) {
        Ok(_) => Ok(()),
        Err(StoreError::Postgres(PostgresError::Tls(said))) => Err(said),
        Err(error) => Err(format!("not TLS: {error:?}")),
    }
}

#[test]
fn certificates_are_looked_at_as_the_mode_says() {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    let authority = |name: &str| {
        let mut parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        (parameters.self_signed(&key).unwrap(), key, parameters)
    };
    let (ours, ours_key, ours_parameters) = authority("ours.example");
    let (other, ..) = authority("other.example");
    let key = KeyPair::generate().unwrap();
    let parameters = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let issuer = Issuer::from_params(&ours_parameters, &ours_key);
    let signed = parameters.signed_by(&key, &issuer).unwrap();

    let server = with_tls(&signed, &key);
    server.sql("postgres", "GRANT CREATE ON DATABASE postgres TO tls");
    let directory = Directory::new();
    let file = |name: &str, contents: &str| {
        let path = directory.path(name);
        std::fs::write(&path, contents).unwrap();
        path.display().to_string()
    };
    let (ours_file, other_file) = (file("ours", &ours.pem()), file("other", &other.pem()));
    let empty_file = file("empty", "");
    let table = [
        ("", None),
        ("sslmode=disable", Some("not TLS")),
        ("sslmode=prefer", None),
        ("sslmode=require", None),
        ("sslmode=require&sslrootcert=OTHER", Some("invalid peer certificate")),
        ("sslmode=verify-ca&sslrootcert=OURS", None),
        ("sslmode=verify-full&sslrootcert=OURS", None),
        ("sslmode=verify-full&sslrootcert=OTHER", Some("invalid peer certificate")),
        // The system's authorities do not know ours.
        ("sslmode=verify-full", Some("invalid peer certificate")),
        ("sslmode=verify-ca&sslrootcert=system", Some("invalid peer certificate")),
        ("sslmode=verify-ca&sslrootcert=EMPTY", Some("no certificate")),
        ("sslmode=verify-ca&sslrootcert=/nowhere.pem", Some("nowhere.pem")),
    ];
    let check = |server: &PostgresServer, parameters: &str, refused: Option<&str>| {
        let given = parameters.replace("OURS", &ours_file).replace("OTHER", &other_file);
        let opened = open_with_tls(server, &given.replace("EMPTY", &empty_file));
        match (refused, opened) {
            (None, opened) => assert_eq!(opened, Ok(()), "{parameters}"),
            (Some(said), opened) => {
                let error = opened.expect_err(parameters);
                assert!(error.contains(said), "{parameters}: {error}");
            }
        }
    };
    for (parameters, refused) in table {
        check(&server, parameters, refused);
    }

    // A server that is its own authority, and is called otherwise.
    let server = with_tls(&ours, &ours_key);
    server.sql("postgres", "GRANT CREATE ON DATABASE postgres TO tls");
    for (parameters, refused) in [
        ("sslmode=verify-ca&sslrootcert=OURS", None),
        ("sslmode=require&sslrootcert=OURS", None),
        ("sslmode=verify-ca&sslrootcert=OTHER", Some("invalid peer certificate")),
        ("sslmode=verify-full&sslrootcert=OURS", Some("not valid for name")),
    ] {
        check(&server, parameters, refused);
    }
}

/// Whoever does not hear that a change was stored cannot know.
#[test]
fn a_connection_ends_while_a_change_is_stored() {
    let database = Database::new();
    let mut store = database.open();
    store.create(&key("a"), at(1)).unwrap();
    database.sql(
        "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
             'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END';
         CREATE CONSTRAINT TRIGGER die AFTER UPDATE ON tollgate.revision
             DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION die()",
    );
    let error = store.revoke("a", at(2)).unwrap_err();
    assert!(
        matches!(error, KeyError::Store(StoreError::Postgres(PostgresError::InDoubt))),
        "{error:?}"
    );
}

/// Through SCRAM, a socket, and the second of two hosts.
#[test]
fn ways_in() {
    let Database { server, name } = &Database::new();
    open(&url(&server.url(name)), Missing::Create).unwrap();
    server.sql(
        name,
        "GRANT USAGE ON SCHEMA tollgate TO scram; GRANT SELECT ON ALL TABLES IN SCHEMA tollgate TO scram",
    );
    let (port, directory) = (server.port(), server.directory().display());
    for text in [
        server.url_of(&format!("scram:{PASSWORD}"), name),
        format!("postgres://tollgate@/{name}?host={directory}&port={port}"),
        format!("postgres://tollgate:{PASSWORD}@127.0.0.1:9,127.0.0.1:{port}/{name}"),
    ] {
        open(&url(&text), Missing::Refuse).unwrap();
    }
}
