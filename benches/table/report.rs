//! What came out: tables for people, and TABLE.md for the repository.

use std::fmt::Write as _;

use crate::goals::{self, FULL, columns, range};
use crate::machine;
use crate::parts::{HOT, Part};
use crate::store::{How, Kind, Load};
use crate::summary::{Measured, Rounds, mb};

/// How it was measured.
#[derive(Debug)]
pub(crate) struct Told {
    /// What was asked for on the command line.
    pub(crate) asked: String,
    pub(crate) rounds: u8,
    pub(crate) seconds: u64,
    pub(crate) rate: u64,
    pub(crate) changes: u64,
    /// How busy the busier core was before anything began.
    pub(crate) noise: f64,
}

/// As tables; read as it is on a terminal, and drawn where Markdown is.
pub(crate) fn tables(measured: &Measured, told: &Told) -> String {
    let mut text = goals::table(&measured.verdicts(told.changes));
    if !measured.loads.is_empty() {
        let _ = write!(text, "## Loading, and memory\n\n{}", loads(measured));
    }
    if !measured.parts.is_empty() {
        let _ = write!(text, "\n## A lookup, and a change, in the table alone\n\n{}", parts(&measured.parts));
    }
    let rounds = measured.by_registry();
    if !rounds.is_empty() {
        let _ =
            write!(text, "\n## Requests while it changes\n\n{}\n{}\n", changing(&rounds), saturated(&rounds));
    }
    text
}

fn loads(measured: &Measured) -> String {
    let after = |how: How| {
        let of = |kind: Kind| measured.after.iter().find(|row| row.0 == kind).map(|row| row.1);
        match how {
            How::Numbered(kind) => of(kind),
            How::Told => of(Kind::Memory),
            How::Foreign => None,
        }
    };
    let row = |load: &Load| {
        let own = load.settled.saturating_sub(measured.empty) as f64 / measured.frontends as f64;
        vec![
            load.how.name().to_owned(),
            format!("{:.1}", load.took.as_secs_f64()),
            format!("{:.0}", mb(load.settled)),
            format!("{:.0}", mb(load.peak)),
            after(load.how).map_or("-".into(), |octets| format!("{:.0}", mb(octets))),
            format!("{own:.0}"),
        ]
    };
    let heads =
        ["", "s until routed", "resident MB", "most while loading", "after the changes", "octets a frontend"];
    columns(&heads, measured.loads.iter().map(row).collect())
        + &format!("\nWithout a table: {:.0} MB.\n", mb(measured.empty))
}

fn parts(parts: &[Part]) -> String {
    let hot = format!("{HOT} hosts again and again, ns (range)");
    let heads =
        ["frontends", &hot, "random hosts, ns (range)", "allocations", "change us (range)", "change octets"];
    let row = |part: &Part| {
        vec![
            part.frontends.to_string(),
            range(&part.hot_ns, 0),
            range(&part.random_ns, 0),
            part.allocations.to_string(),
            range(&part.change_us, 1),
            format!("{:.0}", part.change_octets),
        ]
    };
    columns(&heads, parts.iter().map(row).collect())
}

fn changing(rounds: &[Rounds]) -> String {
    let heads = [
        "",
        "p50 ms",
        "p99 ms (range)",
        "most",
        "proxy",
        "load",
        "p99 by quiet (range)",
        "changes/s",
        "last served in ms",
        "errors",
    ];
    let mut rows = Vec::new();
    for of in rounds {
        for (when, half) in [("quiet", &of.quiet), ("changing", &of.changing)] {
            let mut row = vec![
                format!("{}, {when}", of.kind.name()),
                format!("{:.2}", half.p50.median),
                range(&half.p99, 2),
                format!("{:.1}", half.max),
                format!("{:.0} %", half.proxy_core * 100.0),
                format!("{:.0} %", half.load_core * 100.0),
            ];
            row.extend(match when {
                "quiet" => ["-", "-", "-", "-"].map(str::to_owned),
                _ => [
                    range(&of.ratio, 2),
                    format!("{:.0}", of.rate.median),
                    format!("{:.0}", of.behind.median),
                    of.errors.to_string(),
                ],
            });
            rows.push(row);
        }
    }
    columns(&heads, rows)
}

/// Which core was the limit, and where.
fn saturated(rounds: &[Rounds]) -> String {
    let mut full = Vec::new();
    for of in rounds {
        for (when, half) in [("quiet", &of.quiet), ("changing", &of.changing)] {
            let cores = [("proxy", half.proxy_core), ("load", half.load_core)];
            let of_it = cores.into_iter().filter(|(_, busy)| *busy > FULL);
            full.extend(of_it.map(|(core, _)| format!("the {core}'s core with {}, {when}", of.kind.name())));
        }
    }
    let said =
        if full.is_empty() { "No core was full.".into() } else { format!("Full was {}.", full.join("; ")) };
    let others = rounds.iter().flat_map(|of| [of.quiet.others, of.changing.others]).fold(0.0, f64::max);
    if others > 0.03 {
        return format!("{said} Others used up to {:.0} % of the proxy's core.", others * 100.0);
    }
    said
}

/// As a page.
pub(crate) fn page(measured: &Measured, told: &Told) -> String {
    let version = |name: &str, command: &str| {
        machine::version(command, "--version")
            .map(|version| format!("{name} {}", version.trim_start_matches("v=")))
    };
    let redis =
        version("Redis", "redis-server").filter(|_| measured.loads.iter().any(|l| l.how == How::Foreign));
    let versions: Vec<String> =
        version("portico", env!("CARGO_BIN_EXE_portico")).into_iter().chain(redis).collect();
    let dashes = if told.asked.is_empty() { "" } else { " --" };
    format!(
        "# A large table\n\n\
         Written by `cargo bench --bench table{dashes}{}` on {}; the machine ({}) was {}.\n\
         {}.\n\n\
         {} frontends of one endpoint each, `portico run --only proxy` with one worker.\n\n\
         - *s until routed*: from the start of a portico that knows nothing of the table until {} hosts out of all are routed; it may use every\n\
         \x20 core. A Redis that others wrote is numbered by the first portico that sees it; `memory:` is told all through the API.\n\
         - *resident*: what the kernel says of the process once that does not change any more.\n\
         - *a lookup*: one host after the other, each needing what the last one found. {HOT} hosts again and again stay in the core's cache, in\n\
         \x20 every table alike; random hosts out of all show what memory takes.\n\
         - *a change*: from a changed fact to the table that serves it, without registry and sockets. What it allocates grows as log n to a\n\
         \x20 million, then with n/32,768: there are that many leaves at most, and one is copied.\n\
         - *requests while it changes*: {} a second for random hosts, each counted from when it was due; {} rounds of {} s quiet and {} s with {}\n\
         \x20 changes a second, in turn. All of portico, its registry too, is on one core (*proxy*: how busy that was); on the other (*load*) are\n\
         \x20 the load, the origin, those who write (the admin API, or LSET) and Redis, which give way to the load. *last served in*: from the last answer to a writer until requests\n\
         \x20 are routed by all that was written.\n\n{}",
        told.asked,
        machine::today(),
        machine::description(),
        goals::quiet(told.noise),
        versions.join(" · "),
        measured.frontends,
        crate::store::ASKED,
        told.rate,
        told.rounds,
        told.seconds,
        told.seconds,
        told.changes,
        tables(measured, told),
    )
}
