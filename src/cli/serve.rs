use super::{EX_CONFIG, complain, env, fail, log};
use crate::{
    config::{self, Config},
    standalone,
};
use std::{net::SocketAddr, path::PathBuf};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration file.
    #[arg(long, value_name = "FILE", env = "TOLLGATE_CONFIG")]
    config: Option<PathBuf>,
    /// Pass everything on to this URL, with the default catalog; no file is needed.
    #[arg(long, value_name = "URL", conflicts_with = "config")]
    upstream: Option<String>,
    /// Where to listen, in the place of what the configuration says.
    #[arg(long, value_name = "ADDR", env = "TOLLGATE_LISTEN")]
    listen: Option<SocketAddr>,
    /// Where to serve /livez and /readyz, in the place of what the configuration says.
    #[arg(long, value_name = "ADDR", env = "TOLLGATE_ADMIN")]
    admin: Option<SocketAddr>,
}

pub(super) fn run(args: Args) -> u8 {
    log::init();
    let mut config = match load(&args) {
        Ok(config) => config,
        Err(code) => return code,
    };
    config.server.listen = args.listen.unwrap_or(config.server.listen);
    config.server.admin = args.admin.or(config.server.admin);
    serve(&config)
}

fn load(args: &Args) -> Result<Config, u8> {
    if let Some(url) = &args.upstream {
        return Config::pass_through(url).map_err(|error| {
            complain(&format!("error: --upstream: {error}"));
            2
        });
    }
    let Some(file) = &args.config else {
        complain("error: what is to be served? Give --config FILE or --upstream URL");
        return Err(2);
    };
    match config::load(file, env) {
        Ok(loaded) => {
            for warning in &loaded.warnings {
                tracing::warn!("{warning}");
            }
            Ok(loaded.config)
        }
        Err(errors) => {
            complain(&errors.to_string());
            Err(EX_CONFIG)
        }
    }
}

/// Serves a configuration until a signal comes.
fn serve(config: &Config) -> u8 {
    let running = match standalone::start(config) {
        Ok(running) => running,
        Err(failure) => {
            let code = fail(&failure.to_string());
            return if failure.is_configuration() { EX_CONFIG } else { code };
        }
    };
    let address = running.address();
    match running.admin_address() {
        Some(admin) => tracing::info!(%address, %admin, "listening"),
        None => tracing::info!(%address, "listening"),
    }
    match running.run_until_signal() {
        Ok(()) => 0,
        Err(failure) => fail(&failure.to_string()),
    }
}
