use super::{Kind, Place, at, digest, key, name, scopes};
use crate::store::{ImportError, Imported, Life, NewKey, Rotation, Store, import::Clash};

for_each_kind! {
    the_same_twice
    other_data_is_an_error_or_an_update
    ids_are_not_taken_away
    a_revoked_key_stays_revoked
    a_rotation_is_not_undone
    lines_that_meet
}

fn import(store: &mut Store, keys: &[NewKey], update: bool) -> Result<Imported, ImportError> {
    let lines: Vec<_> = (1..).zip(keys.iter().cloned()).collect();
    store.import(&lines, update, at(50))
}

fn counts(imported: Imported) -> (u64, u64, u64) {
    (imported.added, imported.updated, imported.unchanged)
}

fn the_same_twice(kind: Kind) {
    let place = Place::new(kind);
    let mut store = place.store();
    let full = NewKey { plan: Some(name("pro")), scopes: scopes(&["a", "b"]), ..key("a") };
    // An id or a note that is not given is as it is.
    let bare = NewKey { id: None, ..full.clone() };
    let keys = [full.clone(), key("b")];
    assert_eq!(counts(import(&mut store, &keys, false).unwrap()), (2, 0, 0));
    assert_eq!(counts(import(&mut store, &keys, true).unwrap()), (0, 0, 2));
    assert_eq!(counts(import(&mut store, &[bare, full], false).unwrap()), (0, 0, 2));
}

fn other_data_is_an_error_or_an_update(kind: Kind) {
    let base = key("a");
    let table = [
        (NewKey { account: name("other"), ..base.clone() }, "account"),
        (NewKey { plan: Some(name("pro")), ..base.clone() }, "plan"),
        (NewKey { scopes: scopes(&["x"]), ..base.clone() }, "scopes"),
        (NewKey { expires_at: Some(at(9)), ..base.clone() }, "expires_at"),
        (NewKey { note: Some("n".parse().unwrap()), ..base.clone() }, "note"),
        (NewKey { id: Some(name("z")), ..base.clone() }, "id"),
    ];
    for (other, field) in table {
        let place = Place::new(kind);
        let mut store = place.store();
        store.create(&base, at(1)).unwrap();
        let refused = import(&mut store, &[key("b"), other.clone()], false).unwrap_err();
        let ImportError::Clashes(clashes) = refused else { panic!("{refused:?}") };
        assert_eq!(clashes, [(2, Clash::Differs(vec![field]))]);
        assert_eq!(store.keys(None, None, 10).unwrap().len(), 1, "all or nothing");
        let updated = import(&mut store, &[key("b"), other.clone()], true).unwrap();
        assert_eq!(counts(updated), (1, 1, 0), "{field}");
        assert_eq!(counts(import(&mut store, &[other], false).unwrap()), (0, 0, 1), "{field}");
    }
}

fn ids_are_not_taken_away(kind: Kind) {
    let place = Place::new(kind);
    let mut store = place.store();
    store.create(&key("a"), at(1)).unwrap();
    store.create(&key("b"), at(1)).unwrap();
    let thief = NewKey { digest: digest("new"), ..key("a") };
    let renamed = NewKey { digest: digest("b"), ..key("a") };
    for key in [thief, renamed] {
        let refused = import(&mut store, &[key], true).unwrap_err();
        let ImportError::Clashes(clashes) = refused else { panic!("{refused:?}") };
        assert_eq!(clashes, [(1, Clash::IdTaken)]);
    }
}

fn a_revoked_key_stays_revoked(kind: Kind) {
    let place = Place::new(kind);
    let mut store = place.store();
    store.create(&key("a"), at(1)).unwrap();
    store.revoke("a", at(2)).unwrap();
    import(&mut store, &[NewKey { plan: Some(name("pro")), ..key("a") }], true).unwrap();
    let stored = store.key("a").unwrap();
    assert_eq!((stored.plan.as_deref(), stored.revoked_at), (Some("pro"), Some(at(2))));
}

/// The file that a key came from does not give it back the end that it had before.
fn a_rotation_is_not_undone(kind: Kind) {
    let place = Place::new(kind);
    let mut store = place.store();
    let ends = NewKey { expires_at: Some(at(90)), ..key("b") };
    let file = [key("a"), ends];
    import(&mut store, &file, false).unwrap();
    for id in ["a", "b"] {
        let rotation = Rotation {
            digest: digest(&format!("{id}2")),
            life: Life::Endless,
            old_ends_at: at(60),
        };
        store.rotate(id, &rotation, at(60)).unwrap();
    }
    assert_eq!(counts(import(&mut store, &file, true).unwrap()), (0, 0, 2));
    let pro = NewKey { plan: Some(name("pro")), ..key("a") };
    let earlier = NewKey { expires_at: Some(at(55)), ..key("b") };
    assert_eq!(counts(import(&mut store, &[pro, earlier], true).unwrap()), (0, 2, 0));
    assert_eq!(store.key("a").unwrap().expires_at, Some(at(60)));
    assert_eq!(store.key("b").unwrap().expires_at, Some(at(55)));
}

/// However many lines are looked at together, each one finds what those before it have left.
fn lines_that_meet(kind: Kind) {
    let place = Place::new(kind);
    let mut store = place.store();
    store.create(&key("a"), at(1)).unwrap();
    let renamed = NewKey { id: Some(name("b")), ..key("a") };
    // What was "a" is "b" by then.
    let heir = NewKey { digest: digest("heir"), ..key("a") };
    let keys = [renamed.clone(), heir, renamed, key("c"), key("c")];
    assert_eq!(counts(import(&mut store, &keys, true).unwrap()), (2, 1, 2));
    let mut ids: Vec<_> =
        store.keys(None, None, 10).unwrap().into_iter().map(|key| key.id).collect();
    ids.sort();
    assert_eq!(ids, ["a", "b", "c"]);
    // There and back again.
    let pro = NewKey { plan: Some(name("pro")), ..key("c") };
    assert_eq!(counts(import(&mut store, &[pro, key("c")], true).unwrap()), (0, 2, 0));
    assert_eq!(store.key("c").unwrap().plan, None);
}
