//! `portico rollback`: make desired facts what they were.

use admin::wire::{Applied, Kind, Rollback};
use clap::{Args, ValueEnum};
use ureq::http::Method;

use crate::answer::Answer;
use crate::changes;
use crate::client::Client;
use crate::failure::Failure;
use crate::wait::{self, WaitArgs};

const EXAMPLES: &str = "\
Examples:
  portico rollback 41 --dry-run
  portico rollback 41
  portico rollback 41 --only frontends";

/// Make desired facts what they were at a revision, as a new revision, all or nothing
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct RollbackArgs {
    /// The revision, as `portico history` shows it
    #[arg(value_name = "N")]
    to: u64,
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
pub(crate) fn run(args: &RollbackArgs, client: &Client) -> Result<Answer, Failure> {
    let wanted = Rollback {
        to: args.to,
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

fn kind(only: Only) -> Kind {
    match only {
        Only::Frontends => Kind::Frontends,
        Only::Services => Kind::Services,
        Only::Instances => Kind::Instances,
        Only::Hosts => Kind::Hosts,
        Only::Records => Kind::Records,
    }
}
