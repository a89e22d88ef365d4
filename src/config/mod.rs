//! The configuration file: TOML in, everything that is wrong with it out.
//!
//! ```
//! use std::path::Path;
//!
//! let text = r#"
//!     [upstream.images]
//!     timeout = "2m"
//!     [[upstream.images.endpoint]]
//!     url = "${IMAGES_URL:-https://images.example.com}"
//!     credential = { bearer = "${IMAGES_KEY}" }
//!
//!     [[route]]
//!     method = "POST"
//!     path = "/v1/generate"
//!     upstream = "images"
//! "#;
//! let env = |name: &str| (name == "IMAGES_KEY").then(|| "sk-secret".to_owned());
//! let loaded = tollgate::config::parse(text, Path::new("tollgate.toml"), env)?;
//! assert_eq!(loaded.config.route[0].name.as_str(), "POST /v1/generate");
//!
//! let errors = tollgate::config::parse(&text.replace("timeout", "timeuot"), Path::new("tollgate.toml"), env).unwrap_err();
//! assert_eq!(
//!     errors.to_string(),
//!     "error: tollgate.toml:3:5: upstream.images.timeuot: unknown key\n  help: did you mean `timeout`?",
//! );
//! # Ok::<_, tollgate::config::Errors>(())
//! ```
//!
//! # Variables
//!
//! Values, never keys, can have `${NAME}` and `${NAME:-default}` in them. They are put in after the TOML was parsed, so
//! that nothing in a variable can become configuration. A number or a boolean that comes from a variable is written as a
//! string. A variable that is not set is an error, except in the `url` and the `credential` of an endpoint: those are
//! warnings, and requests to that upstream are answered with `not_configured`.
//!
//! # Secrets
//!
//! No diagnostic quotes a value, whether it is meant to be a secret or not; it says where the value is, and which
//! variable it came from.
//!
//! [`Config::effective`] is the configuration with every default filled in, as the admin listener and `tollgate check --show`
//! show it. There a secret is `[redacted]`, and so is what the environment has put into a path to ask a provider for, into a
//! JSON Schema or into a value of an `edit`: where any text can stand, a secret can.
mod check;
mod decode;
mod diagnostic;
mod effective;
mod interpolate;
mod keys_file;
mod model;
mod reader;
mod schema;
mod source;
mod tree;
mod values;

#[cfg(test)]
mod tests;

pub(crate) use self::model::short_id;
pub use self::{
    diagnostic::{Diagnostic, Errors, Severity},
    model::{
        Adapt, Auth, AuthMode, Body, Callback, Callbacks, CertificateAccount, Charge, ClientAuth,
        Config, ContentEncoding, Credential, Duplicates, Edit, Ejection, Endpoint, Forward, Http2,
        Idempotency, Limit, LimitUse, Numbers, Page, PlanLimit, Price, ProxyProtocol,
        RateLimitHeaders, Route, Rules, Scheme, Server, ServerTls, StaticKey, Success, Task, Tasks,
        TraceSource, Traces, Upstream, Violations,
    },
    schema::json_schema,
    values::{
        Digest, EndpointUrl, FieldName, Invalid, JsonPointer, JsonValue, KeyPrefix, Label,
        LimitKey, LimitName, Limits, Methods, Moment, Name, Network, Part, PathPattern,
        PathTemplate, Patience, PriceAmount, Rate, Ratio, Realm, SchemaSource, Scope,
        ScopeTemplate, Secret, ServerName, Setting, Size, StoreAddress, Timeout, Token,
    },
};

use self::{check::Checker, diagnostic::Report};
use crate::file_stamps::FileStamps;
use std::path::Path;

/// A configuration that can be used.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What will not work nevertheless.
    pub warnings: Vec<Diagnostic>,
}

/// Reads a configuration file. `env` gives the value of an environment variable.
///
/// `TOLLGATE_LISTEN` and `TOLLGATE_ADMIN`, unless empty, go before `server.listen` and `server.admin`.
///
/// # Errors
///
/// If the file cannot be read, or anything in it is wrong: all of it.
pub fn load(path: &Path, env: impl Fn(&str) -> Option<String>) -> Result<Loaded, Errors> {
    load_noting(path, env, &mut FileStamps::default())
}

/// The same, and notes every file that is read for it, this one first: also those before a mistake.
pub(crate) fn load_noting(
    path: &Path,
    env: impl Fn(&str) -> Option<String>,
    files: &mut FileStamps,
) -> Result<Loaded, Errors> {
    files.note(path);
    let text = source::read(path)?;
    parse_noting(&text, path, env, files)
}

/// Reads the file once more; files alone are, which have an end.
pub(crate) fn load_again(
    path: &Path,
    env: impl Fn(&str) -> Option<String>,
    files: &mut FileStamps,
) -> Result<Loaded, Errors> {
    // A change of it is seen, whatever it is now.
    let checked = source::check_regular(path);
    if checked.is_err() {
        files.note(path);
    }
    checked?;
    load_noting(path, env, files)
}

/// Reads the text of a configuration file; `file` is what it is called, and where relative paths in it start.
///
/// # Errors
///
/// If anything in it is wrong: all of it.
pub fn parse(
    text: &str,
    file: &Path,
    env: impl Fn(&str) -> Option<String>,
) -> Result<Loaded, Errors> {
    parse_noting(text, file, env, &mut FileStamps::default())
}

fn parse_noting(
    text: &str,
    file: &Path,
    env: impl Fn(&str) -> Option<String>,
    files: &mut FileStamps,
) -> Result<Loaded, Errors> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut report = Report::new(file, text, files);
    let config = read(text, file, &env, &mut report);
    let failed = report.has_errors();
    let diagnostics = report.finish();
    match config {
        Some(config) if !failed => Ok(Loaded { config, warnings: diagnostics }),
        _ => Err(Errors(diagnostics)),
    }
}

fn read(
    text: &str,
    file: &Path,
    env: &dyn Fn(&str) -> Option<String>,
    report: &mut Report<'_>,
) -> Option<Config> {
    let (mut root, damaged) = source::document(text, env, report)?;
    let mut config: Config = decode::decode(&mut root, report, damaged)?;
    let directory = file.parent().unwrap_or(Path::new(""));
    Checker { root: &root, report, damaged }.check(&mut config, directory, env);
    Some(config)
}
