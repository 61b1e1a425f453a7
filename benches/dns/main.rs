//! Which name server does the same work with less? portico beside NSD, Knot, gdnsd and PowerDNS, in one run, on one core.
//! `cargo bench --bench dns [-- --help]`.
//!
//! ```text
//! core 0: dnsperf, 64 sockets, 200 questions under way      core 1: the servers, one worker each, asked one after the other
//! each round: every case, every server in turn (the first one rotates), a second each: CPU time by the kernel's own count
//! ```
#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::print_stderr, reason = "a bench")]

#[expect(dead_code, reason = "shared with `benches/peers`")]
#[path = "../peers/goals.rs"]
mod goals;
#[path = "../peers/machine.rs"]
mod machine;
mod names;
mod report;
mod server;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use machine::{LOAD_CORE, Priority, taken};
use names::Case;
use report::{Measured, Report};
use server::{Running, Server, Stage};

/// CPU time per question of DNS servers side by side: hits, names that are not there, SRV with addresses, and a mix of all.
///
/// The server runs on core 1 with one worker, dnsperf on core 0. All answer from the same names: from a master file, and portico also from
/// as many services applied as facts, quiet and while 100 of them change each second (as Knot's names do by UPDATE). CPU time is what the kernel counted for the server's
/// own processes, and servers are compared within each round: a machine that others share drifts by half within minutes.
///
/// Takes about ten minutes, on a machine that should do nothing else; who may (root) asks for priority over other work. Needs dnsperf and
/// taskset, and the servers: nsd, knot, gdnsd, pdns-server and pdns-backend-bind (Debian's names).
#[derive(Debug, Parser)]
#[command(
    bin_name = "cargo bench --bench dns --",
    after_help = "Examples:
  cargo bench --bench dns
  cargo bench --bench dns -- --servers portico,nsd,knot --rounds 5
  cargo bench --bench dns -- --write benches/DNS.md

Exit codes: 0 measured (whether or not goals are reached), 1 something is missing or failed, 2 wrong usage."
)]
struct Arguments {
    /// Which servers: portico, facts, changing, nsd, knot, knot-changing, gdnsd, pdns [default: all].
    #[arg(long, value_delimiter = ',', value_parser = server_named)]
    servers: Option<Vec<Server>>,
    /// Rounds; medians are shown.
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u8).range(1..))]
    rounds: u8,
    /// Seconds of load for each figure.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Services, of three instances each.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    services: u32,
    /// A portico that is built already, instead of this one.
    #[arg(long, value_name = "PATH", default_value = env!("CARGO_BIN_EXE_portico"), hide_default_value = true)]
    binary: PathBuf,
    /// Write the report to this file.
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Given by `cargo bench`, of no meaning here.
    #[arg(long, hide = true)]
    bench: bool,
}

fn server_named(text: &str) -> Result<Server, String> {
    match text {
        "facts" => return Ok(Server::PorticoFacts),
        "changing" => return Ok(Server::PorticoChanging),
        "knot-changing" => return Ok(Server::KnotChanging),
        _ => {}
    }
    let found = Server::ALL.into_iter().find(|server| server.name() == text);
    found.ok_or_else(|| {
        "there are portico, facts, changing, nsd, knot, knot-changing, gdnsd and pdns".to_owned()
    })
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let servers = arguments.servers.clone().unwrap_or_else(|| Server::ALL.to_vec());
    let peers = servers.iter().filter(|server| !server.is_ours());
    let wanted: Vec<_> =
        peers.map(|server| server.command()).map(|(name, package, _)| (name, package)).collect();
    let tools = [("dnsperf", "dnsperf"), ("taskset", "util-linux")];
    if let Some(missing) = machine::missing(&[&tools[..], &wanted].concat()) {
        eprintln!("dns: {missing}");
        return ExitCode::from(1);
    }
    let report = measure(&arguments, &servers);
    println!("{}", report.text());
    if let Some(file) = &arguments.write
        && let Err(error) = std::fs::write(file, report.page())
    {
        eprintln!("dns: {} cannot be written: {error}", file.display());
        return ExitCode::from(1);
    }
    ExitCode::SUCCESS
}

fn measure(arguments: &Arguments, servers: &[Server]) -> Report {
    let noise = machine::noise();
    let _priority = Priority::ask();
    let folder = tempfile::tempdir().unwrap();
    let services = usize::try_from(arguments.services).unwrap();
    let zone_file = folder.path().join("zone");
    std::fs::write(&zone_file, names::zone_file(services)).unwrap();
    for case in Case::ALL {
        std::fs::write(folder.path().join(case.name()), case.questions(services)).unwrap();
    }
    let binary = arguments.binary.clone();
    let stage = Stage { folder: folder.path().to_owned(), zone_file, services, binary };
    eprintln!("starting {} servers", servers.len());
    let mut running: Vec<_> = servers.iter().map(|server| Running::start(*server, &stage)).collect();
    for server in &running {
        for case in Case::ALL {
            load(server, 0, case, &stage, 1);
        }
    }
    let mut measured = Vec::new();
    for round in 0..arguments.rounds {
        eprintln!("round {} of {}", round + 1, arguments.rounds);
        for case in Case::ALL {
            measured
                .extend(running.iter().map(|server| load(server, round, case, &stage, arguments.seconds)));
        }
        running.rotate_left(1);
    }
    Report {
        measured,
        servers: servers.to_vec(),
        services,
        rounds: arguments.rounds,
        seconds: arguments.seconds,
        noise,
    }
}

/// One figure.
fn load(running: &Running, round: u8, case: Case, stage: &Stage, seconds: u64) -> Measured {
    let questions = stage.folder.join(case.name()).display().to_string();
    let asks = format!("-s 127.0.0.1 -p {} -c 64 -T 1 -q 200 -l {seconds} -d", running.port);
    let asks: Vec<&str> = asks.split(' ').chain([&*questions]).collect();
    let _changes = running.changes(stage.services);
    let before = taken(running.process());
    let output = machine::on_core(LOAD_CORE, "dnsperf", &asks).output().unwrap();
    let after = taken(running.process());
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let figure = |name: &str| {
        let line = said.lines().find_map(|line| line.trim().strip_prefix(name));
        let word = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        word.unwrap_or_else(|| panic!("dnsperf says nothing of `{name}`:\n{said}"))
    };
    let completed = figure("Queries completed:");
    Measured {
        server: running.server,
        round,
        case,
        cpu_us: (after.cpu_ns - before.cpu_ns) as f64 / 1000.0 / completed.max(1.0),
        rate: completed / seconds as f64,
        lost: figure("Queries lost:"),
        latency_ms: figure("Average Latency (s):") * 1000.0,
        resident_mb: after.resident_kib as f64 / 1024.0,
    }
}
