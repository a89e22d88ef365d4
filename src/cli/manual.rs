//! What shells and `man` know of the command line, made from its definition.

use super::{Cli, fail, print_bytes};
use clap::CommandFactory;
use clap_complete::Shell;

#[derive(Debug, clap::Args)]
pub(super) struct CompletionsArgs {
    /// For which shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints what the shell has to be given.
pub(super) fn completions(args: &CompletionsArgs) -> u8 {
    let mut out = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "tollgate", &mut out);
    print_bytes(&out)
}

/// Prints the page of the manual, every command included.
pub(super) fn man() -> u8 {
    let mut command = Cli::command().flatten_help(true);
    command.build();
    let mut out = Vec::new();
    match clap_mangen::Man::new(command).render(&mut out) {
        Ok(()) => print_bytes(&out),
        Err(error) => fail(&format!("the page cannot be written: {error}")),
    }
}
