use super::{EX_CONFIG, complain, env, fail, log};
use crate::{
    config::{self, Config, Diagnostic},
    file_stamps::FileStamps,
    standalone::{self, Source},
};
use std::{net::SocketAddr, path::PathBuf};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration file, which is read again on SIGHUP and when it changes. Default: what TOLLGATE_CONFIG says.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Pass everything on to this URL, with the default catalog; no file is needed.
    #[arg(long, value_name = "URL", conflicts_with = "config")]
    upstream: Option<String>,
    /// Where to listen. Default: what TOLLGATE_LISTEN says, then the configuration.
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Where to serve /livez, /readyz, /metrics and /config, among others. Default: what TOLLGATE_ADMIN says, then the configuration.
    #[arg(long, value_name = "ADDR")]
    admin: Option<SocketAddr>,
}

pub(super) fn run(args: Args) -> u8 {
    log::init();
    match load(args) {
        Ok((config, source)) => serve(config, source),
        Err(code) => code,
    }
}

/// The configuration, and where it is read again.
fn load(args: Args) -> Result<(Config, Option<Source>), u8> {
    let Args { config: file, upstream, listen, admin } = args;
    // What the command line says goes before everything else, also when the rest is read again.
    let completed = move |mut config: Config| {
        config.server.listen = listen.unwrap_or(config.server.listen);
        config.server.admin = admin.or(config.server.admin);
        config
    };
    if let Some(url) = &upstream {
        return Ok((completed(pass_through(url)?), None));
    }
    let from_env = || env("TOLLGATE_CONFIG").filter(|file| !file.is_empty()).map(PathBuf::from);
    let Some(file) = file.or_else(from_env) else {
        complain("error: what is to be served? Give --config FILE or --upstream URL");
        return Err(2);
    };
    let mut files = FileStamps::default();
    match config::load_noting(&file, env, &mut files) {
        Ok(loaded) => {
            loaded.warnings.iter().for_each(Diagnostic::log_warning);
            let load = move |files: &mut FileStamps| {
                let loaded = config::load_again(&file, env, files)?;
                Ok(config::Loaded { config: completed(loaded.config), ..loaded })
            };
            Ok((completed(loaded.config), Some(Source { load: Box::new(load), files })))
        }
        Err(errors) => {
            complain(&config::Errors::to_string(&errors));
            Err(EX_CONFIG)
        }
    }
}

/// Everything to one provider, without a file.
fn pass_through(url: &str) -> Result<Config, u8> {
    let mut config = Config::pass_through(url).map_err(|error| {
        complain(&format!("error: --upstream: {error}"));
        2
    })?;
    config.server.listen = address("TOLLGATE_LISTEN")?.unwrap_or(config.server.listen);
    config.server.admin = address("TOLLGATE_ADMIN")?;
    Ok(config)
}

/// An address from the environment; empty is as good as not set.
fn address(variable: &str) -> Result<Option<SocketAddr>, u8> {
    let text = env(variable).filter(|text| !text.is_empty());
    text.map(|text| text.parse()).transpose().map_err(|_| {
        complain(&format!(
            "error: {variable} must be an address and a port, such as 127.0.0.1:8080"
        ));
        2
    })
}

/// Serves a configuration until a signal comes.
fn serve(config: Config, source: Option<Source>) -> u8 {
    let running = match standalone::start(config, source) {
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
