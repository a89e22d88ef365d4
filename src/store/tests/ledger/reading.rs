use super::{Books, Kind, new_hold, time};
use crate::{
    charge::{AtLimit, End, HoldId, NewHold, TimeLimit},
    store::ledger::{EntryFilter, EntryKind, HoldFilter, HoldState, HoldStates},
};
use std::time::Duration;

for_each_kind! {
    filters_of_entries what_an_entry_knows_of_its_hold states_of_holds
}

/// Three holds: settled, released and open.
fn books(kind: Kind) -> (Books, [HoldId; 3]) {
    let mut books = Books::new(kind).with_key("acme", "second");
    let mut hold = |key: &str, request: &str, now: &str| {
        let new = NewHold {
            request_id: Some(request.into()),
            item: Some("images".into()),
            ..new_hold("acme", key, "1")
        };
        books.hold(&new, now);
        new.id
    };
    let ids = [
        hold("first", "r1", "2026-01-02T00:00:00Z"),
        hold("second", "r2", "2026-01-03T00:00:00Z"),
        hold("first", "r3", "2026-01-04T00:00:00Z"),
    ];
    books.end(ids[0], End::Settle, "2026-01-05T00:00:00Z");
    books.end(ids[1], End::Release, "2026-01-06T00:00:00Z");
    books.add("other", "7").unwrap();
    (books, ids)
}

fn filters_of_entries(kind: Kind) {
    let (books, ids) = books(kind);
    let text = |text: &str| Some(text.to_owned());
    let day = |day: &str| Some(time(&format!("2026-01-0{day}T00:00:00Z")));
    let all = EntryFilter::default;
    // By their ids, in the order in which they were written: credit, 3 holds, settle, release, credit.
    let table = [
        (all(), vec![1, 2, 3, 4, 5, 6, 7]),
        (EntryFilter { account: text("acme"), ..all() }, vec![1, 2, 3, 4, 5, 6]),
        (EntryFilter { account: text("other"), ..all() }, vec![7]),
        (EntryFilter { account: text("nobody"), ..all() }, vec![]),
        (EntryFilter { key: text("first"), ..all() }, vec![2, 4, 5]),
        (EntryFilter { kind: Some(EntryKind::Credit), ..all() }, vec![1, 7]),
        (EntryFilter { kind: Some(EntryKind::Release), ..all() }, vec![6]),
        (EntryFilter { hold: Some(ids[1]), ..all() }, vec![3, 6]),
        (EntryFilter { hold: Some(HoldId::new()), ..all() }, vec![]),
        (EntryFilter { request: text("r1"), ..all() }, vec![2, 5]),
        (EntryFilter { since: day("3"), ..all() }, vec![3, 4, 5, 6]),
        (EntryFilter { until: day("3"), ..all() }, vec![1, 2, 7]),
        (EntryFilter { since: day("3"), until: day("5"), key: text("first"), ..all() }, vec![4]),
    ];
    for (filter, expected) in table {
        for page in [1, 2, 100] {
            let (mut found, mut after) = (Vec::new(), 0);
            loop {
                let entries = books.store.entries(&filter, after, page).unwrap();
                let Some(last) = entries.last() else { break };
                after = last.id;
                found.extend(entries.into_iter().map(|entry| entry.id));
            }
            assert_eq!(found, expected, "{filter:?}");
        }
        for count in 0..8 {
            let after = books.store.before_last(&filter, count).unwrap();
            let last = books.store.entries(&filter, after, 100).unwrap();
            assert_eq!(last.len(), expected.len().min(count as usize), "{filter:?} {count}");
        }
    }
}

fn what_an_entry_knows_of_its_hold(kind: Kind) {
    let (books, ids) = books(kind);
    let filter = EntryFilter { request: Some("r2".to_owned()), ..EntryFilter::default() };
    for entry in books.store.entries(&filter, 0, 10).unwrap() {
        assert_eq!((entry.key.as_deref(), entry.item.as_deref()), (Some("second"), Some("images")));
        assert_eq!((entry.hold, entry.account.as_str()), (Some(ids[1]), "acme"));
    }
    let json = serde_json::to_value(&books.store.entries(&filter, 2, 1).unwrap()[0]).unwrap();
    let (at, hold) = ("2026-01-03T00:00:00.000Z", ids[1].to_string());
    let expected = serde_json::json!({
        "id": 3, "at": at, "account": "acme", "kind": "hold", "amount": "-1.00", "item": "images",
        "key": "second", "request": "r2", "hold": hold, "note": null,
    });
    assert_eq!(json, expected);
}

fn states_of_holds(kind: Kind) {
    let (mut books, ids) = books(kind);
    let endless = TimeLimit { after: Duration::MAX, then: AtLimit::Settle };
    let pending = NewHold { limit: endless, ..new_hold("acme", "first", "1") };
    books.hold(&pending, "2026-01-07T00:00:00Z");
    books.end(pending.id, End::Pend, "2026-01-07T00:00:00Z");
    let table = [
        (HoldStates::Live, vec![ids[2], pending.id]),
        (HoldStates::All, vec![ids[0], ids[1], ids[2], pending.id]),
        (HoldStates::Only(HoldState::Open), vec![ids[2]]),
        (HoldStates::Only(HoldState::Pending), vec![pending.id]),
        (HoldStates::Only(HoldState::Settled), vec![ids[0]]),
        (HoldStates::Only(HoldState::Released), vec![ids[1]]),
    ];
    for (states, expected) in table {
        for (account, expected) in
            [(None, &*expected), (Some("acme"), &expected), (Some("other"), &[])]
        {
            let filter = HoldFilter { account: account.map(str::to_owned), states };
            for page in [1, 100] {
                let (mut found, mut last) = (Vec::new(), None);
                loop {
                    let holds = books.store.holds(&filter, last, page).unwrap();
                    let Some(end) = holds.last() else { break };
                    last = Some(end.id);
                    found.extend(holds.into_iter().map(|hold| hold.id));
                }
                assert_eq!(found, expected, "{filter:?}");
            }
        }
    }
    let filter = HoldFilter { account: None, states: HoldStates::Live };
    let live = books.store.holds(&filter, None, 10).unwrap();
    let ends = |number: usize| (live[number].limit_at.to_string(), live[number].at_limit.as_str());
    assert_eq!(ends(0), ("2026-01-04T01:00:00Z".to_owned(), "release"));
    assert!(ends(1).0.starts_with("9999") && ends(1).1 == "settle", "{:?}", ends(1));
}
