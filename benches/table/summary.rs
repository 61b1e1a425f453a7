//! What was measured, and whether the goals are reached.

use serde_json::{Value, json};

use crate::changes::Written;
use crate::goals::{FULL, Outcome, Spread, Verdict};
use crate::load::Latency;
use crate::parts::{Part, SMALL};
use crate::store::{How, Kind, Load};

/// How long loading may take, in seconds …
const LOADED: f64 = 10.0;
/// … how long when no portico saw the store before: every key is numbered, once …
const NUMBERED: f64 = 60.0;
/// … and how much memory all of the process, in MB.
const RESIDENT: f64 = 300.0;
/// How many times as long a lookup of hosts that are asked for all the time may take in the largest table as in the smallest.
const LOOKUP: f64 = 1.5;
/// How many times the quiet table's p99 that of the changing table may be …
const CHANGING: f64 = 2.0;
/// … how much of the changes that were asked for has to be written for that to count …
const DONE: f64 = 0.95;
/// … and how long the last of them may take until it is served, in milliseconds: nothing piles up.
const BEHIND: f64 = 1000.0;

/// Where others take more of the proxy's core than this, times say nothing of the proxy.
const OTHERS: f64 = 0.2;

/// Everything that was measured.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    pub(crate) frontends: usize,
    /// The smallest table first.
    pub(crate) parts: Vec<Part>,
    /// Memory without a table, in octets.
    pub(crate) empty: u64,
    pub(crate) loads: Vec<Load>,
    pub(crate) rounds: Vec<Round>,
    /// Memory after all rounds, in octets.
    pub(crate) after: Vec<(Kind, u64)>,
}

/// Both halves of a round.
#[derive(Debug)]
pub(crate) struct Round {
    pub(crate) kind: Kind,
    pub(crate) quiet: Latency,
    pub(crate) changing: Latency,
    pub(crate) written: Written,
}

/// All rounds of one registry.
#[derive(Debug)]
pub(crate) struct Rounds {
    pub(crate) kind: Kind,
    pub(crate) quiet: Half,
    pub(crate) changing: Half,
    /// The changing half's p99 by the quiet one's, of each round.
    pub(crate) ratio: Spread,
    /// Changes a second …
    pub(crate) rate: Spread,
    /// … and how long the last took to be served, in milliseconds.
    pub(crate) behind: Spread,
    pub(crate) errors: u64,
}

/// One half of all rounds: medians, but for the worst of all.
#[derive(Debug)]
pub(crate) struct Half {
    pub(crate) p50: Spread,
    pub(crate) p99: Spread,
    pub(crate) max: f64,
    pub(crate) load_core: f64,
    pub(crate) proxy_core: f64,
    /// The most that others took of the proxy's core.
    pub(crate) others: f64,
}

impl Half {
    fn of<'a>(halves: impl Iterator<Item = &'a Latency> + Clone) -> Option<Self> {
        let spread = |value: fn(&Latency) -> f64| Spread::of(halves.clone().map(value));
        Some(Self {
            p50: spread(|half| half.p50)?,
            p99: spread(|half| half.p99)?,
            max: spread(|half| half.max)?.most,
            load_core: spread(|half| half.load_core)?.median,
            proxy_core: spread(|half| half.proxy_core)?.median,
            others: spread(|half| half.others)?.most,
        })
    }

    fn json(&self) -> Value {
        json!({
            "p50_ms": self.p50.json(),
            "p99_ms": self.p99.json(),
            "max_ms": self.max,
            "load_core": self.load_core,
            "proxy_core": { "proxy": self.proxy_core, "others": self.others },
        })
    }
}

/// Octets as MB.
pub(crate) fn mb(octets: u64) -> f64 {
    octets as f64 / 1e6
}

impl How {
    /// In words.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Numbered(kind) => match kind {
                Kind::Redis => "Redis, numbered before",
                Kind::Embedded | Kind::Memory => kind.name(),
            },
            Self::Foreign => "Redis, written by others",
            Self::Told => "memory, told by the API",
        }
    }
}

impl Measured {
    /// The rounds of each registry that was measured.
    pub(crate) fn by_registry(&self) -> Vec<Rounds> {
        let of = |kind: Kind| {
            let mine = || self.rounds.iter().filter(move |round| round.kind == kind);
            Some(Rounds {
                kind,
                quiet: Half::of(mine().map(|round| &round.quiet))?,
                changing: Half::of(mine().map(|round| &round.changing))?,
                ratio: Spread::of(mine().map(|round| round.changing.p99 / round.quiet.p99))?,
                rate: Spread::of(mine().map(|round| round.written.rate))?,
                behind: Spread::of(mine().map(|round| round.written.behind))?,
                errors: mine().map(|round| round.quiet.errors + round.changing.errors).sum(),
            })
        };
        [Kind::Embedded, Kind::Redis, Kind::Memory].into_iter().filter_map(of).collect()
    }

    /// Each goal that something was measured for; so many changes a second were asked for.
    pub(crate) fn verdicts(&self, changes: u64) -> Vec<Verdict> {
        let mut all = Vec::new();
        for load in &self.loads {
            all.extend(load_verdicts(load));
        }
        if let [small, .., large] = &self.parts[..] {
            all.extend(part_verdicts(small, large, self.parts.iter().map(|part| part.allocations).sum()));
        }
        let rounds = self.by_registry();
        all.extend(rounds.iter().flat_map(|rounds| change_verdicts(rounds, changes)));
        if !rounds.is_empty() {
            let errors: u64 = rounds.iter().map(|rounds| rounds.errors).sum();
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
    pub(crate) fn json(&self, changes: u64) -> Value {
        let part = |part: &Part| {
            json!({
                "frontends": part.frontends,
                "lookup_hot_ns": part.hot_ns.json(),
                "lookup_random_ns": part.random_ns.json(),
                "lookup_allocations": part.allocations,
                "change_us": part.change_us.json(),
                "change_octets": part.change_octets,
            })
        };
        let load = |load: &Load| {
            json!({
                "registry": load.how.name(),
                "seconds": load.took.as_secs_f64(),
                "resident_mb": mb(load.settled),
                "peak_mb": mb(load.peak),
            })
        };
        let rounds = |rounds: &Rounds| {
            json!({
                "registry": rounds.kind.name(),
                "quiet": rounds.quiet.json(),
                "changing": rounds.changing.json(),
                "p99_ratio": rounds.ratio.json(),
                "changes_a_second": rounds.rate.json(),
                "last_served_ms": rounds.behind.json(),
                "errors": rounds.errors,
            })
        };
        let after = self.after.iter().map(|(kind, octets)| (kind.name().to_owned(), json!(mb(*octets))));
        json!({
            "frontends": self.frontends,
            "parts": self.parts.iter().map(part).collect::<Vec<_>>(),
            "empty_mb": mb(self.empty),
            "loads": self.loads.iter().map(load).collect::<Vec<_>>(),
            "rounds": self.by_registry().iter().map(rounds).collect::<Vec<_>>(),
            "after_mb": after.collect::<serde_json::Map<_, _>>(),
            "goals": self.verdicts(changes).iter().map(Verdict::json).collect::<Vec<_>>(),
        })
    }
}

/// How long it takes to tell a portico all of a table depends on who tells: that time is shown, and not judged.
fn load_verdicts(load: &Load) -> impl Iterator<Item = Verdict> {
    let (name, took) = (load.how.name(), load.took.as_secs_f64());
    let goal = match load.how {
        How::Numbered(_) => Some((LOADED, format!("at most {LOADED:.0} s"))),
        How::Foreign => Some((NUMBERED, format!("at most {NUMBERED:.0} s, every key is numbered once"))),
        How::Told => None,
    };
    let time = goal.map(|(most, goal)| Verdict {
        what: format!("{name}: start to routed"),
        found: format!("{took:.1} s"),
        goal,
        outcome: Outcome::of(took <= most),
    });
    let resident = Verdict {
        what: format!("{name}: resident"),
        found: format!("{:.0} MB", mb(load.settled)),
        goal: format!("at most {RESIDENT:.0} MB"),
        outcome: Outcome::of(mb(load.settled) <= RESIDENT),
    };
    time.into_iter().chain([resident])
}

fn part_verdicts(small: &Part, large: &Part, allocations: u64) -> [Verdict; 3] {
    let lookup = large.hot_ns.median / small.hot_ns.median;
    // An order of growth: a tenth more or less is the chance of hashing. It holds up to a million or so and not beyond: the table's tree
    // has 32,768 leaves at most, and one of them is copied, which grows with n/32,768 once that outweighs the nodes above it.
    let tenths = |ratio: f64| (ratio * 10.0).round() / 10.0;
    let change = tenths(large.change_octets / small.change_octets);
    let logarithms = tenths((large.frontends as f64).ln() / (small.frontends as f64).ln());
    let compared = format!("that of {SMALL} frontends");
    [
        Verdict {
            what: "a lookup, the same hosts again".into(),
            found: format!("{lookup:.2} times {compared}"),
            goal: format!("at most {LOOKUP:.1}"),
            outcome: Outcome::of(lookup <= LOOKUP),
        },
        Verdict {
            what: "allocations of lookups".into(),
            found: allocations.to_string(),
            goal: "none".into(),
            outcome: Outcome::of(allocations == 0),
        },
        Verdict {
            what: "octets allocated for a change".into(),
            found: format!("{change:.1} times {compared}"),
            goal: format!("at most {logarithms:.1}, as log n"),
            outcome: Outcome::of(change <= logarithms),
        },
    ]
}

fn change_verdicts(rounds: &Rounds, changes: u64) -> [Verdict; 2] {
    let (ratio, rate, behind) = (rounds.ratio.median, rounds.rate.median, rounds.behind.median);
    let name = rounds.kind.name();
    [
        Verdict {
            what: format!("{name}: p99 under changes"),
            found: format!("{ratio:.2} times the quiet one"),
            goal: format!("at most {CHANGING:.1}"),
            outcome: incomparable(rounds).map_or(Outcome::of(ratio <= CHANGING), Outcome::Withheld),
        },
        Verdict {
            what: format!("{name}: changes among requests"),
            found: format!("{rate:.0} a second, the last served in {behind:.0} ms"),
            goal: format!("{changes} a second, {BEHIND:.0} ms"),
            outcome: Outcome::of(rate >= DONE * changes as f64 && behind <= BEHIND),
        },
    ]
}

/// Why the p99 of the two halves cannot be compared, if so: who waits for a core waits as long in either half, whatever the proxy does.
fn incomparable(rounds: &Rounds) -> Option<String> {
    let halves = [("quiet", &rounds.quiet), ("changing", &rounds.changing)];
    halves.into_iter().find_map(|(when, half)| {
        if half.load_core > FULL {
            Some(format!("the load's core was full, {when}"))
        } else if half.proxy_core > FULL {
            Some(format!("the proxy's core was full, {when}"))
        } else if half.others > OTHERS {
            Some(format!("others took {:.0} % of the proxy's core, {when}", half.others * 100.0))
        } else {
            None
        }
    })
}
