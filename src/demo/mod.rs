//! The demonstration: what `tollgate demo` puts behind the gateway, and what it tells you to try.

mod guide;
mod provider;

pub(crate) use self::guide::guide;

use crate::{
    auth::{ApiKey, GenerateError, KeyDigest, KeyPrefix},
    config::{self, Config, Errors},
};
use provider::Provider;
use std::{fmt::Write, io, net::SocketAddr, path::Path, thread};

/// The example that the demonstration runs, as it stands in the repository.
const EXAMPLE: &str = include_str!("../../examples/apistor.toml");
/// How long the provider may take: long enough for a picture, short enough to wait for.
const TIMEOUT_MS: &str = "4000";

/// Starts the simulated provider on a free port of the loopback, in a thread that lasts as long as the process.
///
/// # Errors
///
/// When there is no port or no thread to be had.
pub(crate) fn start_provider() -> io::Result<SocketAddr> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let provider = runtime.block_on(Provider::bind())?;
    let address = provider.addr();
    thread::Builder::new().name("provider".to_owned()).spawn(move || {
        if let Err(error) = runtime.block_on(provider.serve(std::future::pending())) {
            tracing::error!(%error, "the simulated provider has ended");
        }
    })?;
    Ok(address)
}

/// A key for whoever tries the demonstration.
///
/// # Errors
///
/// When the operating system gives no random numbers.
pub(crate) fn generate_key() -> Result<ApiKey, GenerateError> {
    ApiKey::generate(&KeyPrefix::default())
}

/// `examples/apistor.toml` in front of the provider at this address, without its store: there is one key.
///
/// # Errors
///
/// When the example is wrong, which a test excludes.
pub(crate) fn configuration(
    provider: SocketAddr,
    listen: SocketAddr,
    key: &ApiKey,
) -> Result<Config, Errors> {
    let env = |name: &str| match name {
        "GRSAI_BASE_URL" => Some(format!("http://{provider}")),
        "GRSAI_API_KEY" => Some(provider::KEY.to_owned()),
        "GRSAI_TIMEOUT_MS" => Some(TIMEOUT_MS.to_owned()),
        "TOLLGATE_LISTEN" => Some(listen.to_string()),
        _ => None,
    };
    let mut text = EXAMPLE.to_owned();
    // Writing to a string cannot fail.
    let digest = KeyDigest::of(key);
    let _ = write!(text, "\n[[auth.key]]\ndigest = \"{digest}\"\naccount = \"demo\"\n");
    let mut config = config::parse(&text, Path::new("examples/apistor.toml"), env)?.config;
    (config.server.admin, config.server.store) = (None, None);
    Ok(config)
}
