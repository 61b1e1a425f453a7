//! `portico image …`: images that services run of, and those of a registry; images that are sent there.

mod catalog;
mod ls;
mod push;

use clap::Subcommand;

use crate::answer::Answer;
use crate::client::Client;
use crate::failure::Failure;

/// List images, and send them to their registry.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the images that instances run of, or those of a registry
    Ls(ls::LsArgs),
    /// Let the engine of a host send an image to the registry that its name begins with
    Push(push::PushArgs),
}

/// Runs one of them.
pub(crate) fn run(command: &Command, client: &Client, as_json: bool) -> Result<Answer, Failure> {
    match command {
        Command::Ls(args) => ls::run(args, client),
        Command::Push(args) => push::run(args, client, as_json),
    }
}
