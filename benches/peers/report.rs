//! What came out: tables for people, and RESULTS.md for the repository.

use std::fmt::Write as _;
use std::path::PathBuf;

use crate::goals::{self, FULL, Spread, columns, range};
use crate::machine;
use crate::peer::Peer;
use crate::summary::{Group, Line, Summary};

/// How it was measured.
#[derive(Debug)]
pub(crate) struct Told {
    /// What was asked for on the command line.
    pub(crate) asked: String,
    pub(crate) rounds: usize,
    pub(crate) seconds: u64,
    pub(crate) frontends: usize,
    pub(crate) binary: PathBuf,
    /// How busy the busier core was before anything began.
    pub(crate) noise: f64,
}

/// As tables; read as it is on a terminal, and drawn where Markdown is.
pub(crate) fn tables(summary: &Summary) -> String {
    let mut text = goals::table(&summary.verdicts());
    for group in &summary.groups {
        let _ = writeln!(text, "## {}: {}\n\n{}", group.case.letter, group.case.name, table(group));
    }
    if !summary.idle_kib.is_empty() {
        let row = |(peer, kib): &(Peer, Spread)| vec![peer.name().to_owned(), range(kib, 1)];
        let rows = summary.idle_kib.iter().map(row).collect();
        let _ = writeln!(
            text,
            "## Memory of a connection that waits\n\n\
             Resident memory of the process for each of {} connections that had an answer and may ask again; what the kernel keeps \
             is not in it.\n\n{}",
            crate::idle::CONNECTIONS,
            columns(&["", "KiB (range)"], rows)
        );
    }
    text
}

fn table(group: &Group) -> String {
    let heads = [
        "",
        "CPU us/request (range)",
        "requests/s",
        "proxy",
        "load",
        "RSS MB",
        "p50 ms",
        "p99 ms (range)",
        "errors",
    ];
    let rows = group.lines.iter().map(|line| {
        let figures = &line.figures;
        vec![
            line.peer.name().to_owned(),
            range(&line.cpu_us, 1),
            format!("{:.0}", figures.requests_per_second),
            format!("{:.0} %", figures.proxy_busy * 100.0),
            format!("{:.0} %", figures.load_busy * 100.0),
            format!("{:.0}", figures.resident_mb),
            line.p50_ms.map_or("-".into(), |p50| format!("{:.2}", p50.median)),
            line.p99_ms.map_or("-".into(), |p99| range(&p99, 2)),
            figures.errors.to_string(),
        ]
    });
    let mut text = columns(&heads, rows.collect());
    let _ = write!(text, "\n{}", saturated(&group.lines));
    if let Some((rate, busy)) = group.paced {
        let _ = write!(
            text,
            " p50 and p99 at {rate} requests a second for each; that kept the load's core {:.0} % busy at most.",
            busy * 100.0
        );
    }
    if let Some(pooled) = group.lines.iter().filter_map(|line| line.pooled).min() {
        let _ = write!(
            text,
            " p99 is of all runs together, {pooled} requests; its range is that of single runs."
        );
    }
    let others = group.lines.iter().map(|line| line.figures.others).fold(0.0, f64::max);
    if others > 0.03 {
        let _ = write!(text, " Others used up to {:.0} % of the proxy's core.", others * 100.0);
    }
    text + "\n"
}

/// Which core was the limit of requests a second, and for whom.
fn saturated(lines: &[Line]) -> String {
    let names = |is: fn(&Line) -> bool| {
        lines.iter().filter(|line| is(line)).map(|line| line.peer.name()).collect::<Vec<_>>().join(", ")
    };
    let proxy = names(|line| line.figures.proxy_busy > FULL);
    let load = names(|line| line.figures.load_busy > FULL && line.figures.proxy_busy <= FULL);
    let neither = names(|line| line.figures.load_busy <= FULL && line.figures.proxy_busy <= FULL);
    let say =
        |whom: &str, what: &str| if whom.is_empty() { String::new() } else { format!("{what}: {whom}. ") };
    let said = say(&proxy, "The proxy's core was full with")
        + &say(
            &load,
            "The load's core was full first, so that requests a second say nothing of the proxy, with",
        )
        + &say(&neither, "Neither core was full with");
    said.trim_end().to_owned()
}

/// As a page.
pub(crate) fn page(summary: &Summary, told: &Told) -> String {
    let version = |name: &str, command: &str, argument: &str| {
        format!("{name} {}", machine::version(command, argument).unwrap_or_default())
    };
    let is_there = |peer: Peer| summary.groups.iter().any(|group| group.line(peer).is_some());
    let others = [Peer::Haproxy, Peer::Caddy].into_iter().filter(|peer| is_there(*peer)).map(|peer| {
        let (command, argument) = peer.command();
        version(peer.name(), command, argument)
    });
    let ours = version("portico", &told.binary.display().to_string(), Peer::Portico.command().1);
    // nginx is the origin too.
    let versions: Vec<_> = [ours, version("nginx", "nginx", "-v")].into_iter().chain(others).collect();
    let quiet = goals::quiet(told.noise);
    format!(
        "# Side by side\n\n\
         Written by `cargo bench --bench peers{}` on {}; the machine ({}) was {quiet}.\n\
         {}.\n\n\
         Rounds: {}, interleaved, with {} s of load for each figure; medians and ranges. The proxy with one worker on one core; load and origin\n\
         (nginx) on the other. portico with its access log to a file, metrics, one of {} frontends checked each second; the peers log\n\
         nothing and know one frontend. nginx-tuned has buffers of 64 KiB.\n\n\
         - *CPU us/request*: what the kernel counted for the proxy's own processes under as much load as wrk makes on one core.\n\
         - *proxy*, *load*: how busy the proxy kept its core, and how busy the load's core was. Where that is full, requests a second are\n\
         \x20 the load's limit and not the proxy's.\n\
         - *p50*, *p99*: at one rate for all, a third of what the slowest but Caddy managed and no more than leaves the load's core time, in\n\
         \x20 short runs, three to a round; each answer counted from when it was due; a proxy that this rate brings near its end is not asked.\n\n\
         ![CPU time per request, and p99 at equal load](results.svg)\n\n{}",
        told.asked,
        machine::today(),
        machine::description(),
        versions.join(" · "),
        told.rounds,
        told.seconds,
        told.frontends,
        tables(summary),
    )
}
