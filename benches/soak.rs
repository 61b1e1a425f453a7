//! "What becomes of it in the long run?": a long and busy life in short, through the real binary, with a table of what was kept.
//! `cargo bench --bench soak [-- --help]`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench"
)]
// The world knows more than this bench asks of it.
#![expect(dead_code, unused_imports, reason = "shared with the tests")]

#[path = "../tests/spec/soak/mod.rs"]
mod soak;
#[path = "../tests/spec/world/mod.rs"]
mod world;

use std::process::ExitCode;
use std::time::Duration;

use soak::Plan;

const HELP: &str = "\
What becomes of it in the long run? A long and busy life in short, through the real binary.

  cargo bench --bench soak [-- [--minutes N] [--requests N] [--connections N] [--changes N] [--restarts N]]

  --minutes N     over which time (default 20); the numbers below are those of 20 minutes, and of other times a share of them
  --requests N    requests (10^6)
  --connections N client connections they come by (10^5)
  --changes N     changes of routes, in Redis (10^4)
  --restarts N    restarts of Redis (10)

Needs redis-server. Exit code 1 where an answer was wrong, files stayed open, memory grew, or a request is not in the access log.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    if arguments.iter().any(|a| a == "--help" || a == "-h") {
        println!("{HELP}");
        return ExitCode::SUCCESS;
    }
    let number = |name: &str| {
        let at = arguments.iter().position(|a| a == name);
        at.map(|at| arguments.get(at + 1).and_then(|n| n.parse::<f64>().ok()).expect("a number"))
    };
    let mut plan = Plan::of(Duration::from_secs_f64(number("--minutes").unwrap_or(20.0) * 60.0));
    for (name, place) in [
        ("--requests", &mut plan.requests),
        ("--connections", &mut plan.connections),
        ("--changes", &mut plan.changes),
        ("--restarts", &mut plan.restarts),
    ] {
        if let Some(number) = number(name) {
            *place = number as usize;
        }
    }
    println!("{plan:?}\n");
    let report = soak::run(plan);
    println!("{report}");
    if report.kept() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
