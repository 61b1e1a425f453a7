//! The command line: a client of the admin API.
//!
//! In: parsed arguments. Out: requests to one admin listener, tables or JSON on stdout, errors on stderr, an [`ExitCode`].
//! Never here: a crate of ours beside admin's wire types; a terminal that a value from the registry could steer.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | refused, not found, a file cannot be read or written, `verify` or `import` found something, `dns explain` nothing, a revision is not served in time, or what `--wait` waits for fails or is not so in time |
//! | 2 | the arguments are wrong |
//! | 3 | the server cannot be reached, or is not portico's admin listener |
//! | any | `exec`: what the command in the container ended with |

mod amount;
mod answer;
mod apply;
mod back;
mod backup;
mod canary;
mod changes;
mod client;
mod compose;
mod controls;
mod diff;
mod dns;
mod edit;
mod env_files;
mod escapes;
mod events;
mod exec;
mod explain;
mod export;
mod fact;
mod failure;
mod file;
mod follow;
mod frontend;
mod history;
mod host;
mod image;
mod import;
mod json;
mod launched;
mod logs;
mod name;
mod named;
mod placement;
mod printable;
mod record;
mod registry;
mod rollback;
mod service;
mod status;
mod table;
mod terminal;
mod verify;
mod wait;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use answer::Answer;
use client::Client;
use failure::Failure;

/// Where portico is, for every command; accepted before and after the subcommand.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Server")]
pub struct GlobalArgs {
    /// The admin listener of a portico
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "PORTICO_SERVER",
        default_value = "http://127.0.0.1:8081"
    )]
    pub server: String,
    /// The token its admin listener wants
    #[arg(long, global = true, value_name = "TOKEN", env = "PORTICO_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// Print the server's answer as JSON
    #[arg(long, global = true)]
    pub json: bool,
}

/// What to ask of a running portico.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read and write frontends: which hosts and paths lead to which endpoints
    #[command(subcommand)]
    Frontend(frontend::Command),
    /// Read and remove services: what has instances, and ports
    #[command(subcommand)]
    Service(service::Command),
    /// Read and remove instances: the running copies of services
    #[command(subcommand)]
    Instance(named::InstanceCommand),
    /// Run so many instances of a service
    Scale(launched::ScaleArgs),
    /// Run a service no more, and keep all that is said of it
    #[command(after_help = "Examples:\n  portico stop web\n  portico stop web --wait")]
    Stop(launched::ServiceArgs),
    /// Run a service again that was stopped
    #[command(after_help = "Examples:\n  portico start web\n  portico start web --wait")]
    Start(launched::ServiceArgs),
    /// Put new instances in the place of all that run
    #[command(after_help = "Examples:\n  portico restart web\n  portico restart web --wait")]
    Restart(launched::ServiceArgs),
    /// Launch a service of another image
    Deploy(launched::DeployArgs),
    /// Have a canary take the place of what runs
    Promote(canary::PromoteArgs),
    /// End a canary: what runs beside it takes all requests again
    Abort(canary::AbortArgs),
    /// What the instances of a service print
    Logs(logs::LogsArgs),
    /// Run a command in a container of a service; its exit code is the command's
    Exec(exec::ExecArgs),
    /// Make hosts known, close, empty and remove them: machines that instances run on
    #[command(subcommand)]
    Host(host::Command),
    /// List images, of services or of a registry, and send them there
    #[command(subcommand)]
    Image(image::Command),
    /// Read and write record sets: what DNS says beside the names of services
    #[command(subcommand)]
    Record(record::Command),
    /// Write facts from files of YAML or JSON; all or nothing
    Apply(apply::ApplyArgs),
    /// Remove the facts that files of YAML or JSON name; all or nothing
    #[command(after_help = apply::DELETE_EXAMPLES)]
    Delete(apply::ApplyArgs),
    /// How a node and its registry stand
    Status(status::StatusArgs),
    /// Wait until every node serves a revision; exit code 1 when one does not
    Wait(wait::WaitCommand),
    /// What happens, as it does: changes of facts, or who joins and leaves services of a type
    Events(events::EventsArgs),
    /// List everything that is not as it should be; exit code 1 when there is something
    Verify(verify::VerifyArgs),
    /// How a request for a URL would be routed, or where a service is placed, and why
    Explain(explain::ExplainArgs),
    /// How DNS answers a question, and why; the zones it serves
    #[command(subcommand)]
    Dns(dns::Command),
    /// How portico stands with what its registry says
    #[command(subcommand)]
    Registry(registry::Command),
    /// Who changed what, when; newest first
    History(history::HistoryArgs),
    /// What differs in facts between two revisions
    Diff(diff::DiffArgs),
    /// Make desired facts what they were at a revision, as a new revision, all or nothing; or a service what it was when it was healthy
    Rollback(rollback::RollbackArgs),
    /// Write all facts to one JSON file, without their history
    Export(export::ExportArgs),
    /// Write facts from a file of `portico export`, from hipache's, planb's or Traefik's Redis; all or nothing
    Import(import::ImportArgs),
    /// Copy the embedded registry, facts and history, to a file while portico runs
    Backup(backup::BackupArgs),
}

/// Runs one command and prints what it has to say.
pub fn run(command: &Command, global: &GlobalArgs) -> ExitCode {
    match ask(command, global) {
        Ok(answer) => answer.print(global.json),
        Err(failure) => failure.print(global.json),
    }
}

fn ask(command: &Command, global: &GlobalArgs) -> Result<Answer, Failure> {
    let client = Client::new(&global.server, global.token.as_deref())?;
    match command {
        Command::Frontend(command) => frontend::run(command, &client),
        Command::Service(command) => service::run(command, &client),
        Command::Instance(command) => named::run_instance(command, &client),
        Command::Scale(args) => launched::scale(args, (&client, global.json)),
        Command::Stop(args) => launched::stop(args, (&client, global.json)),
        Command::Start(args) => launched::start(args, (&client, global.json)),
        Command::Restart(args) => launched::restart(args, (&client, global.json)),
        Command::Deploy(args) => launched::deploy(args, (&client, global.json)),
        Command::Promote(args) => canary::promote(args, (&client, global.json)),
        Command::Abort(args) => canary::abort(args, (&client, global.json)),
        Command::Logs(args) => logs::run(args, &client, global.json),
        Command::Exec(args) => exec::run(args, &client, global.json),
        Command::Host(command) => host::run(command, &client),
        Command::Image(command) => image::run(command, &client, global.json),
        Command::Record(command) => record::run(command, &client),
        Command::Apply(args) => apply::run(args, false, (&client, global.json)),
        Command::Delete(args) => apply::run(args, true, (&client, global.json)),
        Command::Status(args) => status::run(args, &client),
        Command::Events(args) => events::run(args, &client, global.json),
        Command::Wait(args) => wait::run(args, &client),
        Command::Verify(args) => verify::run(args, &client),
        Command::Explain(args) => explain::run(args, &client),
        Command::Dns(command) => dns::run(command, &client),
        Command::Registry(command) => registry::run(command, &client),
        Command::History(args) => history::run(args, &client),
        Command::Diff(args) => diff::run(args, &client),
        Command::Rollback(args) => rollback::run(args, &client, global.json),
        Command::Export(args) => export::run(args, &client),
        Command::Import(args) => import::run(args, &client),
        Command::Backup(args) => backup::run(args, &client),
    }
}

#[cfg(test)]
mod tests;
