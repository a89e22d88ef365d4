use super::{explain, show::describe_limit};
use crate::{
    charge::{Amount, InvalidAmount},
    cli::store::{Context, Failure},
    store::{
        Name,
        ledger::{LimitSet, NewLimit, Period, Spending},
    },
};
use serde::Serialize;
use std::{io::Write, str::FromStr};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Whose spending.
    account: Name,
    /// How much may be held and settled within the period, in decimals; or none: no limit any more.
    ///
    /// What was held or settled in the current period already counts.
    #[arg(allow_negative_numbers = true, value_name = "AMOUNT|none")]
    amount: Wanted,
    /// The period: day or month (both in UTC) or total.
    #[arg(long, value_name = "PERIOD")]
    per: Period,
    /// Only what this key of the account spends: its id, or as much of its beginning as no other one has.
    #[arg(long, value_name = "ID")]
    key: Option<String>,
}

#[derive(Clone, Copy, Debug)]
enum Wanted {
    Limit(Amount),
    None,
}

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse::<Amount>() {
            _ if text == "none" => Ok(Self::None),
            Ok(amount) if amount < Amount::ZERO => Err("a limit is not below zero".to_owned()),
            Ok(amount) => Ok(Self::Limit(amount)),
            Err(error @ InvalidAmount) => Err(format!("{error}, or none")),
        }
    }
}

#[derive(Serialize)]
struct Set<'a> {
    account: &'a str,
    key: Option<&'a str>,
    period: Period,
    /// None if there is none any more.
    limit: Option<&'a Spending>,
    changed: bool,
}

pub(super) fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    let amount = match args.amount {
        Wanted::Limit(amount) => Some(amount),
        Wanted::None => None,
    };
    let (account, key) = (args.account.clone(), args.key.clone());
    let new = NewLimit { account, key, period: args.per, amount };
    match context.store.set_limit(&new, context.now) {
        Ok(set) => report(context, &new, &set),
        Err(error) => Err(explain(context, error, "")),
    }
}

fn report(context: &mut Context, new: &NewLimit, set: &LimitSet) -> Result<(), Failure> {
    let (account, period) = (&*new.account, new.period);
    if context.json {
        let changed = set.before != new.amount;
        let (key, limit) = (set.key.as_deref(), set.now.as_ref());
        return context.print_json(&Set { account, key, period, limit, changed });
    }
    let by = set.key.as_ref().map(|key| format!(" by the key {key}")).unwrap_or_default();
    match (&set.now, set.before) {
        (Some(limit), _) => writeln!(context.out, "{account}: {}", describe_limit(limit))?,
        (None, Some(_)) => writeln!(context.out, "{account}: no limit per {period}{by} any more")?,
        (None, None) => writeln!(context.out, "{account}: there was no limit per {period}{by}")?,
    }
    Ok(())
}
