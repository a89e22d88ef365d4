use super::filter::Filter;
use crate::{
    cli::{
        store::{Context, Failure, JsonArray},
        table::{Table, or_dash, seconds, visible_or_dash},
    },
    store::ledger::Entry,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    filter: Filter,
}

pub(super) fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    const HEAD: [&str; 9] =
        ["TIME", "ACCOUNT", "KIND", "AMOUNT", "ITEM", "KEY", "REQUEST", "HOLD", "NOTE"];
    if context.json {
        let mut array = JsonArray::default();
        args.filter.read(context, |mut out, page| {
            page.iter().try_for_each(|entry| array.push(&mut out, entry))
        })?;
        return array.end(&mut context.out);
    }
    let mut table = Table::new(HEAD);
    args.filter.read(context, |mut out, page| {
        Ok(table.write(&mut out, &page.iter().map(row).collect::<Vec<_>>())?)
    })
}

fn row(entry: &Entry) -> [String; 9] {
    [
        seconds(entry.at),
        entry.account.clone(),
        entry.kind.as_str().to_owned(),
        entry.amount.to_string(),
        visible_or_dash(entry.item.as_deref()),
        visible_or_dash(entry.key.as_deref()),
        visible_or_dash(entry.request.as_deref()),
        or_dash(entry.hold.map(|hold| hold.to_string()).as_deref()),
        visible_or_dash(entry.note.as_deref()),
    ]
}
