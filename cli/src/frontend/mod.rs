//! `portico frontend …`: one file for each of its commands.

mod add;
mod check;
mod ls;
mod rm;
mod show;

use admin::wire::{BalanceDoc, EndpointDoc, FrontendDoc, HashDoc, ServiceRefDoc, Written};
use clap::Subcommand;

use crate::answer::Answer;
use crate::client::Client;
use crate::failure::Failure;
use crate::{name, printable};

/// How many endpoints a line names before it counts the rest.
const NAMED: usize = 3;

/// Read and write frontends.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a frontend, or add endpoints to one
    #[command(long_about = add::ABOUT)]
    Add(Box<add::AddArgs>),
    /// Remove a frontend
    Rm(rm::RmArgs),
    /// List all frontends
    Ls(ls::LsArgs),
    /// Show one frontend
    Show(show::ShowArgs),
}

/// Runs one of them.
pub(crate) fn run(command: &Command, client: &Client) -> Result<Answer, Failure> {
    match command {
        Command::Add(args) => add::run(args, client),
        Command::Rm(args) => rm::run(args, client),
        Command::Ls(args) => ls::run(args, client),
        Command::Show(args) => show::run(args, client),
    }
}

/// `HOST[/path]`.
pub(crate) fn name_of(doc: &FrontendDoc) -> String {
    format!("{}{}", doc.host, doc.path.as_deref().unwrap_or(""))
}

/// Who answers: endpoints, or a service.
pub(crate) fn answers_of(doc: &FrontendDoc) -> String {
    match &doc.service {
        Some(ServiceRefDoc { name, port: Some(port) }) => format!("service {name}, port {port}"),
        Some(ServiceRefDoc { name, port: None }) => format!("service {name}"),
        None => endpoints_of(doc.endpoints.as_deref().unwrap_or_default()),
    }
}

/// The first endpoints and the number of the others.
fn endpoints_of(endpoints: &[EndpointDoc]) -> String {
    if endpoints.is_empty() {
        return "no endpoint (502)".to_owned();
    }
    let mut named: Vec<String> = endpoints.iter().take(NAMED).map(endpoint_of).collect();
    if endpoints.len() > NAMED {
        named.push(format!("{} more", endpoints.len() - NAMED));
    }
    named.join(", ")
}

/// The URL, and the weight where it is not 1.
pub(crate) fn endpoint_of(endpoint: &EndpointDoc) -> String {
    match endpoint.weight {
        Some(weight) if weight != 1 => format!("{} (weight {weight})", endpoint.url),
        _ => endpoint.url.clone(),
    }
}

/// A balance kind as `--balance` takes it.
pub(crate) fn balance_of(balance: Option<&BalanceDoc>) -> String {
    match balance {
        None | Some(BalanceDoc::RandomOfTwo) => "random_of_two".to_owned(),
        Some(BalanceDoc::RoundRobin) => "round_robin".to_owned(),
        Some(BalanceDoc::Random) => "random".to_owned(),
        Some(BalanceDoc::LeastLoaded) => "least_loaded".to_owned(),
        Some(BalanceDoc::Hash(HashDoc::ClientAddress)) => "hash:client_address".to_owned(),
        Some(BalanceDoc::Hash(HashDoc::Header(name))) => format!("hash:header:{name}"),
        Some(BalanceDoc::Hash(HashDoc::Cookie(name))) => format!("hash:cookie:{name}"),
    }
}

/// Where a write stands: `revision 42, live`.
fn standing(written: &Written) -> String {
    let changed = if written.changed { "" } else { "unchanged, " };
    let live = if written.live { "live" } else { "not live on this node yet" };
    format!("({changed}revision {}, {live})", written.revision)
}

/// A conflict in the words of this command line.
fn in_our_words(failure: Failure, name: &str) -> Failure {
    let name = name::quoted(name);
    match failure {
        Failure::Refused(mut problem) if problem.kind.ends_with(":conflict") => {
            problem.remedy = match problem.revision {
                Some(revision) => format!(
                    "look at it with `portico frontend show {name}`, then say --if-revision {revision}"
                ),
                None => format!("make it with `portico frontend add {name} http://HOST:PORT`"),
            };
            Failure::Refused(problem)
        }
        Failure::Refused(mut problem) if problem.kind.ends_with(":not-found") => {
            problem.remedy = "list what is there with `portico frontend ls`".to_owned();
            Failure::Refused(problem)
        }
        other => other,
    }
}

pub(crate) use add::parse_time;

/// One line, safe to print, ended.
pub(crate) fn line(text: &str) -> String {
    format!("{}\n", printable::line(text))
}
