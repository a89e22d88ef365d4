use super::{EX_CONFIG, complain, env, print};
use crate::{
    config::{self, Config},
    gateway::{Plan, Process},
    store::Store,
};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration file.
    file: PathBuf,
    /// Print what is in effect, with every default and without secrets, as JSON; the store is not asked.
    #[arg(long)]
    show: bool,
}

pub(super) fn run(args: &Args) -> u8 {
    let loaded = match config::load(&args.file, env) {
        Ok(loaded) => loaded,
        Err(errors) => {
            complain(&errors.to_string());
            return EX_CONFIG;
        }
    };
    for warning in &loaded.warnings {
        complain(&warning.to_string());
    }
    // What only shows when it is put together, such as a certificate that is none.
    if let Err(error) = Plan::new(&loaded.config, &Process::new(1), None) {
        complain(&format!("error: {}: {error}", args.file.display()));
        return EX_CONFIG;
    }
    if args.show {
        return print(&format!("{:#}", loaded.config.effective()));
    }
    if let Err(code) = check_store(&loaded.config, &args.file) {
        return code;
    }
    let (routes, upstreams) = (loaded.config.route.len(), loaded.config.upstream.len());
    print(&format!("{}: ok ({routes} routes, {upstreams} upstreams)", args.file.display()))
}

/// Looks at the store, without making one.
fn check_store(config: &Config, file: &Path) -> Result<(), u8> {
    let (Some(store), Some(_)) = (&config.server.store, config.auth_settings()) else {
        return Ok(());
    };
    let plans = Store::plans(store.get()).map_err(|error| {
        let url = store.get();
        complain(&format!("error: {}: server.store: {url}: {error}", file.display()));
        if error.may_pass() { 1 } else { EX_CONFIG }
    })?;
    for plan in config.unknown_plans(&plans) {
        complain(&format!(
            "warning: {}: keys in the store are on plan {plan}, which no limit knows: they have the limits of no plan",
            file.display()
        ));
    }
    Ok(())
}
