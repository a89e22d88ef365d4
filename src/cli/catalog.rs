use super::{EX_CONFIG, complain, env, print};
use crate::{Catalog, Entry, Kind, config};
use clap::ValueEnum;
use std::{fmt::Write, path::PathBuf};

/// Which catalog.
#[derive(Debug, clap::Args)]
struct Which {
    /// A preset: default, apistor or eggapi. Default: default.
    #[arg(long, value_name = "NAME", conflicts_with = "config")]
    preset: Option<String>,
    /// The catalog of this configuration.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(super) struct CatalogArgs {
    #[command(flatten)]
    which: Which,
    /// How to print it.
    #[arg(long, value_enum, default_value = "markdown")]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// A page with a section for each code.
    Markdown,
    /// The same as one file for browsers, with a search: what `docs_url` points to.
    Html,
    /// An OpenAPI 3.1 document with a response and a schema for each code, to generate clients from.
    Openapi,
    /// Everything, for programs.
    Json,
}

#[derive(Debug, clap::Args)]
pub(super) struct ExplainArgs {
    /// The code, as it stands in an answer; or the fault, as it stands in the log.
    code: String,
    #[command(flatten)]
    which: Which,
}

impl Which {
    fn load(&self) -> Result<Catalog, u8> {
        let settings = match &self.config {
            None => crate::catalog::Settings { preset: self.preset.clone(), ..Default::default() },
            Some(file) => match config::load(file, env) {
                Ok(loaded) => loaded.config.catalog,
                Err(errors) => {
                    complain(&errors.to_string());
                    return Err(EX_CONFIG);
                }
            },
        };
        Catalog::from_settings(&settings).map_err(|invalid| {
            for mistake in invalid.mistakes {
                complain(&format!("error: {}", mistake.message));
            }
            2
        })
    }

    /// Whether the caller has chosen one.
    fn is_chosen(&self) -> bool {
        self.preset.is_some() || self.config.is_some()
    }
}

pub(super) fn run(args: &CatalogArgs) -> u8 {
    match (args.which.load(), args.format) {
        (Ok(catalog), Format::Markdown) => print(catalog.to_markdown().trim_end()),
        (Ok(catalog), Format::Html) => print(catalog.to_html().trim_end()),
        (Ok(catalog), Format::Openapi) => print(&format!("{:#}", catalog.to_openapi())),
        (Ok(catalog), Format::Json) => print(&format!("{:#}", catalog.to_json())),
        (Err(code), _) => code,
    }
}

/// Explains a code: of the chosen catalog, else of whatever preset has it.
pub(super) fn explain(args: &ExplainArgs) -> u8 {
    let catalog = match args.which.load() {
        Ok(catalog) => catalog,
        Err(code) => return code,
    };
    let mut catalogs = vec![catalog];
    if !args.which.is_chosen() {
        let others = Catalog::presets().filter(|name| *name != catalogs[0].name());
        catalogs.extend(others.filter_map(|name| Catalog::preset(name).ok()).collect::<Vec<_>>());
    }
    let found: Vec<_> =
        catalogs.iter().filter_map(|c| Some(describe(c, find(c, &args.code)?))).collect();
    if !found.is_empty() {
        return print(found.join("\n\n").trim_end());
    }
    let names: Vec<_> = catalogs.iter().map(Catalog::name).collect();
    let mut message = format!("error: no code {} in the catalog {}", args.code, names.join(", "));
    if let Some(near) = catalogs.iter().find_map(|catalog| catalog.nearest(&args.code)) {
        let _ = write!(message, "\n  help: did you mean {}?", near.code());
    } else {
        message.push_str("\n  help: `tollgate catalog --format markdown` lists them");
    }
    complain(&message);
    1
}

/// By its code, or by the name of a fault that it answers, which is what the log has.
fn find<'c>(catalog: &'c Catalog, word: &str) -> Option<&'c Entry> {
    catalog.entry(word).or_else(|| Kind::from_name(word).map(|kind| catalog.entry_for_kind(kind)))
}

fn describe(catalog: &Catalog, entry: &Entry) -> String {
    let retry = if entry.is_retryable() { "yes, with backoff" } else { "no, not as it is" };
    let mut text = format!(
        "{} · HTTP {} · {}\n{}\n\n  message   {}\n",
        entry.code(),
        entry.status().as_u16(),
        catalog.name(),
        entry.title(),
        entry.message(),
    );
    for (label, value) in
        [("problem", entry.problem()), ("solution", entry.solution()), ("retry", retry)]
    {
        if !value.is_empty() {
            let _ = writeln!(text, "  {label:<9} {value}");
        }
    }
    let causes: Vec<_> = entry.faults().iter().map(|kind| kind.meaning()).collect();
    if !causes.is_empty() {
        let _ = writeln!(text, "  causes    {}", causes.join("\n            "));
    }
    text
}
