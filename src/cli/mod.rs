//! The command line.
//!
//! Exit codes: 0; 1 failed while running; 2 wrong usage; 78 wrong configuration (`EX_CONFIG` of sysexits).

mod accounts;
mod balance;
mod callbacks;
mod catalog;
mod check;
mod classify;
mod demo;
mod health;
mod keys;
mod ledger;
mod log;
mod manual;
mod moment;
mod serve;
mod store;
mod table;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Wrong configuration: `EX_CONFIG`.
const EX_CONFIG: u8 = 78;

/// One error contract for APIs that are built on other people's APIs.
#[derive(Debug, Parser)]
#[command(name = "tollgate", version, about, propagate_version = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway.
    Serve(serve::Args),
    /// Run the gateway before a simulated provider that fails in every way, and print commands to try.
    Demo(demo::Args),
    /// Ask a gateway on this machine whether it is ready, as a container's health check.
    Health(health::Args),
    /// Check a configuration file: every mistake in one go.
    Check(check::Args),
    /// Print the JSON Schema of the configuration.
    Schema,
    /// Create, list, revoke, rotate and import API keys.
    Keys(keys::Args),
    /// List, suspend and resume the accounts that keys belong to.
    Accounts(accounts::Args),
    /// Show, credit and debit balances, and limit what may be spent.
    Balance(balance::Args),
    /// List and export what stands in the ledger, end holds by hand, and verify that everything fits together.
    Ledger(ledger::Args),
    /// List the callers who are told when a task is over, try one again, and print what messages are signed with.
    Callbacks(callbacks::Args),
    /// Print a catalog of error codes.
    Catalog(catalog::CatalogArgs),
    /// Tell what an error code means, and what to do.
    Explain(catalog::ExplainArgs),
    /// Print completions for a shell.
    Completions(manual::CompletionsArgs),
    /// Print the page of the manual, for `man`.
    Man,
    /// Tell what a captured answer of a provider means: the rule, what follows, and what the caller gets.
    Classify(classify::Args),
}

/// Runs the command that the arguments name, to its end.
pub fn run() -> ExitCode {
    // clap answers wrong usage with exit code 2 by itself.
    let code = match Cli::parse().command {
        Command::Serve(args) => serve::run(args),
        Command::Demo(args) => demo::run(&args),
        Command::Health(args) => health::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Schema => print(&format!("{:#}", crate::config::json_schema())),
        Command::Keys(args) => keys::run(&args),
        Command::Accounts(args) => accounts::run(&args),
        Command::Balance(args) => balance::run(&args),
        Command::Ledger(args) => ledger::run(&args),
        Command::Callbacks(args) => callbacks::run(&args),
        Command::Catalog(args) => catalog::run(&args),
        Command::Explain(args) => catalog::explain(&args),
        Command::Completions(args) => manual::completions(&args),
        Command::Man => manual::man(),
        Command::Classify(args) => classify::run(&args),
    };
    ExitCode::from(code)
}

/// Prints to standard output. A reader who has left, as `head` does, is no failure.
fn print(text: &str) -> u8 {
    print_bytes(&[text.as_bytes(), b"\n"].concat())
}

/// The same of what has its own line ends.
fn print_bytes(text: &[u8]) -> u8 {
    use std::io::{ErrorKind, Write};
    let mut out = std::io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Ok(()) => 0,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => 0,
        Err(error) => fail(&format!("cannot write to standard output: {error}")),
    }
}

/// Says on standard error what went wrong.
fn fail(message: &str) -> u8 {
    complain(&format!("error: {message}"));
    1
}

/// Prints to standard error; if even that fails there is nobody to tell.
fn complain(message: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{message}");
}

/// A variable of the process's environment, if it is valid Unicode.
fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
