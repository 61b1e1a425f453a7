//! Which proxy does the same work with less? portico beside nginx, HAProxy and Caddy, in one run, on one core.
//! `cargo bench --bench peers [-- --help]`.
//!
//! ```text
//! core 0: load (wrk, or a paced one of ours) and the origin (nginx)      core 1: the proxy, one worker
//! each round: every proxy in turn (the first one rotates), every case: CPU time by the kernel's own count
//! each round again: memory of connections that wait
//! three times a round: every proxy in turn, every case: p99 at a rate that is the same for all
//! ```
#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::print_stderr, reason = "a bench")]

mod case;
mod chart;
mod goals;
mod idle;
mod load;
mod machine;
mod origin;
mod pace;
mod peer;
mod report;
mod summary;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use case::Case;
use origin::Origin;
use peer::{Peer, Running, Stage};
use summary::{Measured, Summary, can_bear, equal_rate};

/// CPU time per request of HTTP proxies side by side, their latency at equal load, and what a waiting connection takes of memory.
///
/// The proxy runs on core 1 with one worker, the load and the origin on core 0. portico has everything on: access log to a
/// file, metrics, active checks, and as many frontends as asked for; the peers log nothing and know one. CPU time is what the
/// kernel counted for the proxy's own processes. Where the load's core is the busy one, requests a second say nothing of the
/// proxy; CPU time per request does. Compare within one run only: absolute figures drift by a tenth from run to run.
///
/// Takes about a quarter of an hour, on a machine that should do nothing else; who may (root) asks for priority over other work. Needs nginx
/// (which is the origin too), haproxy, wrk and taskset; caddy is measured where it is installed.
#[derive(Debug, Parser)]
#[command(
    bin_name = "cargo bench --bench peers --",
    after_help = "Examples:
  cargo bench --bench peers
  cargo bench --bench peers -- --cases A,C --peers nginx-tuned,haproxy --rounds 5
  cargo bench --bench peers -- --cases A --measure cpu --seconds 1 --rounds 1 --binary target/release/portico
  cargo bench --bench peers -- --write benches        # RESULTS.md and results.svg

Exit codes: 0 measured (whether or not goals are reached), 1 something is missing or failed, 2 wrong usage."
)]
struct Arguments {
    /// Which cases: A keep-alive 1 KiB, B 64 KiB, C a connection each, F 10 MiB, L 4,000 connections.
    #[arg(long, value_delimiter = ',', default_value = "A,B,C,F,L", value_parser = case_named)]
    cases: Vec<&'static Case>,
    /// Beside whom: nginx, nginx-tuned (64 KiB buffers), haproxy, caddy [default: all, caddy where it is installed].
    #[arg(long, value_delimiter = ',', value_parser = peer_named)]
    peers: Option<Vec<Peer>>,
    /// What: CPU time under full load; latency at equal load, which needs cpu to know what all can bear; memory.
    #[arg(long, value_delimiter = ',', default_value = "cpu,latency,memory")]
    measure: Vec<What>,
    /// Rounds; medians are shown.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..))]
    rounds: u8,
    /// Seconds of full load for each figure, after one that does not count.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Seconds of equal load for each figure, of which a round has three; twice as many where few requests fit.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    paced_seconds: u64,
    /// Frontends in portico's table.
    #[arg(long, default_value_t = 10_000)]
    frontends: usize,
    /// A portico that is built already, instead of this one.
    #[arg(long, value_name = "PATH", default_value = env!("CARGO_BIN_EXE_portico"), hide_default_value = true)]
    binary: PathBuf,
    /// Write RESULTS.md and results.svg to this folder.
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
    Cpu,
    Latency,
    Memory,
}

fn case_named(text: &str) -> Result<&'static Case, String> {
    let mut letters = text.chars();
    let case = letters.next().filter(|_| letters.next().is_none()).and_then(Case::named);
    case.ok_or_else(|| "there are A, B, C, F and L".to_owned())
}

fn peer_named(text: &str) -> Result<Peer, String> {
    let peer = Peer::named(text).filter(|peer| *peer != Peer::Portico);
    peer.ok_or_else(|| "there are nginx, nginx-tuned, haproxy and caddy".to_owned())
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let asks = |what: What| arguments.measure.contains(&what);
    if asks(What::Latency) && !asks(What::Cpu) {
        eprintln!(
            "peers: latency needs cpu: the rate that all can bear follows from what the slowest managed (--measure cpu,latency)"
        );
        return ExitCode::from(2);
    }
    match whom(&arguments) {
        Ok(peers) => run(&arguments, peers),
        Err(reason) => {
            eprintln!("peers: {reason}");
            ExitCode::FAILURE
        }
    }
}

/// Whom to measure; everything it takes is there.
fn whom(arguments: &Arguments) -> Result<Vec<Peer>, String> {
    let mut peers = arguments.peers.clone().unwrap_or_else(|| {
        let mut all = vec![Peer::Nginx, Peer::NginxTuned, Peer::Haproxy];
        match machine::missing(&[("caddy", "caddy")]) {
            None => all.push(Peer::Caddy),
            Some(_) => eprintln!("caddy is not installed: left out"),
        }
        all
    });
    let mut commands = vec![("taskset", "util-linux"), ("wrk", "wrk"), ("nginx", "nginx")];
    let own =
        |peer: &Peer| matches!(peer, Peer::Haproxy | Peer::Caddy).then(|| (peer.command().0, peer.name()));
    commands.extend(peers.iter().filter_map(own));
    if let Some(missing) = machine::missing(&commands) {
        return Err(missing);
    }
    if !arguments.binary.is_file() {
        return Err(format!(
            "there is no {}; build it, or name another (--binary)",
            arguments.binary.display()
        ));
    }
    if std::thread::available_parallelism().map_or(1, usize::from) < 2 {
        return Err("two cores are needed, one for the proxy, one for load and origin".into());
    }
    // Thousands of connections of our own; what we start inherits it.
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).map_err(|error| error.to_string())?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most).map_err(|error| error.to_string())?;
    if most < 16_384 {
        return Err(format!("{most} open files are allowed, 16384 are needed (ulimit -n)"));
    }
    peers.push(Peer::Portico);
    Ok(peers)
}

fn run(arguments: &Arguments, mut peers: Vec<Peer>) -> ExitCode {
    let folder = tempfile::tempdir().unwrap();
    // The origin's workers are another user, when root starts them.
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let noise = machine::noise();
    if noise > goals::QUIET {
        eprintln!(
            "the machine is not quiet: one core is {:.0} % busy; expect worse figures, of latency above all",
            noise * 100.0
        );
    }
    let priority = machine::Priority::ask();
    let origin = Origin::start(folder.path());
    let stage = Stage {
        folder: folder.path().to_owned(),
        origin: origin.address(),
        binary: arguments.binary.clone(),
        frontends: arguments.frontends,
    };
    let mut measured = Measured::default();
    if arguments.measure.contains(&What::Cpu) {
        full_load(arguments, &mut peers, &stage, &mut measured);
    }
    if arguments.measure.iter().any(|what| *what != What::Cpu) {
        equal_load(arguments, &mut peers, &stage, &mut measured);
    }
    eprintln!();
    drop((origin, priority));

    let summary = Summary::of(&measured, &arguments.cases);
    let told = report::Told {
        asked: asked(std::env::args().skip(1)),
        rounds: arguments.rounds.into(),
        seconds: arguments.seconds,
        frontends: arguments.frontends,
        binary: arguments.binary.clone(),
        noise,
    };
    match say(arguments, &summary, &told) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("peers: what was measured cannot be written: {reason}");
            ExitCode::FAILURE
        }
    }
}

/// The command line as it was given, but for what says where on this machine something lies.
fn asked(mut given: impl Iterator<Item = String>) -> String {
    let mut asked = String::new();
    while let Some(argument) = given.next() {
        match argument.as_str() {
            "--bench" => {}
            "--binary" => drop(given.next()),
            _ if argument.starts_with("--binary=") => {}
            _ => asked += &format!(" {argument}"),
        }
    }
    if asked.is_empty() { asked } else { format!(" --{asked}") }
}

fn say(arguments: &Arguments, summary: &Summary, told: &report::Told) -> std::io::Result<()> {
    match &arguments.json {
        Some(file) if file.as_os_str() == "-" => println!("{:#}", summary.json()),
        Some(file) => std::fs::write(file, format!("{:#}\n", summary.json()))?,
        None => {}
    }
    if arguments.json.as_ref().is_none_or(|file| file.as_os_str() != "-") {
        println!("{}", report::tables(summary));
    }
    if let Some(folder) = &arguments.write {
        std::fs::write(folder.join("RESULTS.md"), report::page(summary, told))?;
        std::fs::write(folder.join("results.svg"), chart::svg(summary))?;
        eprintln!("written: {0}/RESULTS.md, {0}/results.svg", folder.display());
    }
    Ok(())
}

fn progress(what: &str, round: u8, peer: Peer, case: char) {
    eprint!("\r{what}, round {}: {:12} {case}   ", round + 1, peer.name());
}

/// CPU time of every proxy in every case.
fn full_load(arguments: &Arguments, peers: &mut [Peer], stage: &Stage, measured: &mut Measured) {
    for round in 0..arguments.rounds {
        peers.rotate_left(1);
        for &peer in &*peers {
            let running = Running::start(peer, stage);
            for &case in &arguments.cases {
                progress("full load", round, peer, case.letter);
                let figures = load::measure(&running, case, Duration::from_secs(arguments.seconds));
                measured.loaded.push((peer, case, figures));
            }
            assert!(peer != Peer::Portico || running.logged() > 0, "portico wrote no access log");
        }
    }
}

/// How often latency is measured in a round: one disturbance of the machine spoils a p99, and many short ones are spoilt less.
const PACED_IN_A_ROUND: u8 = 3;

/// Memory of connections that wait, and latency at a rate that is the same for all.
fn equal_load(arguments: &Arguments, peers: &mut [Peer], stage: &Stage, measured: &mut Measured) {
    let asks = |what: What| arguments.measure.contains(&what);
    let rounds = arguments.rounds.saturating_mul(if asks(What::Latency) { PACED_IN_A_ROUND } else { 1 });
    for round in 0..rounds {
        peers.rotate_left(1);
        for &peer in &*peers {
            let running = Running::start(peer, stage);
            if asks(What::Memory) && round < arguments.rounds {
                progress("memory", round, peer, ' ');
                let kib = idle::measure(&running);
                measured.idle.push((peer, kib.unwrap_or_else(|error| panic!("{}: {error}", peer.name()))));
            }
            if asks(What::Latency) {
                for &case in &arguments.cases {
                    progress("equal load", round, peer, case.letter);
                    let rate = equal_rate(measured, case);
                    if !can_bear(measured, peer, case, rate) {
                        continue;
                    }
                    let few = rate * arguments.paced_seconds < 500;
                    let time = Duration::from_secs(arguments.paced_seconds * if few { 2 } else { 1 });
                    measured.paced.push((peer, case, pace::measure(&running, case, rate, time)));
                }
            }
        }
    }
}
