//! `portico registry accept`: what a registry says is believed though it lost most of its frontends.

use admin::wire::Accepted;
use clap::{Args, Subcommand};
use ureq::http::Method;

use crate::answer::Answer;
use crate::client::Client;
use crate::failure::Failure;
use crate::wait::{self, WaitArgs};

const EXAMPLES: &str = "\
Examples:
  portico registry accept
  portico registry accept --json
  portico status                  # says whether a view is held, and for how long

A registry that suddenly lost most of a large table (a flush, a restart without its data, an old dump) is not
believed at once: the frontends are served on for `registry.hold`, 1 min. The same holds for what a replica takes
back that lagged and was promoted by sentinels (`registry.hold_older`, 1 min). This ends it now, on the node that is
asked. Exit code 1 when nothing is held.";

/// How portico stands with what its registry says
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Believe at once what the registry says, though it lost most of its frontends
    Accept(AcceptArgs),
}

/// Believe at once what the registry says, though it lost most of its frontends
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct AcceptArgs {
    #[command(flatten)]
    wait: WaitArgs,
}

/// Runs one of them.
pub(crate) fn run(command: &Command, client: &Client) -> Result<Answer, Failure> {
    match command {
        Command::Accept(args) => {
            let accepted: Accepted = client.write(Method::POST, "/v1/registry/accept", None::<&()>, &[])?;
            wait::answer(&args.wait, client, accepted.revision, &accepted, text(&accepted))
        }
    }
}

fn text(accepted: &Accepted) -> String {
    let Accepted { revision, removed, live } = accepted;
    let frontends = if *removed == 1 { "frontend" } else { "frontends" };
    let live = if *live { "live" } else { "not live yet" };
    format!("accepted: {removed} {frontends} removed at revision {revision}, {live}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_accepted_is_one_line() {
        let accepted = Accepted { revision: 42, removed: 61, live: true };
        insta::assert_snapshot!(text(&accepted), @"accepted: 61 frontends removed at revision 42, live");
    }
}
