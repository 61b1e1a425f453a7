//! What many measurements say together: medians, and whether the goals are reached.

use std::time::Duration;

use serde_json::{Value, json};

use crate::case::{Case, Goal, IDLE_KIB};
use crate::goals::{Outcome, Spread, Verdict};
use crate::load::Figures;
use crate::pace::{Paced, at};
use crate::peer::Peer;

/// Everything that was measured, one entry a round.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    pub(crate) loaded: Vec<(Peer, &'static Case, Figures)>,
    pub(crate) paced: Vec<(Peer, &'static Case, Paced)>,
    /// KiB of memory for each idle connection.
    pub(crate) idle: Vec<(Peer, f64)>,
}

/// One proxy in one case.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) peer: Peer,
    pub(crate) cpu_us: Spread,
    /// Medians of every figure; errors are added up, those at equal load too.
    pub(crate) figures: Figures,
    pub(crate) p50_ms: Option<Spread>,
    /// The middle one of the runs; where `pooled` says so, that of all their requests together.
    pub(crate) p99_ms: Option<Spread>,
    /// How many requests all runs had together, where each had too few for a p99 of its own.
    pub(crate) pooled: Option<usize>,
}

/// Every proxy in one case.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) case: &'static Case,
    pub(crate) lines: Vec<Line>,
    /// Requests a second at equal load, and how busy that kept the load's core at most.
    pub(crate) paced: Option<(u64, f64)>,
}

/// All of it.
#[derive(Debug)]
pub(crate) struct Summary {
    pub(crate) groups: Vec<Group>,
    pub(crate) idle_kib: Vec<(Peer, Spread)>,
}

/// The most requests a second at which our load's core is little more than half busy: beyond it, what waits is the load.
const CALM: f64 = 10_000.0;

/// The p99 of a run with fewer answers than this is one of its four slowest: chance.
const FEW: usize = 300;

/// Where the load's core was busier than this at equal load, answers waited for the load, and p99 says nothing of the proxy.
const BUSIEST: f64 = 0.95;

/// A third of what the slowest proxy but Caddy managed in `case`, to two digits, and no more than is calm.
pub(crate) fn equal_rate(measured: &Measured, case: &Case) -> u64 {
    let compared = Peer::ALL.into_iter().filter(|peer| *peer != Peer::Caddy);
    let rate = compared.filter_map(|peer| measured.rate(peer, case)).fold(f64::MAX, f64::min) / 3.0;
    let rate = rate.min(CALM);
    let step = 10_f64.powf((rate.max(10.0).log10().floor() - 1.0).max(0.0));
    ((rate / step).floor() * step).max(10.0) as u64
}

/// True when `peer` is not near its end at `rate`.
pub(crate) fn can_bear(measured: &Measured, peer: Peer, case: &Case, rate: u64) -> bool {
    measured.rate(peer, case).is_some_and(|most| most > rate as f64 * 1.25)
}

impl Measured {
    /// Requests a second under full load.
    fn rate(&self, peer: Peer, case: &Case) -> Option<f64> {
        let rates = self.figures(peer, case).map(|figures| figures.requests_per_second);
        Spread::of(rates).map(|rate| rate.median)
    }

    fn figures(&self, peer: Peer, case: &Case) -> impl Iterator<Item = &Figures> {
        let rows = self.loaded.iter().filter(move |row| row.0 == peer && row.1.letter == case.letter);
        rows.map(|row| &row.2)
    }

    fn paces(&self, peer: Peer, case: &Case) -> impl Iterator<Item = &Paced> {
        let rows = self.paced.iter().filter(move |row| row.0 == peer && row.1.letter == case.letter);
        rows.map(|row| &row.2)
    }

    /// What all answers at equal load took, when a run had too few.
    fn pooled(&self, peer: Peer, case: &Case) -> Option<Vec<Duration>> {
        let has_few = self.paces(peer, case).any(|paced| paced.taken.len() < FEW);
        let mut all: Vec<_> = self.paces(peer, case).flat_map(|paced| paced.taken.iter().copied()).collect();
        all.sort_unstable();
        has_few.then_some(all)
    }

    fn line(&self, peer: Peer, case: &Case) -> Option<Line> {
        let middle = |value: fn(&Figures) -> f64| {
            Spread::of(self.figures(peer, case).map(value)).map(|spread| spread.median)
        };
        let paced = |value: fn(&Paced) -> f64| Spread::of(self.paces(peer, case).map(value));
        let errors = self.figures(peer, case).map(|figures| figures.errors);
        let pooled = self.pooled(peer, case);
        Some(Line {
            peer,
            cpu_us: Spread::of(self.figures(peer, case).map(|figures| figures.cpu_us))?,
            figures: Figures {
                cpu_us: middle(|f| f.cpu_us)?,
                requests_per_second: middle(|f| f.requests_per_second)?,
                proxy_busy: middle(|f| f.proxy_busy)?,
                others: middle(|f| f.others)?,
                load_busy: middle(|f| f.load_busy)?,
                resident_mb: middle(|f| f.resident_mb)?,
                errors: errors.sum::<u64>() + self.paces(peer, case).map(|p| p.errors).sum::<u64>(),
            },
            p50_ms: paced(Paced::p50_ms),
            p99_ms: paced(Paced::p99_ms).map(|runs| match &pooled {
                Some(all) => Spread { median: at(all, 0.99), ..runs },
                None => runs,
            }),
            pooled: pooled.map(|all| all.len()),
        })
    }
}

impl Summary {
    /// What `measured` says.
    pub(crate) fn of(measured: &Measured, cases: &[&'static Case]) -> Self {
        let group = |&case: &&'static Case| {
            let paced = measured.paced.iter().filter(|row| row.1.letter == case.letter);
            Group {
                case,
                lines: Peer::ALL.iter().filter_map(|&peer| measured.line(peer, case)).collect(),
                paced: paced.map(|row| (row.2.rate, row.2.load_busy)).reduce(|a, b| (a.0, a.1.max(b.1))),
            }
        };
        let idle = |&peer: &Peer| {
            let of_peer = measured.idle.iter().filter(|row| row.0 == peer).map(|row| row.1);
            Some((peer, Spread::of(of_peer)?))
        };
        Self {
            groups: cases.iter().map(group).collect(),
            idle_kib: Peer::ALL.iter().filter_map(idle).collect(),
        }
    }

    /// Each goal whose peers were measured.
    pub(crate) fn verdicts(&self) -> Vec<Verdict> {
        let mut all: Vec<Verdict> = self.groups.iter().filter_map(cpu_verdict).collect();
        all.extend(self.groups.iter().filter_map(latency_verdict));
        let ours = self.idle_kib.iter().find(|(peer, _)| *peer == Peer::Portico);
        all.extend(ours.map(|(_, kib)| Verdict {
            what: "memory of an idle connection".into(),
            found: format!("{:.1} KiB", kib.median),
            goal: format!("at most {IDLE_KIB} KiB"),
            outcome: Outcome::of(kib.median <= IDLE_KIB),
        }));
        let lines = || self.groups.iter().flat_map(|group| &group.lines);
        let errors: u64 =
            lines().filter(|line| line.peer == Peer::Portico).map(|line| line.figures.errors).sum();
        if lines().count() > 0 {
            all.push(Verdict {
                what: "errors".into(),
                found: errors.to_string(),
                goal: "none".into(),
                outcome: Outcome::of(errors == 0),
            });
        }
        all
    }

    /// For programs.
    pub(crate) fn json(&self) -> Value {
        let line = |line: &Line| {
            json!({
                "proxy": line.peer.name(),
                "cpu_us": line.cpu_us.json(),
                "requests_per_second": line.figures.requests_per_second,
                "proxy_core": { "proxy": line.figures.proxy_busy, "others": line.figures.others },
                "load_core": line.figures.load_busy,
                "resident_mb": line.figures.resident_mb,
                "errors": line.figures.errors,
                "p50_ms": line.p50_ms.map(Spread::json),
                "p99_ms": line.p99_ms.map(Spread::json),
                "p99_of_requests": line.pooled,
            })
        };
        let group = |group: &Group| {
            json!({
                "case": group.case.letter.to_string(),
                "equal_rate": group.paced.map(|paced| paced.0),
                "load_core_at_equal_rate": group.paced.map(|paced| paced.1),
                "proxies": group.lines.iter().map(line).collect::<Vec<_>>(),
            })
        };
        let idle = self.idle_kib.iter().map(|(peer, kib)| (peer.name().to_owned(), kib.json()));
        json!({
            "cases": self.groups.iter().map(group).collect::<Vec<_>>(),
            "idle_connection_kib": idle.collect::<serde_json::Map<_, _>>(),
            "goals": self.verdicts().iter().map(Verdict::json).collect::<Vec<_>>(),
        })
    }
}

impl Group {
    /// What was measured of `peer`.
    pub(crate) fn line(&self, peer: Peer) -> Option<&Line> {
        self.lines.iter().find(|line| line.peer == peer)
    }
}

fn cpu_verdict(group: &Group) -> Option<Verdict> {
    let (goal, peers, whom): (f64, &[Peer], &str) = match group.case.goal {
        Goal::Best(goal) => {
            (goal, &[Peer::NginxTuned, Peer::Haproxy], "the better of nginx-tuned and haproxy")
        }
        Goal::Nginx(goal) => (goal, &[Peer::Nginx], "nginx"),
    };
    let theirs = peers.iter().filter_map(|peer| group.line(*peer)).map(|line| line.cpu_us.median);
    let ratio = group.line(Peer::Portico)?.cpu_us.median / theirs.reduce(f64::min)?;
    Some(Verdict {
        what: format!("{} CPU time", group.case.letter),
        found: format!("{ratio:.2} of {whom}"),
        goal: format!("at most {goal:.2}"),
        outcome: Outcome::of(ratio <= goal),
    })
}

fn latency_verdict(group: &Group) -> Option<Verdict> {
    let p99 = |peer: Peer| group.line(peer)?.p99_ms.map(|p99| p99.median);
    let best = [Peer::NginxTuned, Peer::Haproxy].into_iter().filter_map(p99).reduce(f64::min)?;
    let ours = p99(Peer::Portico)?;
    Some(Verdict {
        what: format!("{} p99 at equal load", group.case.letter),
        found: format!("{ours:.2} ms, the better of nginx-tuned and haproxy {best:.2} ms"),
        goal: "no worse".into(),
        outcome: match group.paced {
            Some((_, busy)) if busy > BUSIEST => Outcome::Withheld("the load's core was full".into()),
            _ => Outcome::of(ours <= best),
        },
    })
}
