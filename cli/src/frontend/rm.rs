//! `portico frontend rm`: remove a frontend.

use admin::wire::Written;
use clap::Args;
use ureq::http::Method;

use super::{in_our_words, line, standing};
use crate::answer::Answer;
use crate::client::Client;
use crate::failure::Failure;
use crate::name;
use crate::wait::{self, WaitArgs};

const EXAMPLES: &str = "\
Examples:
  portico frontend rm www.example.com
  portico frontend rm www.example.com/api --if-revision 42";

/// Remove a frontend
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct RmArgs {
    /// The frontend
    #[arg(value_name = "HOST[/path]")]
    name: String,
    /// Only when the frontend is still at this revision
    #[arg(long, value_name = "N")]
    if_revision: Option<u64>,
    #[command(flatten)]
    wait: WaitArgs,
}

/// Runs it.
pub(crate) fn run(args: &RmArgs, client: &Client) -> Result<Answer, Failure> {
    let conditions: Vec<_> = args.if_revision.iter().map(|n| ("If-Match", format!("\"{n}\""))).collect();
    let written: Written = client
        .write(Method::DELETE, &name::url_of(&args.name, ""), None::<&()>, &conditions)
        .map_err(|failure| in_our_words(failure, &args.name))?;
    let text = line(&format!("{} removed {}", args.name, standing(&written)));
    wait::answer(&args.wait, client, written.revision, &written, text)
}
