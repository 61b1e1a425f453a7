//! What does a table of a million frontends cost? Time to load it, memory, and latency while it changes all the time.
//! `cargo bench --bench table [-- --help]`.
//!
//! ```text
//! fill the store ─► start the binary on it ─► first answer: load time ─► resident memory
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
mod load;
mod store;
#[expect(
    dead_code,
    unused_imports,
    reason = "shared with the tests: the world knows more than this bench asks of it"
)]
#[path = "../../tests/spec/world/mod.rs"]
mod world;

use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};

use changes::Changes;
use load::Latency;
use store::Store;
use world::{Connection, Portico, WideOrigin, World, until_within};

/// A table of many frontends: time to load it, memory, and latency quiet and while it changes.
///
/// Fills a store, starts `portico run --only proxy` on it with one worker, and waits for the first answer that is routed. Memory is
/// what the kernel calls resident. Then rounds of requests for random hosts at a fixed rate, each counted from when it was due: quiet,
/// and while random frontends change. Quiet and changing rounds take turns, so that both see the same machine.
#[derive(Debug, Parser)]
#[command(
    bin_name = "cargo bench --bench table --",
    after_help = "Examples:
  cargo bench --bench table
  cargo bench --bench table -- --frontends 100000 --registry redis"
)]
struct Arguments {
    /// How many frontends, of one endpoint each.
    #[arg(long, default_value_t = 1_000_000)]
    frontends: usize,
    /// Where they stand.
    #[arg(long, value_enum, default_value = "embedded")]
    registry: Kind,
    /// Rounds of requests, quiet and changing each; 0: only load time and memory.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds of each half of a round.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Requests a second.
    #[arg(long, default_value_t = 2000)]
    rate: u64,
    /// Changes a second.
    #[arg(long, default_value_t = 1000)]
    changes: u64,
    /// Given by `cargo bench`, of no meaning here.
    #[arg(long, hide = true)]
    bench: bool,
}

/// A registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Embedded,
    Memory,
    Redis,
}

/// How long loading may take before the bench gives up.
const PATIENCE: Duration = Duration::from_secs(600);

fn main() {
    let arguments = Arguments::parse();
    let (world, origin) = (World::new(), WideOrigin::start(64));
    let empty = settled(&start(&world, "memory:"));
    eprintln!("filling the store with {} frontends …", arguments.frontends);
    let (store, portico, took) = Store::fill(&world, arguments.registry, arguments.frontends, &origin.url());
    println!(
        "{} frontends, {:?} registry, --only proxy, one worker",
        arguments.frontends, arguments.registry
    );
    println!("  loaded in  {:8.2} s, until the first answer", took.as_secs_f64());
    let settled = settled(&portico);
    println!(
        "  resident   {:8.1} MB at most, {:.1} MB settled, {:.1} MB of it with an empty table",
        mb(peak(&portico)),
        mb(settled),
        mb(empty)
    );
    println!("  a frontend {:8.0} octets", settled.saturating_sub(empty) as f64 / arguments.frontends as f64);
    if arguments.rounds > 0 {
        rounds(&arguments, &portico, &store, &origin.url());
        println!("  resident   {:8.1} MB after all that", mb(portico.memory()));
    }
}

fn rounds(arguments: &Arguments, portico: &Portico, store: &Store, origin: &str) {
    let (rate, time) = (arguments.rate, Duration::from_secs(arguments.seconds));
    println!("\n  {rate} requests a second of random hosts, milliseconds:");
    println!(
        "  round   quiet p50      p99      max   changing p50      p99      max   changes/s   p99 ratio"
    );
    // Connections and caches are warm before anything counts.
    load::measure(portico.http(), arguments.frontends, rate, Duration::from_secs(2));
    let mut ratios = Vec::new();
    for round in 1..=arguments.rounds {
        let quiet = load::measure(portico.http(), arguments.frontends, rate, time);
        let changes = Changes::start(portico, store, arguments.frontends, arguments.changes, origin);
        let busy = load::measure(portico.http(), arguments.frontends, rate, time);
        let done = changes.end();
        let ratio = busy.p99 / quiet.p99;
        println!(
            "  {round:5} {:>11.3} {:>8.3} {:>8.3} {:>14.3} {:>8.3} {:>8.3} {:>11.0} {:>11.2}",
            quiet.p50, quiet.p99, quiet.max, busy.p50, busy.p99, busy.max, done, ratio
        );
        let told = |when: &str, of: &Latency| assert_eq!(of.errors, 0, "answers were wrong, {when}");
        told("quiet", &quiet);
        told("while it changed", &busy);
        ratios.push(ratio);
    }
    ratios.sort_by(f64::total_cmp);
    println!("  median of the p99 ratios: {:.2}", ratios[ratios.len() / 2]);
}

/// A portico on this registry.
fn start(world: &World, registry: &str) -> Portico {
    let arguments = ["--only", "proxy", "--access-log", "off", "--registry", registry];
    let portico = world.portico_command(&arguments).spawn();
    until_within(PATIENCE, "it serves", || portico.log().contains(": ready ").then_some(()));
    portico
}

/// Waits until the `n`th frontend is routed.
fn serves(portico: &Portico, n: usize) {
    let host = store::host(n);
    until_within(PATIENCE, "the last frontend is routed", || {
        let reply = Connection::open(portico.http()).get(&host, "/").read();
        reply.is_some_and(|reply| reply.status == 200).then_some(())
    });
}

/// What is resident once that does not change any more.
fn settled(portico: &Portico) -> u64 {
    let mut last = (portico.memory(), Instant::now());
    until_within(PATIENCE, "memory settles", || {
        let now = portico.memory();
        if now.abs_diff(last.0) > 1 << 20 {
            last = (now, Instant::now());
        }
        (last.1.elapsed() > Duration::from_secs(3)).then_some(now)
    })
}

/// The most that was resident so far, in octets (proc(5)).
fn peak(portico: &Portico) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", portico.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

fn mb(octets: u64) -> f64 {
    octets as f64 / 1e6
}
