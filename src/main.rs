//! The binary: arguments, configuration, wiring, signals, exit codes.
//!
//! In: a command line, an environment, files. Out: the parts of the house, wired together (`compose`); exit codes 0 (done),
//! 1 (failed, and why), 2 (wrong usage). Never here: a decision about a route, a request or a fact.

mod args;
mod check;
mod compose;
mod config;
mod controlling;
mod demo;
mod failure;
mod holder;
mod logging;
mod notify;
mod privileges;
mod report;
mod run;
mod signals;
mod storage;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command, SettingFlags};
use failure::Failure;

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match &cli.command {
        Command::Run(arguments) => run::run(arguments),
        Command::Demo => demo::run(),
        Command::Check(arguments) => check(&arguments.settings),
        Command::Client(command) => return cli::run(command, &cli.server),
    };
    outcome.unwrap_or_else(|failure| {
        // Nobody is left to tell when standard error is gone.
        let _ = writeln!(std::io::stderr(), "portico: {failure}");
        ExitCode::FAILURE
    })
}

/// `portico check`.
fn check(flags: &SettingFlags) -> Result<ExitCode, Failure> {
    let loaded = flags.sources().load()?;
    check::verify(&loaded)?;
    check::describe(&loaded, &mut std::io::stdout().lock())
        .map_err(|error| Failure::System { what: "cannot write to standard output", error })?;
    Ok(ExitCode::SUCCESS)
}
