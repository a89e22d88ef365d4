use super::explain;
use crate::{
    charge::Amount,
    cli::{
        store::{Context, Failure, JsonArray},
        table::{Table, or_dash, seconds},
    },
    store::{
        Name,
        ledger::{Balance, Spending},
    },
};
use std::{
    fmt::{Display, Write as _},
    io::Write as _,
};

/// How many accounts are read at once.
const PAGE: u32 = 1_000;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Of this account. Default: a line for each.
    account: Option<Name>,
}

pub(super) fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    let Some(account) = &args.account else { return list(context) };
    let balance = match context.store.balance(account, context.now) {
        Ok(balance) => balance,
        Err(error) => return Err(explain(context, error, "")),
    };
    match context.json {
        true => context.print_json(&balance),
        false => Ok(write!(context.out, "{}", describe(&balance))?),
    }
}

/// Prints them page by page, in the order of their names.
fn list(context: &mut Context) -> Result<(), Failure> {
    let mut array = JsonArray::default();
    let mut table = Table::new(["ACCOUNT", "AVAILABLE", "HELD", "TOTAL", "SPENT"]);
    let mut last = String::new();
    loop {
        let page = context.store.balances(&last, PAGE, context.now)?;
        let Some(end) = page.last() else { break };
        last.clone_from(&end.account);
        if context.json {
            page.iter().try_for_each(|balance| array.push(&mut context.out, balance))?;
        } else {
            table.write(&mut context.out, &page.iter().map(row).collect::<Vec<_>>())?;
        }
    }
    if context.json { array.end(&mut context.out) } else { Ok(()) }
}

/// With the account's own limits, and the number of those of its keys.
fn row(balance: &Balance) -> [String; 5] {
    let (of_account, of_keys): (Vec<_>, Vec<_>) =
        balance.limits.iter().partition(|limit| limit.key.is_none());
    let spent =
        |limit: &&Spending| format!("{} of {} per {}", limit.spent, limit.amount, limit.period);
    let mut spent: Vec<_> = of_account.iter().map(spent).collect();
    match of_keys.len() {
        0 => {}
        1 => spent.push("1 limit of a key".to_owned()),
        count => spent.push(format!("{count} limits of keys")),
    }
    let Balance { available, held, total, .. } = balance;
    let amount = Amount::to_string;
    [
        balance.account.clone(),
        amount(available),
        amount(held),
        amount(total),
        or_dash(Some(&spent.join(", "))),
    ]
}

/// For people: a line for each thing that is known.
pub(super) fn describe(balance: &Balance) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: &dyn Display| {
        let _ = writeln!(text, "  {label:<9}  {value}");
    };
    line("account", &balance.account);
    line("available", &balance.available);
    line("held", &balance.held);
    line("total", &balance.total);
    for limit in &balance.limits {
        line("limit", &describe_limit(limit));
    }
    text
}

pub(super) fn describe_limit(limit: &Spending) -> String {
    let Spending { key, period, amount, spent, ends_at } = limit;
    let mut text = format!("{amount} per {period}");
    if let Some(key) = key {
        let _ = write!(text, " by the key {key}");
    }
    let _ = write!(text, ", {spent} spent");
    if let Some(end) = ends_at {
        let _ = write!(text, " until {}", seconds(*end));
    }
    text
}
