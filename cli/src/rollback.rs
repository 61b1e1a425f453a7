//! `portico rollback`: make desired facts what they were, or one service.

use admin::wire::{Applied, Kind, Rollback};
use clap::{Args, ValueEnum};
use ureq::http::Method;

use crate::answer::Answer;
use crate::back;
use crate::changes;
use crate::client::Client;
use crate::failure::Failure;
use crate::follow::FollowArgs;
use crate::launched::To;
use crate::wait::{self, WaitArgs};

const EXAMPLES: &str = "\
Examples:
  portico rollback 41 --dry-run
  portico rollback 41
  portico rollback 41 --only frontends
  portico rollback web --wait

A service goes back to how it was launched when it was healthy last, or, where that is how it is launched now, to how it was before that. \
How many run, and whether any do, stays as it is.";

/// Make desired facts what they were at a revision, as a new revision, all or nothing; or a service what it was when it was healthy
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct RollbackArgs {
    /// The revision, as `portico history` shows it, or the name of a service
    #[arg(value_name = "N|SERVICE")]
    to: String,
    /// Only facts of this kind; may be repeated
    #[arg(long, value_name = "KIND")]
    only: Vec<Only>,
    /// Say what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Leave facts alone of which nobody saw what they said
    #[arg(long)]
    keep_unknown: bool,
    /// Write in parts, each all or nothing, what is too much for one write
    #[arg(long)]
    in_parts: bool,
    #[command(flatten)]
    wait: WaitArgs,
}

/// A kind of desired facts.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Only {
    /// Frontends.
    Frontends,
    /// Services.
    Services,
    /// Instances that are there until they are removed.
    Instances,
    /// Hosts.
    Hosts,
    /// Record sets.
    Records,
}

/// Runs it.
pub(crate) fn run(args: &RollbackArgs, client: &Client, as_json: bool) -> Result<Answer, Failure> {
    let Ok(to) = args.to.parse() else {
        return of_service(args, (client, as_json));
    };
    let wanted = Rollback {
        to,
        only: args.only.iter().copied().map(kind).collect(),
        dry_run: args.dry_run,
        keep_unknown: args.keep_unknown,
        in_parts: args.in_parts,
    };
    let applied: Applied = client.patient().write(Method::POST, "/v1/rollback", Some(&wanted), &[])?;
    let text = changes::text(&applied, &format!("back to revision {}", args.to));
    if args.dry_run {
        return Answer::new(&applied, text);
    }
    wait::answer(&args.wait, client, applied.revision, &applied, text)
}

/// Takes one service back.
fn of_service(args: &RollbackArgs, to: To<'_>) -> Result<Answer, Failure> {
    let name = &args.to;
    if !args.only.is_empty() || args.keep_unknown || args.in_parts {
        let why = "--only, --keep-unknown and --in-parts are about a revision";
        return Err(Failure::Usage(format!(
            "`{name}` is no revision: {why}; leave them out, or write a number"
        )));
    }
    back::run(name, args.dry_run, &FollowArgs::of(&args.wait), to)
}

fn kind(only: Only) -> Kind {
    match only {
        Only::Frontends => Kind::Frontends,
        Only::Services => Kind::Services,
        Only::Instances => Kind::Instances,
        Only::Hosts => Kind::Hosts,
        Only::Records => Kind::Records,
    }
}
