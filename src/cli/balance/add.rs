use super::explain;
use crate::{
    charge::{Amount, InvalidAmount},
    cli::store::{Context, Failure},
    store::{
        Name, Note,
        ledger::{Balance, NewEntry, Posted},
    },
};
use serde::Serialize;
use std::io::Write;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Whose balance.
    account: Name,
    /// How much, in decimals: 25, 0.010, -3.50. No balance goes below zero.
    #[arg(allow_negative_numbers = true, value_parser = amount)]
    amount: Amount,
    /// What for, for whoever reads the ledger.
    #[arg(long, value_name = "TEXT")]
    note: Option<Note>,
    /// Open the account if it is not there yet.
    #[arg(long)]
    open: bool,
}

impl Args {
    pub(super) fn opens(&self) -> bool {
        self.open
    }
}

fn amount(text: &str) -> Result<Amount, String> {
    match text.parse() {
        Ok(Amount::ZERO) => Err("this changes nothing; give more or less than zero".to_owned()),
        Ok(amount) => Ok(amount),
        Err(error @ InvalidAmount) => Err(error.to_string()),
    }
}

#[derive(Serialize)]
struct Added<'a> {
    /// The entry's id.
    entry: i64,
    amount: String,
    opened: bool,
    #[serde(flatten)]
    balance: &'a Balance,
}

pub(super) fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    let new = NewEntry {
        account: args.account.clone(),
        amount: args.amount,
        note: args.note.clone(),
        open: args.open,
    };
    let posted = match context.store.add(&new, context.now) {
        Ok(posted) => posted,
        Err(error) => return Err(explain(context, error, " --open opens it.")),
    };
    report(context, args.amount, &posted)
}

fn report(context: &mut Context, amount: Amount, posted: &Posted) -> Result<(), Failure> {
    let Posted { entry, opened, balance } = posted;
    if context.json {
        let amount = amount.to_string();
        return context.print_json(&Added { entry: *entry, amount, opened: *opened, balance });
    }
    let Balance { account, available, .. } = balance;
    let opened = if *opened { "opened, " } else { "" };
    let what = match amount.is_positive() {
        true => format!("{amount} added"),
        false => format!("{} taken", -amount),
    };
    Ok(writeln!(context.out, "{account}: {opened}{what}, {available} available")?)
}
