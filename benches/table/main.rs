//! What does a table of a million frontends cost? Time to load it, memory, lookups, changes, and latency while it changes all the time.
//! `cargo bench --bench table [-- --help]`.
//!
//! ```text
//! in this process: tables of 1,000 to all frontends in turn: a lookup, a change
//! fill a store ─► start the binary on it ─► every frontend routed: load time ─► resident memory
//! core 0: load, origin, the changes' writers, Redis      core 1: portico, one worker
//! each round: requests of random hosts, quiet ─► the same while frontends change ─► p50, p99
//! ```
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench"
)]

mod changes;
mod cores;
#[path = "../peers/goals.rs"]
mod goals;
mod load;
#[expect(dead_code, reason = "shared with `benches/peers`")]
#[path = "../peers/machine.rs"]
mod machine;
mod parts;
mod report;
mod store;
mod summary;
#[expect(
    dead_code,
    unused_imports,
    reason = "shared with the tests: the world knows more than this bench asks of it"
)]
#[path = "../../tests/spec/world/mod.rs"]
mod world;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use changes::Changes;
use machine::{LOAD_CORE, PROXY_CORE};
use store::{Kind, Serving};
use summary::{Measured, Round};
use world::WideOrigin;

/// A table of many frontends: time to load it, memory, what a lookup and a change take, and latency while it changes.
///
/// Parts: tables of 1,000, 100,000 and all frontends in this process, in turn: a lookup, of a few hosts and of random ones, and a
/// change. Load: fills each registry, starts `portico run --only proxy` on it with one worker, and waits until hosts out of all are
/// routed; memory is what the kernel calls resident. Changes: rounds of requests for random hosts at a fixed rate, each counted from
/// when it was due: quiet, and while random frontends change. Quiet and changing halves take turns, so that both see the same
/// machine. All of portico is on core 1 then, its registry too; the load, the origin, those who write and Redis are on core 0.
///
/// Takes about five minutes with a million frontends, half of it filling stores, and 2 GB of memory; the machine should do nothing
/// else. Needs taskset, and redis-server for `--registries redis`.
#[derive(Debug, Parser)]
#[command(
    bin_name = "cargo bench --bench table --",
    after_help = "Examples:
  cargo bench --bench table
  cargo bench --bench table -- --frontends 20000 --seconds 1            # to try it
  cargo bench --bench table -- --registries redis --measure load
  cargo bench --bench table -- --write benches        # TABLE.md

Exit codes: 0 measured (whether or not goals are reached), 1 something is missing or failed, 2 wrong usage."
)]
struct Arguments {
    /// How many frontends, of one endpoint each. The goals are those of 1,000,000.
    #[arg(long, default_value_t = 1_000_000, value_parser = frontends)]
    frontends: usize,
    /// Where they stand.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "embedded,redis,memory")]
    registries: Vec<Kind>,
    /// What: lookups and changes by themselves; time and memory of loading; latency under changes, which needs to load.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "parts,load,changes")]
    measure: Vec<What>,
    /// Rounds of requests, quiet and changing each; medians are shown.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..))]
    rounds: u8,
    /// Seconds of each half of a round.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Requests a second.
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u64).range(1..))]
    rate: u64,
    /// Changes a second.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    changes: u64,
    /// Write TABLE.md to this folder.
    #[arg(long, value_name = "FOLDER")]
    write: Option<PathBuf>,
    /// Write everything for programs to this file; `-`: print it instead of the tables.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Given by `cargo bench`, of no meaning here.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    Parts,
    Load,
    Changes,
}

fn frontends(text: &str) -> Result<usize, String> {
    let frontends = text.parse().ok().filter(|n| *n > parts::SMALL);
    frontends.ok_or_else(|| format!("a number above {}, which all tables are compared with", parts::SMALL))
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match is_missing(&arguments) {
        None => run(&arguments),
        Some(reason) => {
            eprintln!("table: {reason}");
            ExitCode::FAILURE
        }
    }
}

/// What it takes and is not there.
fn is_missing(arguments: &Arguments) -> Option<String> {
    let mut commands = vec![("taskset", "util-linux")];
    if arguments.registries.contains(&Kind::Redis) {
        commands.push(("redis-server", "redis-server"));
    }
    let one = std::thread::available_parallelism().map_or(1, usize::from) < 2;
    let one = one.then(|| "two cores are needed, one for portico, one for load and origin".to_owned());
    let folder = arguments.write.as_ref().filter(|folder| !folder.is_dir());
    let folder = folder.map(|folder| format!("there is no folder {} to write TABLE.md to", folder.display()));
    machine::missing(&commands).or(one).or(folder)
}

fn run(arguments: &Arguments) -> ExitCode {
    let noise = machine::noise();
    if noise > goals::QUIET {
        eprintln!(
            "the machine is not quiet: one core is {:.0} % busy; expect worse figures, of latency above all",
            noise * 100.0
        );
    }
    let _priority = machine::Priority::ask();
    let mut measured = Measured { frontends: arguments.frontends, ..Measured::default() };
    if arguments.measure.contains(&What::Parts) {
        eprintln!("tables of up to {} frontends in this process …", arguments.frontends);
        measured.parts = parts::measure(arguments.frontends);
    }
    if arguments.measure.iter().any(|what| *what != What::Parts) {
        let origin = cores::on(LOAD_CORE, || WideOrigin::start(64));
        measured.empty = store::empty();
        for &kind in &arguments.registries {
            eprintln!("{}: filling it with {} frontends, and loading …", kind.name(), arguments.frontends);
            let (serving, loads) = store::fill(kind, arguments.frontends, &origin.url());
            measured.loads.extend(loads);
            if arguments.measure.contains(&What::Changes) {
                rounds(arguments, &serving, &origin.url(), &mut measured);
                measured.after.push((kind, serving.portico.memory()));
            }
        }
    }
    let told = report::Told {
        asked: std::env::args().skip(1).filter(|a| a != "--bench").map(|a| format!(" {a}")).collect(),
        rounds: arguments.rounds,
        seconds: arguments.seconds,
        rate: arguments.rate,
        changes: arguments.changes,
        noise,
    };
    match say(arguments, &measured, &told) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("table: what was measured cannot be written: {reason}");
            ExitCode::FAILURE
        }
    }
}

/// Quiet and changing halves in turn.
fn rounds(arguments: &Arguments, serving: &Serving, origin: &str, measured: &mut Measured) {
    cores::bind(serving.portico.pid(), PROXY_CORE);
    let ask = |time| load::measure(&serving.portico, arguments.frontends, arguments.rate, time);
    let time = Duration::from_secs(arguments.seconds);
    // Connections and caches are warm before anything counts.
    ask(Duration::from_secs(2));
    for round in 1..=arguments.rounds {
        eprint!("\r{}: round {round} of {} …", serving.kind.name(), arguments.rounds);
        let quiet = ask(time);
        let changes = Changes::start(serving, arguments.frontends, arguments.changes, origin);
        let changing = ask(time);
        measured.rounds.push(Round { kind: serving.kind, quiet, changing, written: changes.end() });
    }
    eprintln!();
}

fn say(arguments: &Arguments, measured: &Measured, told: &report::Told) -> std::io::Result<()> {
    match &arguments.json {
        Some(file) if file.as_os_str() == "-" => println!("{:#}", measured.json(arguments.changes)),
        Some(file) => std::fs::write(file, format!("{:#}\n", measured.json(arguments.changes)))?,
        None => {}
    }
    if arguments.json.as_ref().is_none_or(|file| file.as_os_str() != "-") {
        println!("{}", report::tables(measured, told));
    }
    if let Some(folder) = &arguments.write {
        std::fs::write(folder.join("TABLE.md"), report::page(measured, told))?;
        eprintln!("written: {}/TABLE.md", folder.display());
    }
    Ok(())
}
