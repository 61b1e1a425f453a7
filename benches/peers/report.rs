//! What came out: a table for people, RESULTS.md for the repository.

use std::fmt::Write as _;

use crate::case::{Case, Goal};
use crate::load::Figures;
use crate::machine;
use crate::pace::Paced;
use crate::peer::Peer;

/// One measurement: of CPU time, or of latency at equal load.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) peer: Peer,
    pub(crate) case: &'static Case,
    pub(crate) figures: Figures,
    pub(crate) paced: Option<Paced>,
}

/// How it was measured.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) rounds: usize,
    pub(crate) seconds: u64,
    pub(crate) frontends: usize,
}

/// The medians of one proxy in one case.
#[derive(Debug)]
pub(crate) struct Medians {
    pub(crate) peer: Peer,
    pub(crate) figures: Figures,
    pub(crate) least_us: f64,
    pub(crate) most_us: f64,
    paced: Option<Paced>,
}

/// The medians of every proxy in every case.
#[derive(Debug)]
pub(crate) struct Summary {
    pub(crate) cases: Vec<(&'static Case, Vec<Medians>)>,
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => f64::midpoint(values[n / 2 - 1], values[n / 2]),
    }
}

/// Half of what the slowest proxy but Caddy managed in `case`, to two digits: a load that all can bear.
pub(crate) fn equal_rate(rows: &[Row], case: &Case) -> u64 {
    let of = |peer: Peer| {
        let of_peer = rows.iter().filter(|row| row.peer == peer && row.case.letter == case.letter);
        median(of_peer.map(|row| row.figures.requests_per_second).collect())
    };
    let compared = [Peer::Portico, Peer::Nginx, Peer::NginxTuned, Peer::Haproxy];
    let slowest = compared.into_iter().map(of).filter(|rate| rate.is_finite()).fold(f64::MAX, f64::min);
    let rate = slowest / 2.0;
    let step = 10_f64.powf((rate.max(10.0).log10().floor() - 1.0).max(0.0));
    ((rate / step).floor() * step).max(10.0) as u64
}

impl Summary {
    /// The medians of `rows`.
    pub(crate) fn of(rows: &[Row], cases: &[&'static Case], peers: &[Peer]) -> Self {
        let mut order = peers.to_vec();
        order.sort_by_key(|peer| *peer as usize);
        let of_case = |case: &'static Case| {
            let of_peer = |&peer: &Peer| Medians::of(rows, case, peer);
            (case, order.iter().map(of_peer).collect())
        };
        Self { cases: cases.iter().map(|case| of_case(case)).collect() }
    }

    /// As text in columns.
    pub(crate) fn table(&self) -> String {
        let mut text = String::new();
        for (case, all) in &self.cases {
            let _ = writeln!(text, "\n{} {}", case.letter, case.name);
            let _ = writeln!(
                text,
                "{:12} {:>24} {:>9} {:>7} {:>7} {:>8} {:>9} {:>9} {:>7}",
                "",
                "CPU us/request (range)",
                "req/s",
                "proxy",
                "load",
                "RSS MB",
                "p50 ms",
                "p99 ms",
                "errors"
            );
            for one in all {
                let figures = &one.figures;
                let cpu = format!("{:.1} ({:.1}-{:.1})", figures.cpu_us, one.least_us, one.most_us);
                let paced = |value: fn(&Paced) -> f64| {
                    one.paced.as_ref().map_or("-".to_owned(), |paced| format!("{:.2}", value(paced)))
                };
                let _ = writeln!(
                    text,
                    "{:12} {cpu:>24} {:>9.0} {:>6.0}% {:>6.0}% {:>8.0} {:>9} {:>9} {:>7}",
                    one.peer.name(),
                    figures.requests_per_second,
                    figures.proxy_busy * 100.0,
                    figures.load_busy * 100.0,
                    figures.resident_mb,
                    paced(|paced| paced.p50_ms),
                    paced(|paced| paced.p99_ms),
                    one.errors(),
                );
            }
            if let Some(rate) = all.iter().find_map(|one| one.paced).map(|paced| paced.rate) {
                let _ = writeln!(text, "p50 and p99 at {rate} requests a second");
            }
            let _ = writeln!(text, "{}", verdict(case, all));
        }
        text
    }

    /// As a page.
    pub(crate) fn markdown(&self, told: &Told) -> String {
        let versions = self.cases.first().into_iter().flat_map(|(_, all)| all).map(|one| {
            let (command, argument) = one.peer.command();
            format!("{}: {}", one.peer.name(), machine::version(command, argument).unwrap_or_default())
        });
        let versions = versions.collect::<Vec<_>>().join(" · ");
        format!(
            "# Side by side\n\n\
             Written by `cargo bench --bench peers -- --write benches` on {}; {}.\n\n\
             {versions}\n\n\
             {} interleaved rounds of {} s, medians. The proxy with one worker on one core; load (wrk) and origin (nginx) on the other.\n\
             portico with its access log to a file, metrics, active checks and {} frontends; the peers log nothing and know one frontend.\n\
             *CPU us/request* is what the kernel counted for the proxy's processes. *proxy* and *load* say how busy the two cores were: where\n\
             the load's core is full, requests a second are its limit and not the proxy's. *p50* and *p99* are measured apart, at a\n\
             rate that all can bear, from when a request was due.\n\n\
             ![CPU time per request](peers.svg)\n\n```text{}```\n",
            machine::today(),
            machine::description(),
            told.rounds,
            told.seconds,
            told.frontends,
            self.table(),
        )
    }
}

impl Medians {
    fn of(rows: &[Row], case: &Case, peer: Peer) -> Self {
        let rows: Vec<_> =
            rows.iter().filter(|row| row.peer == peer && row.case.letter == case.letter).collect();
        let loaded = || rows.iter().filter(|row| row.paced.is_none()).map(|row| &row.figures);
        let middle = |value: fn(&Figures) -> f64| median(loaded().map(value).collect());
        let paced: Vec<_> = rows.iter().filter_map(|row| row.paced).collect();
        let middle_paced = |value: fn(&Paced) -> f64| median(paced.iter().map(value).collect());
        Self {
            peer,
            figures: Figures {
                cpu_us: middle(|f| f.cpu_us),
                requests_per_second: middle(|f| f.requests_per_second),
                proxy_busy: middle(|f| f.proxy_busy),
                load_busy: middle(|f| f.load_busy),
                resident_mb: middle(|f| f.resident_mb),
                errors: loaded().map(|f| f.errors).sum(),
            },
            least_us: loaded().map(|f| f.cpu_us).fold(f64::MAX, f64::min),
            most_us: loaded().map(|f| f.cpu_us).fold(0.0, f64::max),
            paced: paced.first().map(|first| Paced {
                rate: first.rate,
                p50_ms: middle_paced(|p| p.p50_ms),
                p99_ms: middle_paced(|p| p.p99_ms),
                errors: paced.iter().map(|p| p.errors).sum(),
            }),
        }
    }

    fn errors(&self) -> u64 {
        self.figures.errors + self.paced.map_or(0, |paced| paced.errors)
    }
}

/// Whether the goal of `case` is reached, in a line.
fn verdict(case: &Case, all: &[Medians]) -> String {
    let of = |peer: Peer| all.iter().find(|one| one.peer == peer);
    let Some(ours) = of(Peer::Portico) else { return String::new() };
    let (goal, peers, whom): (f64, &[Peer], &str) = match case.goal {
        Goal::Best(goal) => {
            (goal, &[Peer::NginxTuned, Peer::Haproxy], "the better of nginx-tuned and haproxy")
        }
        Goal::Nginx(goal) => (goal, &[Peer::Nginx], "nginx"),
    };
    let best =
        peers.iter().filter_map(|peer| of(*peer)).map(|one| one.figures.cpu_us).fold(f64::MAX, f64::min);
    if best == f64::MAX {
        return String::new();
    }
    let ratio = ours.figures.cpu_us / best;
    let reached = if ratio <= goal { "reached" } else { "MISSED" };
    format!("{ratio:.2} of {whom}; the goal is {goal:.2}: {reached}")
}
