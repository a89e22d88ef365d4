use super::{Kind, Place, at, digest, key, name, scopes};
use crate::store::{KeyError, Life, NewKey, Rotation, State, StoredKey};
use jiff::Timestamp;

for_each_kind! {
    what_is_stored_comes_back
    an_id_or_its_beginning
    pages
    revoked_for_good
    rotation_keeps_what_the_key_was
    how_long_the_two_live
    accounts_are_suspended_and_resumed
}

fn rotation(to: &str, life: Life, old_ends_at: Timestamp) -> Rotation {
    Rotation { digest: digest(to), life, old_ends_at }
}

fn revision(place: &Place) -> String {
    place.sql("SELECT value FROM revision")
}

fn what_is_stored_comes_back(kind: Kind) {
    let place = Place::new(kind);
    let mut store = place.store();
    let new = NewKey {
        plan: Some(name("pro")),
        scopes: scopes(&["b", "a"]),
        note: Some("for \"CI\"".parse().unwrap()),
        expires_at: Some(at(100)),
        ..key("first")
    };
    store.create(&new, at(10)).unwrap();
    let drawn = store.create(&NewKey { id: None, ..key("second") }, at(11)).unwrap();
    assert!(drawn.id.starts_with("key_"), "{drawn:?}");

    let StoredKey { id, account, plan, scopes, note, created_at, expires_at, .. } =
        store.key("first").unwrap();
    assert_eq!((id.as_str(), account.as_str(), plan.as_deref()), ("first", "acme", Some("pro")));
    assert_eq!((scopes, note.as_deref()), (vec!["a".into(), "b".into()], Some("for \"CI\"")));
    assert_eq!((created_at, expires_at), (at(10), Some(at(100))));

    let taken = store.create(&NewKey { digest: digest("x"), ..key("first") }, at(12));
    assert!(matches!(taken, Err(KeyError::IdTaken(_))), "{taken:?}");
    assert_eq!(store.accounts("", 10).unwrap()[0].keys, 2);
}

fn an_id_or_its_beginning(kind: Kind) {
    let place = Place::new(kind);
    let mut store = place.store();
    for id in ["key_a", "key_ab", "key_b", "100%"] {
        let digest = digest(&id.replace('%', "-"));
        store.create(&NewKey { id: Some(name(id)), digest, ..key("x") }, at(1)).unwrap();
    }
    let found = |id: &str| store.key(id).map(|key| key.id);
    assert_eq!(found("key_a").unwrap(), "key_a", "the whole id, though another one begins like it");
    assert_eq!(found("key_b").unwrap(), "key_b");
    assert_eq!(found("1").unwrap(), "100%");
    assert!(matches!(found("key_"), Err(KeyError::Ambiguous(_))));
    assert!(matches!(found("key_c"), Err(KeyError::NoSuchKey(_))));
    assert!(matches!(found("%"), Err(KeyError::NoSuchKey(_))));
}

fn pages(kind: Kind) {
    let place = Place::new(kind);
    let mut store = place.store();
    for number in 0..7 {
        let account = name(if number % 2 == 0 { "even" } else { "odd" });
        store.create(&NewKey { account, ..key(&format!("k{number}")) }, at(number)).unwrap();
    }
    let all = |account: Option<&str>, limit| {
        let (mut ids, mut last) = (Vec::new(), None);
        loop {
            let page = store.keys(account, last.as_ref(), limit).unwrap();
            let Some(end) = page.last().cloned() else { return ids };
            last = Some(end);
            ids.extend(page.into_iter().map(|key| key.id));
        }
    };
    for limit in [1, 2, 7, 100] {
        assert_eq!(all(None, limit), ["k0", "k1", "k2", "k3", "k4", "k5", "k6"]);
        assert_eq!(all(Some("odd"), limit), ["k1", "k3", "k5"]);
        assert_eq!(all(Some("nobody"), limit), [""; 0]);
    }
}

fn revoked_for_good(kind: Kind) {
    let place = Place::new(kind);
    let mut store = place.store();
    store.create(&key("a"), at(1)).unwrap();
    let (revoked, new) = store.revoke("a", at(2)).unwrap();
    assert_eq!(
        (revoked.revoked_at, new, revoked.state(at(2))),
        (Some(at(2)), true, State::Revoked)
    );
    let before = revision(&place);
    let (revoked, new) = store.revoke("a", at(3)).unwrap();
    assert_eq!((revoked.revoked_at, new), (Some(at(2)), false));
    assert_eq!(revision(&place), before, "nothing has changed");
    assert!(matches!(store.revoke("b", at(3)), Err(KeyError::NoSuchKey(_))));
    // Half an id revokes nothing.
    store.create(&key("long"), at(1)).unwrap();
    assert!(matches!(store.revoke("lon", at(3)), Err(KeyError::NoSuchKey(_))));
}

fn rotation_keeps_what_the_key_was(kind: Kind) {
    let place = Place::new(kind);
    let mut store = place.store();
    let old = NewKey {
        plan: Some(name("pro")),
        scopes: scopes(&["a"]),
        expires_at: Some(at(1_100)),
        ..key("old")
    };
    store.create(&old, at(1_000)).unwrap();
    let (new, old) =
        store.rotate("old", &rotation("new", Life::AsBefore, at(1_060)), at(1_050)).unwrap();
    assert_eq!((new.plan.as_deref(), new.scopes.len(), &*new.account), (Some("pro"), 1, "acme"));
    assert_eq!(new.expires_at, Some(at(1_150)), "as long a life, from now on");
    assert_eq!(old.expires_at, Some(at(1_060)));
    assert_eq!((old.rotated_to, new.rotated_from.as_deref()), (Some(new.id.clone()), Some("old")));

    let again = store.rotate("old", &rotation("x", Life::AsBefore, at(1_060)), at(1_051));
    assert!(matches!(again, Err(KeyError::Rotated { to, .. }) if to == new.id));
    store.revoke(&new.id, at(1_052)).unwrap();
    let revoked = store.rotate(&new.id, &rotation("x", Life::AsBefore, at(1_060)), at(1_053));
    assert!(matches!(revoked, Err(KeyError::Revoked(_))), "{revoked:?}");
}

fn how_long_the_two_live(kind: Kind) {
    // (the old key's end, the wanted life, the end of the grace) -> (old, new)
    let table = [
        (None, Life::AsBefore, 60, (Some(60), None)),
        (None, Life::Until(at(70)), 60, (Some(60), Some(70))),
        (Some(55), Life::AsBefore, 60, (Some(55), Some(105))),
        (Some(100), Life::Endless, 50, (Some(50), None)),
    ];
    for (end, life, grace, (old_end, new_end)) in table {
        let place = Place::new(kind);
        let mut store = place.store();
        store.create(&NewKey { expires_at: end.map(at), ..key("old") }, at(0)).unwrap();
        let (new, old) = store.rotate("old", &rotation("new", life, at(grace)), at(50)).unwrap();
        assert_eq!(
            (old.expires_at, new.expires_at),
            (old_end.map(at), new_end.map(at)),
            "{life:?}"
        );
    }
}

fn accounts_are_suspended_and_resumed(kind: Kind) {
    let place = Place::new(kind);
    let mut store = place.store();
    store.create(&key("a"), at(1)).unwrap();
    assert!(matches!(store.set_suspended("nobody", true, at(2)), Err(KeyError::NoSuchAccount(_))));
    for (suspended, new) in [(true, true), (true, false), (false, true), (false, false)] {
        let (account, changed) = store.set_suspended("acme", suspended, at(2)).unwrap();
        assert_eq!((account.suspended_at.is_some(), changed), (suspended, new));
        let state = if suspended { State::Suspended } else { State::Active };
        assert_eq!(store.key("a").unwrap().state(at(3)), state);
    }
}
