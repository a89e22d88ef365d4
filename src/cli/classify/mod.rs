//! What a captured answer of a provider means.

mod input;
mod report;

use self::{input::Captured, report::Report};
use super::{EX_CONFIG, complain, env, fail, print};
use crate::{
    Catalog, Fault, config,
    envelope::Context,
    profile::{Profile, Settings, Verdict},
};
use std::{
    collections::BTreeMap,
    io::Read,
    path::{Path, PathBuf},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The profile that reads it; goes before the one that a line names.
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// The catalog of this configuration, and its profiles.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A JSON object a line.
    #[arg(long)]
    json: bool,
    /// An answer as `curl -i` prints it, or JSON lines with `profile`, `status`, `headers`, `body` and what to `expect`.
    /// `-`: standard input.
    #[arg(default_value = "-")]
    file: PathBuf,
}

pub(super) fn run(args: &Args) -> u8 {
    let (catalog, own) = match load(args.config.as_deref()) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    let mut profiles = Profiles { own, built: BTreeMap::new() };
    // A name that is wrong is said before anything is waited for.
    if let Some(name) = &args.profile
        && let Err(message) = profiles.get(name)
    {
        complain(&format!("error: {message}"));
        return 2;
    }
    let file = args.file.display();
    let text = match read(&args.file) {
        Ok(text) => text,
        Err(error) => return fail(&format!("cannot read {file}: {error}")),
    };
    let answers = match input::parse(text.into()) {
        Ok(answers) => answers,
        Err(mistakes) => {
            for mistake in &mistakes {
                complain(&format!("error: {file}:{}: {}", mistake.line, mistake.message));
            }
            return 1;
        }
    };
    let mut reports = Vec::with_capacity(answers.len());
    for answer in answers {
        let Some(name) = args.profile.as_ref().or(answer.profile.as_ref()) else {
            complain(&format!(
                "error: {file}:{}: which profile is to read this answer?\n  help: --profile NAME, one of {}",
                answer.line,
                profiles.names().join(", ")
            ));
            return 2;
        };
        match profiles.get(name) {
            Ok(profile) => reports.push(Report::new(profile, &catalog, answer)),
            Err(message) => {
                complain(&format!("error: {file}:{}: {message}", answer.line));
                return 2;
            }
        }
    }
    let printed = print(report::all(&reports, args.json).trim_end());
    let missed = reports.iter().any(|report| report.is_match() == Some(false));
    printed.max(u8::from(missed))
}

/// The catalog, and the profiles besides the presets.
fn load(file: Option<&Path>) -> Result<(Catalog, BTreeMap<String, Settings>), u8> {
    let (settings, own) = match file {
        None => Default::default(),
        Some(file) => match config::load(file, env) {
            Ok(loaded) => (loaded.config.catalog, loaded.config.profile),
            Err(errors) => {
                complain(&errors.to_string());
                return Err(EX_CONFIG);
            }
        },
    };
    let catalog = Catalog::from_settings(&settings).map_err(|invalid| {
        for mistake in invalid.mistakes {
            complain(&format!("error: {}", mistake.message));
        }
        EX_CONFIG
    })?;
    Ok((catalog, own))
}

fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    if file != Path::new("-") {
        return std::fs::read(file);
    }
    let mut text = Vec::new();
    std::io::stdin().lock().read_to_end(&mut text)?;
    Ok(text)
}

/// Profiles by name, each built once.
struct Profiles {
    own: BTreeMap<String, Settings>,
    built: BTreeMap<String, Profile>,
}

impl Profiles {
    fn get(&mut self, name: &str) -> Result<&Profile, String> {
        if !self.built.contains_key(name) {
            let profile = Profile::named(name, &self.own).map_err(|invalid| {
                let said = invalid.mistakes.into_iter().map(|mistake| mistake.message);
                said.collect::<Vec<_>>().join("\n")
            })?;
            self.built.insert(name.to_owned(), profile);
        }
        self.built.get(name).ok_or_else(|| format!("there is no profile {name}"))
    }

    fn names(&self) -> Vec<&str> {
        let presets = Profile::presets().map(|name| name as &str);
        self.own.keys().map(String::as_str).chain(presets).collect()
    }
}
