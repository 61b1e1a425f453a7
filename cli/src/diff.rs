//! `portico diff`: what differs between two revisions.

use admin::wire::Diff;
use clap::Args;

use crate::answer::Answer;
use crate::changes;
use crate::client::Client;
use crate::failure::Failure;
use crate::name;

const EXAMPLES: &str = "\
Examples:
  portico diff 41
  portico diff 41 57";

/// What differs in facts between two revisions
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct DiffArgs {
    /// The first revision, as `portico history` shows it
    #[arg(value_name = "A")]
    from: u64,
    /// The second one; it may be the older of the two [default: the present one]
    #[arg(value_name = "B")]
    to: Option<u64>,
}

/// Runs it: page after page, all of them between the same two revisions.
pub(crate) fn run(args: &DiffArgs, client: &Client) -> Result<Answer, Failure> {
    let client = client.patient();
    let mut url = format!("/v1/diff?from={}", args.from);
    if let Some(to) = args.to {
        url += &format!("&to={to}");
    }
    let mut diff: Diff = client.get(&url)?;
    while let Some(next) = diff.next.take() {
        let after = name::encode(&next);
        let url = format!("/v1/diff?from={}&to={}&after={after}", diff.from, diff.to);
        let page: Diff = client.get(&url)?;
        // A page with nothing on it is the last one, whatever it says.
        diff.next = page.next.filter(|_| !page.changes.is_empty());
        diff.changes.extend(page.changes);
    }
    Answer::new(&diff, text(&diff))
}

fn text(diff: &Diff) -> String {
    match changes::table(&diff.changes, 0) {
        none if none.is_empty() => format!("nothing differs between {} and {}\n", diff.from, diff.to),
        table => table,
    }
}
