//! How many instructions the pure parts of a request take, counted by callgrind, held against the committed figures:
//! `cargo bench -p proxy --bench instructions`. Times differ from run to run, counts do not, so that CI can hold them.
//!
//! ```text
//! this program ──for each case──► valgrind --tool=callgrind (this program --count CASE) ──► instructions inside of `callgrind_counts_here`
//!      └── committed.txt: more than 3 % above ► exit 1, and what to do; --accept writes what was counted
//! ```
#![expect(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "a bench")]

mod cases;
mod committed;
#[path = "../pure/parts.rs"]
#[expect(dead_code, reason = "not every part is counted")]
mod parts;

use std::process::{Command, ExitCode};

use cases::Case;
use committed::{Committed, Row};

const HELP: &str = "\
Counts the instructions of the pure parts of a request and holds them against proxy/benches/instructions/committed.txt.

  cargo bench -p proxy --bench instructions                  # exit 1 when a count grew by more than 3 %
  cargo bench -p proxy --bench instructions -- --accept      # writes what is counted now; say why in the commit

Needs valgrind (apt-get install valgrind). Counts hold for one compiler and one architecture: both stand in the file. What the
kernel does is not counted, nor is reading the clock as it is without valgrind.";

/// By how much a count may grow, in per cent.
const MAY_GROW: f64 = 3.0;

/// Requests of every case whose instructions are counted: each host of [`cases::HOSTS`] several times, so that where the seeds of
/// this run's hashes put a host does not show.
const ROUNDS: u32 = 4;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => guard(false),
        ["--accept"] => guard(true),
        ["--count", name] => {
            cases::run(Case::named(name).unwrap(), ROUNDS);
            ExitCode::SUCCESS
        }
        ["--help" | "-h"] => {
            println!("{HELP}");
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("unknown arguments {arguments:?}\n\n{HELP}");
            ExitCode::from(2)
        }
    }
}

fn guard(accept: bool) -> ExitCode {
    let counted =
        cases::ALL.iter().map(|&case| Ok(Row { name: case.name().to_owned(), count: count(case)? }));
    let counted: Vec<Row> = match counted.collect::<Result<_, String>>() {
        Ok(counted) => counted,
        Err(reason) => {
            eprintln!("instructions: {reason}");
            return ExitCode::from(2);
        }
    };
    let (before, now) = (Committed::read(), Committed::now(counted));
    println!("instructions a request, callgrind; {}\n", now.by);
    println!("{:36} {:>9} {:>9} {:>8}", "", "committed", "now", "");
    let (mut grown, mut shrunk) = (Vec::new(), Vec::new());
    for row in &now.rows {
        let Some(was) = before.count(&row.name) else {
            println!("{:36} {:>9} {:>9}", row.name, "-", row.count);
            grown.push(format!("{} is not in {}", row.name, committed::FILE));
            continue;
        };
        let percent = (row.count as f64 / was as f64 - 1.0) * 100.0;
        println!("{:36} {was:>9} {:>9} {percent:>+7.1} %", row.name, row.count);
        if percent < -MAY_GROW {
            shrunk.push(row.name.as_str());
        } else if percent > MAY_GROW {
            grown.push(format!(
                "{}: {was} committed, {} now, {percent:+.1} %; {MAY_GROW} % are allowed",
                row.name, row.count
            ));
        }
    }
    let gone = before.rows.iter().filter(|row| now.count(&row.name).is_none());
    grown.extend(gone.map(|row| format!("{} is committed, and counted no more", row.name)));
    println!("\n{}", cost_of_telling(&now));
    if accept {
        now.write();
        println!("written: {}", committed::FILE);
        return ExitCode::SUCCESS;
    }
    if !shrunk.is_empty() {
        println!("fewer than committed: {}; `-- --accept` keeps what was won", shrunk.join("; "));
    }
    verdict(&before, &now, &grown)
}

fn verdict(before: &Committed, now: &Committed, grown: &[String]) -> ExitCode {
    if !before.rows.is_empty() && before.architecture() != now.architecture() {
        println!("nothing is held: the committed figures are of another architecture ({})", before.by);
        return ExitCode::SUCCESS;
    }
    if grown.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("instructions: not what was committed:");
    for one in grown {
        eprintln!("  {one}");
    }
    if before.by != now.by {
        eprintln!("the compiler may be why: {} then, {} now", before.by, now.by);
    }
    eprintln!(
        "make it cheaper; or, where it is worth that, run `cargo bench -p proxy --bench instructions -- --accept`, commit \
         {}, and say in the commit what it is spent for",
        committed::FILE
    );
    ExitCode::FAILURE
}

/// What access log and metrics add to a browser's request and its answer.
fn cost_of_telling(now: &Committed) -> String {
    let of = |case: Case| now.count(case.name()).unwrap_or_default() as f64;
    let bare = of(Case::Browser) + of(Case::Response);
    let line = |what: &str, count: f64| {
        format!(
            "{what:36} {count:>9.0} {:>+7.1} % of head, route and answer ({bare:.0})",
            count / bare * 100.0
        )
    };
    let metrics = of(Case::Metrics);
    [
        line("metrics on against off", metrics),
        line("access log on against off", of(Case::Log) - metrics),
        line("access log as JSON against off", of(Case::JsonLog) - metrics),
    ]
    .join("\n")
        + "\n"
}

/// Instructions of one request of `case`, as callgrind counts them.
fn count(case: Case) -> Result<u64, String> {
    let this = std::env::current_exe().map_err(|error| format!("where is this program? {error}"))?;
    let output = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "--callgrind-out-file=/dev/null",
            "--toggle-collect=*callgrind_counts_here*",
        ])
        .arg(this)
        .args(["--count", case.name()])
        .output()
        .map_err(|error| {
            format!("valgrind cannot be started: {error}; install it (apt-get install valgrind)")
        })?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected =
        said.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse::<u64>().ok());
    match collected {
        Some(collected) if output.status.success() && collected > 0 => {
            Ok(collected / u64::from(cases::HOSTS * ROUNDS))
        }
        _ => Err(format!("{}: callgrind counted nothing:\n{said}", case.name())),
    }
}
