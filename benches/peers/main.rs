//! Which proxy does the same work with less? portico beside nginx, HAProxy and Caddy, in one run, on one core.
//! `cargo bench --bench peers [-- --help]`.
//!
//! ```text
//! core 0: load (wrk, or a paced one of ours) and the origin (nginx)      core 1: the proxy, one worker
//! each round: every proxy in turn (the first one rotates), every case: CPU time by the kernel's own count, then p99 at equal load
//! ```
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench"
)]

mod case;
mod chart;
mod load;
mod machine;
mod origin;
mod pace;
mod peer;
mod report;

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use case::Case;
use load::Figures;
use origin::Origin;
use peer::{Peer, Running};
use report::Row;

/// CPU time per request of HTTP proxies side by side, and their latency at equal load.
///
/// The proxy runs on core 1 with one worker, the load and the origin on core 0. portico has everything on: access log to a
/// file, metrics, active checks, and as many frontends as asked for; the peers log nothing and know one. CPU time is what the
/// kernel counted for the proxy's own processes. Where the load's core is the busy one, requests a second say nothing of the
/// proxy; CPU time per request does. Compare within one run only: absolute figures drift by a tenth from run to run.
///
/// Needs nginx (the origin), wrk and taskset; peers that are not installed are left out, and said.
#[derive(Debug, Parser)]
#[command(
    bin_name = "cargo bench --bench peers --",
    after_help = "Examples:
  cargo bench --bench peers
  cargo bench --bench peers -- --cases A,C --peers nginx-tuned,haproxy --rounds 5
  cargo bench --bench peers -- --write benches        # RESULTS.md and peers.svg"
)]
struct Arguments {
    /// Which cases: A keep-alive 1 KiB, B 64 KiB, C a connection each, F 10 MiB, L 4,000 connections.
    #[arg(long, value_delimiter = ',', default_value = "A,B,C,F,L")]
    cases: Vec<char>,
    /// Beside whom: nginx, nginx-tuned (64 KiB buffers), haproxy, caddy.
    #[arg(long, value_delimiter = ',', default_value = "nginx,nginx-tuned,haproxy,caddy")]
    peers: Vec<String>,
    /// Rounds; medians are shown.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds of load for each figure.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Frontends in portico's table.
    #[arg(long, default_value_t = 10_000)]
    frontends: usize,
    /// Leave out the latency at equal load.
    #[arg(long)]
    no_pace: bool,
    /// Write RESULTS.md and peers.svg to this folder.
    #[arg(long, value_name = "FOLDER")]
    write: Option<PathBuf>,
    /// Given by `cargo bench`, of no meaning here.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let arguments = Arguments::parse();
    let cases: Vec<&Case> = arguments.cases.iter().map(|letter| Case::named(*letter)).collect();
    let mut peers: Vec<Peer> = arguments.peers.iter().map(|name| Peer::named(name)).collect();
    peers.retain(|peer| {
        let there = peer.is_installed();
        if !there {
            eprintln!("{} is not installed: left out", peer.name());
        }
        there
    });
    peers.push(Peer::Portico);
    let folder = tempfile::tempdir().unwrap();
    // The origin's workers are another user, when root starts them.
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let origin = Origin::start(folder.path());

    let (load, mut rows) = (Duration::from_secs(arguments.seconds), Vec::new());
    for round in 0..arguments.rounds {
        peers.rotate_left(1);
        for &peer in &peers {
            let running = Running::start(peer, folder.path(), origin.address(), arguments.frontends);
            for &case in &cases {
                eprint!(
                    "\rround {} of {}: {:12} {}   ",
                    round + 1,
                    arguments.rounds,
                    peer.name(),
                    case.letter
                );
                let figures = load::measure(&running, case, load);
                rows.push(Row { peer, case, figures, paced: None });
            }
        }
    }
    if !arguments.no_pace {
        for &case in &cases {
            let rate = report::equal_rate(&rows, case);
            for round in 0..arguments.rounds {
                peers.rotate_left(1);
                for &peer in &peers {
                    eprint!(
                        "\rp99 at {rate} a second, round {}: {:12} {}   ",
                        round + 1,
                        peer.name(),
                        case.letter
                    );
                    let running = Running::start(peer, folder.path(), origin.address(), arguments.frontends);
                    let paced = pace::measure(&running, case, rate, load);
                    rows.push(Row { peer, case, figures: Figures::default(), paced: Some(paced) });
                }
            }
        }
    }
    eprintln!();
    let summary = report::Summary::of(&rows, &cases, &peers);
    println!("{}", summary.table());
    if let Some(folder) = &arguments.write {
        let told = report::Told {
            rounds: arguments.rounds,
            seconds: arguments.seconds,
            frontends: arguments.frontends,
        };
        std::fs::write(folder.join("RESULTS.md"), summary.markdown(&told)).unwrap();
        std::fs::write(folder.join("peers.svg"), chart::svg(&summary)).unwrap();
        println!("written: {0}/RESULTS.md, {0}/peers.svg", folder.display());
    }
}
