use super::view::View;
use crate::{
    cli::{
        complain,
        store::{Context, Failure},
        table::{or_dash, seconds},
    },
    store::{KeyError, StoredKey},
};
use serde::Serialize;
use std::io::Write;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Their ids. With --json, a line is printed for each.
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
}

#[derive(Serialize)]
struct Revoked<'a> {
    #[serde(flatten)]
    key: View<'a>,
    was_revoked: bool,
}

/// Revokes each of them. One that is not there keeps the others from nothing.
pub(super) fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    let mut unknown = 0;
    for id in &args.ids {
        match context.store.revoke(id, context.now) {
            Ok((key, new)) => report(context, &key, !new)?,
            Err(error @ KeyError::NoSuchKey(_)) => {
                unknown += 1;
                complain(&format!("error: {error}"));
            }
            Err(error) => return Err(error.into()),
        }
    }
    match unknown {
        0 => Ok(()),
        _ => {
            context.out.flush()?;
            Err(Failure::Failed(format!("{unknown} of {} not revoked", args.ids.len())))
        }
    }
}

fn report(context: &mut Context, key: &StoredKey, was_revoked: bool) -> Result<(), Failure> {
    if context.json {
        return context.print_json(&Revoked { key: View::new(key, context.now), was_revoked });
    }
    let at = or_dash(key.revoked_at.map(seconds).as_deref());
    match was_revoked {
        true => writeln!(context.out, "{}: was revoked already, at {at}", key.id)?,
        false => writeln!(context.out, "{}: revoked", key.id)?,
    }
    Ok(())
}
