use std::io::IsTerminal;
use tracing_subscriber::{EnvFilter, fmt};

/// Logs to standard error: lines for people on a terminal, JSON elsewhere.
///
/// `TOLLGATE_LOG` says what, such as `warn` or `tollgate=debug`. Default: `info`.
pub(super) fn init() {
    let wanted = super::env("TOLLGATE_LOG").filter(|wanted| !wanted.is_empty());
    let filter = wanted.as_deref().unwrap_or("info").parse::<EnvFilter>();
    let bad = filter.is_err();
    let mut filter = filter.unwrap_or_else(|_| EnvFilter::new("info"));
    // Below that, these crates write header fields and pieces of bodies.
    for quiet in ["h2=warn", "hyper=warn", "hyper_util=warn", "rustls=warn", "hyper_rustls=warn"] {
        if let Ok(directive) = quiet.parse() {
            filter = filter.add_directive(directive);
        }
    }
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // A second initialisation in one process can only come from a test; the first one stays.
    let _ = if std::io::stderr().is_terminal() {
        builder.try_init()
    } else {
        builder.json().flatten_event(true).with_ansi(false).try_init()
    };
    if bad {
        tracing::warn!("TOLLGATE_LOG is not understood; logging at `info`");
    }
}
