use super::view::hand_out;
use crate::{
    auth::{ApiKey, KeyDigest, KeyPrefix},
    cli::{
        moment::Moment,
        store::{Context, Failure},
    },
    store::{Name, NewKey, Note, Scope, Scopes},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Whose key it is. An account that is not there yet is opened.
    #[arg(long, value_name = "NAME")]
    account: Name,
    /// The plan that its quotas follow.
    #[arg(long)]
    plan: Option<Name>,
    /// What it may do; can be given several times.
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<Scope>,
    /// When it ends: a time (2027-01-31T12:00:00Z), a date (2027-01-31, UTC) or a duration (30d, 12h).
    /// Default: never.
    #[arg(long, value_name = "T")]
    expires: Option<Moment>,
    /// What it is for, for whoever reads the list.
    #[arg(long, value_name = "TEXT")]
    note: Option<Note>,
    /// What the key begins with, to be recognised by.
    #[arg(long, default_value = "tg")]
    prefix: KeyPrefix,
    /// Its public name. Default: a random one.
    #[arg(long)]
    id: Option<Name>,
}

pub(super) fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    let expires_at = args.expires.as_ref().map(|moment| moment.after(context.now)).transpose();
    let expires_at = expires_at.map_err(|error| Failure::Usage(format!("--expires: {error}")))?;
    let scopes = Scopes::new(args.scopes.iter().cloned())
        .map_err(|error| Failure::Usage(format!("--scope: {error}")))?;
    let key = generate(&args.prefix)?;
    let new = NewKey {
        id: args.id.clone(),
        digest: KeyDigest::of(&key),
        account: args.account.clone(),
        plan: args.plan.clone(),
        scopes,
        note: args.note.clone(),
        expires_at,
    };
    let stored = context.store.create(&new, context.now)?;
    hand_out(context, &key, &stored, "")
}

pub(super) fn generate(prefix: &KeyPrefix) -> Result<ApiKey, Failure> {
    ApiKey::generate(prefix).map_err(|error| Failure::Failed(error.to_string()))
}
