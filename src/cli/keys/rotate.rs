use super::{create::generate, view::hand_out};
use crate::{
    auth::{KeyDigest, KeyPrefix},
    cli::{
        moment::{End, InvalidMoment, Wait},
        store::{Context, Failure},
        table::seconds,
    },
    store::{Life, Rotation, State},
};
use jiff::Timestamp;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The id of the old key.
    id: String,
    /// How long the old key goes on; it ends earlier if it would have anyway.
    #[arg(long, value_name = "DURATION", default_value = "24h")]
    grace: Wait,
    /// When the new key ends: a time, a date, a duration or never. Default: it lives as long as the old one was to.
    #[arg(long, value_name = "T")]
    expires: Option<End>,
    /// What the new key begins with.
    #[arg(long, default_value = "tg")]
    prefix: KeyPrefix,
}

pub(super) fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    let usage = |flag: &str, error| Failure::Usage(format!("{flag}: {error}"));
    let life = life(args.expires.as_ref(), context.now).map_err(|e| usage("--expires", e))?;
    let old_ends_at = args.grace.after(context.now).map_err(|e| usage("--grace", e))?;
    let key = generate(&args.prefix)?;
    let rotation = Rotation { digest: KeyDigest::of(&key), life, old_ends_at };
    let (new, old) = context.store.rotate(&args.id, &rotation, context.now)?;
    let end = old.expires_at.unwrap_or(old_ends_at);
    let remark = match old.state(context.now) {
        State::Expired => format!("{} is good no more.\n", old.id),
        _ => format!("{} goes on until {}.\n", old.id, seconds(end)),
    };
    hand_out(context, &key, &new, &remark)
}

fn life(expires: Option<&End>, now: Timestamp) -> Result<Life, InvalidMoment> {
    Ok(match expires {
        None => Life::AsBefore,
        Some(End::Never) => Life::Endless,
        Some(End::At(moment)) => Life::Until(moment.after(now)?),
    })
}
