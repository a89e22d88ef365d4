//! A key, as it is printed.

use crate::{
    auth::ApiKey,
    cli::{
        complain,
        store::{Context, Failure},
        table::{or_dash, seconds},
    },
    store::{State, StoredKey},
};
use jiff::Timestamp;
use serde::Serialize;
use std::{fmt::Write as _, io::Write as _};

/// For programs.
#[derive(Serialize)]
pub(super) struct View<'a> {
    /// The secret, of a key that was just made.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(flatten)]
    stored: &'a StoredKey,
    state: State,
}

impl<'a> View<'a> {
    pub(super) fn new(stored: &'a StoredKey, now: Timestamp) -> Self {
        Self { key: None, stored, state: stored.state(now) }
    }
}

/// For people: a line for each thing that is known.
pub(super) fn describe(key: &StoredKey, now: Timestamp) -> String {
    let time = |time: Option<Timestamp>| time.map(seconds);
    let lines = [
        ("id", Some(key.id.clone())),
        ("account", Some(key.account.clone())),
        ("plan", Some(or_dash(key.plan.as_deref()))),
        ("scopes", Some(or_dash(Some(&key.scopes.join(" "))))),
        ("state", Some(state(key, now))),
        ("note", key.note.clone()),
        ("created", Some(seconds(key.created_at))),
        ("expires", Some(time(key.expires_at).unwrap_or_else(|| "never".to_owned()))),
        ("revoked", time(key.revoked_at)),
        ("replaces", key.rotated_from.clone()),
        ("replaced by", key.rotated_to.clone()),
    ];
    let mut text = String::new();
    for (label, value) in lines {
        if let Some(value) = value {
            let _ = writeln!(text, "  {label:<11}  {value}");
        }
    }
    text
}

fn state(key: &StoredKey, now: Timestamp) -> String {
    match key.state(now) {
        State::Suspended => "suspended, with its account".to_owned(),
        state => state.as_str().to_owned(),
    }
}

/// Prints a new key, and what it is good for.
///
/// To standard output goes the key alone, so that a script can catch it; the rest is for people.
pub(super) fn hand_out(
    context: &mut Context,
    key: &ApiKey,
    stored: &StoredKey,
    remark: &str,
) -> Result<(), Failure> {
    let printed = if context.json {
        let view = View { key: Some(key.expose()), ..View::new(stored, context.now) };
        context.print_json(&view)
    } else {
        writeln!(context.out, "{}", key.expose()).map_err(Failure::from)
    };
    // It is lost if it does not get out now.
    let printed = printed.and_then(|()| Ok(context.out.flush()?));
    if let Err(Failure::Output(error)) = printed {
        return Err(Failure::Failed(format!(
            "the key {} was made and could not be printed ({error}); nobody has it, revoke it",
            stored.id
        )));
    }
    if !context.json {
        let text = describe(stored, context.now);
        complain(&format!("{text}{remark}The key itself is not shown again."));
    }
    printed
}
