use crate::{
    callback::CallbackSecrets,
    cli::{EX_CONFIG, complain, env, fail, print},
    config,
    store::Name,
};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The account.
    account: Name,
    /// The configuration with the gateway's own secrets. Default: what TOLLGATE_CONFIG says.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Prints the secret, and nothing else.
pub(super) fn run(args: &Args, json: bool) -> u8 {
    let from_env = || env("TOLLGATE_CONFIG").filter(|file| !file.is_empty()).map(PathBuf::from);
    let Some(file) = args.config.clone().or_else(from_env) else {
        complain("error: which configuration? Give --config FILE or set TOLLGATE_CONFIG");
        return 2;
    };
    let loaded = match config::load(&file, env) {
        Ok(loaded) => loaded,
        Err(errors) => {
            complain(&errors.to_string());
            return EX_CONFIG;
        }
    };
    match CallbackSecrets::new(loaded.config.callbacks.secrets()).of_account(&args.account) {
        Some(secret) if json => {
            print(&serde_json::json!({ "account": &*args.account, "secret": secret }).to_string())
        }
        Some(secret) => print(&secret),
        None => fail(&format!("{}: there are no `callbacks.secrets`", file.display())),
    }
}
