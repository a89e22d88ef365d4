use super::fail;

#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn run(_args: &Args) -> u8 {
    fail("x")
}
