//! The demonstration: what `tollgate demo` puts behind the gateway, and what it tells you to try.

mod guide;
mod provider;

use self::guide::FAILOVER;
pub(crate) use self::guide::guide;

use crate::{
    auth::{ApiKey, GenerateError, KeyDigest, KeyPrefix},
    charge::Amount,
    config::{self, Config, Errors},
    store::{InvalidName, Missing, Store, StoreUrl, ledger::NewEntry},
};
use jiff::Timestamp;
use provider::Provider;
use std::{
    fmt::Write,
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    thread,
};

/// The example that the demonstration runs, as it stands in the repository.
const EXAMPLE: &str = include_str!("../../examples/apistor.toml");
/// The schemas that it names.
const SCHEMAS: [(&str, &str); 2] = [
    ("schemas/apistor/generate.json", include_str!("../../examples/schemas/apistor/generate.json")),
    ("schemas/apistor/result.json", include_str!("../../examples/schemas/apistor/result.json")),
];
/// How long the provider may take: long enough for a picture, short enough to wait for.
const TIMEOUT_MS: &str = "4000";

/// Starts the simulated provider on a free port of the loopback, in a thread that lasts as long as the process. A
/// reliable one draws whatever it is asked for, unless the input is not allowed.
///
/// # Errors
///
/// When there is no port or no thread to be had.
pub(crate) fn start_provider(reliable: bool) -> io::Result<SocketAddr> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let provider = runtime.block_on(Provider::bind())?;
    let provider = if reliable { provider.reliable() } else { provider };
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

/// What the demonstration keeps while it runs: a store in a directory of its own.
pub(crate) struct Shop {
    directory: PathBuf,
}

/// The account that has something to pay with.
const ACCOUNT: &str = "demo";
/// The one that has nothing.
const POOR: &str = "poor";

impl Shop {
    /// Makes the store, and pays something in.
    ///
    /// # Errors
    ///
    /// When there is no directory to be made, or no store in it.
    pub(crate) fn open() -> Result<Self, String> {
        let name = format!("tollgate-demo-{}-{:08x}", std::process::id(), fastrand::u32(..));
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir(&directory)
            .map_err(|error| format!("{}: {error}", directory.display()))?;
        let shop = Self { directory };
        let paid_in = NewEntry {
            account: ACCOUNT.parse().map_err(|error: InvalidName| error.to_string())?,
            amount: Amount::from_micros(25_000_000),
            note: None,
            open: true,
        };
        let url = StoreUrl::Sqlite(shop.file());
        let mut store = Store::open(&url, Missing::Create).map_err(|error| error.to_string())?;
        store.add(&paid_in, Timestamp::now()).map_err(|error| error.to_string())?;
        Ok(shop)
    }

    fn file(&self) -> PathBuf {
        self.directory.join("demo.db")
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        // It is in a directory for such things.
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// `examples/apistor.toml` in front of the first of these providers, with a store of its own: there are two keys, and whoever has the second one
/// has no money. Besides a route with the second provider behind the first.
///
/// # Errors
///
/// When the example is wrong, which a test excludes.
pub(crate) fn configuration(
    [provider, second]: [SocketAddr; 2],
    listen: SocketAddr,
    [key, poor]: [&ApiKey; 2],
    shop: &Shop,
) -> Result<Config, Errors> {
    let store = format!("sqlite://{}", shop.file().display());
    let env = |name: &str| match name {
        "GRSAI_BASE_URL" => Some(format!("http://{provider}")),
        "GRSAI_API_KEY" => Some(provider::KEY.to_owned()),
        "GRSAI_TIMEOUT_MS" => Some(TIMEOUT_MS.to_owned()),
        "TOLLGATE_LISTEN" => Some(listen.to_string()),
        "TOLLGATE_STORE" => Some(store.clone()),
        _ => None,
    };
    let mut text = EXAMPLE.to_owned();
    // Writing to a string cannot fail.
    for (key, account) in [(key, ACCOUNT), (poor, POOR)] {
        let digest = KeyDigest::of(key);
        let _ = write!(text, "\n[[auth.key]]\ndigest = \"{digest}\"\naccount = \"{account}\"\n");
    }
    let credential = format!("{{ bearer = \"{}\" }}", provider::KEY);
    let _ = write!(
        text,
        r#"
[upstream.both]
profile = "grsai"
timeout = "{TIMEOUT_MS}ms"
[[upstream.both.endpoint]]
name = "first"
url = "http://{provider}"
credential = {credential}
[[upstream.both.endpoint]]
name = "second"
url = "http://{second}"
credential = {credential}

[[route]]
name = "failover"
method = "POST"
path = "{FAILOVER}"
upstream = "both"
rewrite = "/v1/draw/nano-banana"
schema = "schemas/apistor/generate.json"
"#
    );
    // Wherever it runs: no file has to be there.
    for (file, schema) in SCHEMAS {
        text = text.replace(&format!("\"{file}\""), &format!("'''{schema}'''"));
    }
    let mut config = config::parse(&text, Path::new("examples/apistor.toml"), env)?.config;
    config.server.admin = None;
    config.server.attempts_header = true;
    Ok(config)
}
