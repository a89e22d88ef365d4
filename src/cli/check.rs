use super::{EX_CONFIG, complain, env, print};
use crate::{config, gateway::Plan};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration file.
    file: PathBuf,
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
    if let Err(error) = Plan::new(&loaded.config, "check") {
        complain(&format!("error: {}: {error}", args.file.display()));
        return EX_CONFIG;
    }
    let (routes, upstreams) = (loaded.config.route.len(), loaded.config.upstream.len());
    print(&format!("{}: ok ({routes} routes, {upstreams} upstreams)", args.file.display()))
}
