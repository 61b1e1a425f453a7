//! What came out: tables for people, and a page for the repository.

use std::fmt::Write as _;

use crate::goals::{self, Outcome, Spread, Verdict, columns};
use crate::machine;
use crate::names::Case;
use crate::server::Server;

/// One server, one case, one round.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) server: Server,
    pub(crate) round: u8,
    pub(crate) case: Case,
    pub(crate) cpu_us: f64,
    pub(crate) rate: f64,
    pub(crate) lost: f64,
    pub(crate) latency_ms: f64,
    pub(crate) resident_mb: f64,
}

/// All of them, and how they were measured.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) measured: Vec<Measured>,
    pub(crate) servers: Vec<Server>,
    pub(crate) services: usize,
    pub(crate) rounds: u8,
    pub(crate) seconds: u64,
    /// How busy the busier core was before anything began.
    pub(crate) noise: f64,
}

impl Report {
    fn spread(&self, server: Server, case: Case, figure: impl Fn(&Measured) -> f64) -> Option<Spread> {
        let those =
            self.measured.iter().filter(|measured| measured.server == server && measured.case == case);
        Spread::of(those.map(figure))
    }

    /// As tables; read as it is on a terminal, and drawn where Markdown is.
    pub(crate) fn text(&self) -> String {
        let mut text = goals::table(&self.verdicts());
        for case in Case::ALL {
            let heads = ["", "CPU us/question (range)", "questions/s", "lost", "average ms", "RSS MB"];
            let rows = self.servers.iter().filter_map(|server| self.row(*server, case)).collect();
            let _ = writeln!(text, "## {}\n\n{}", case.name(), columns(&heads, rows));
        }
        text
    }

    fn row(&self, server: Server, case: Case) -> Option<Vec<String>> {
        let cpu = self.spread(server, case, |measured| measured.cpu_us)?;
        let median = |figure: fn(&Measured) -> f64| {
            self.spread(server, case, figure).map_or(0.0, |spread| spread.median)
        };
        let lost: f64 =
            self.measured.iter().filter(|m| m.server == server && m.case == case).map(|m| m.lost).sum();
        Some(vec![
            server.name().to_owned(),
            format!("{:.2} ({:.2}-{:.2})", cpu.median, cpu.least, cpu.most),
            format!("{:.0}", median(|measured| measured.rate)),
            format!("{lost:.0}"),
            format!("{:.2}", median(|measured| measured.latency_ms)),
            format!("{:.0}", median(|measured| measured.resident_mb)),
        ])
    }

    /// CPU time of one by that of another, round by round.
    fn ratio(&self, server: Server, peer: Server, case: Case) -> Option<Spread> {
        let cpu = |server: Server| {
            let those = self.measured.iter().filter(move |m| m.server == server && m.case == case);
            those.map(|measured| (measured.round, measured.cpu_us))
        };
        let pairs = cpu(server).filter_map(|(round, ours)| {
            let (_, theirs) = cpu(peer).find(|(other, _)| *other == round)?;
            Some(ours / theirs)
        });
        Spread::of(pairs)
    }

    /// portico against the better of NSD and Knot, then against gdnsd.
    fn verdicts(&self) -> Vec<Verdict> {
        let ours = self.servers.iter().filter(|server| server.is_ours());
        let pairs = ours.flat_map(|server| Case::ALL.map(|case| (*server, case)));
        let quiet: &[(&str, &[Server])] =
            &[("the better of NSD and Knot", &[Server::Nsd, Server::Knot]), ("gdnsd", &[Server::Gdnsd])];
        let changing: &[(&str, &[Server])] = &[
            ("Knot under as many", &[Server::KnotChanging]),
            ("the better of NSD and Knot, which change nothing", &[Server::Nsd, Server::Knot]),
        ];
        let verdict = |(server, case): (Server, Case)| {
            let goals = if server == Server::PorticoChanging { changing } else { quiet };
            goals.iter().filter_map(move |(name, peers)| {
                let ratios = peers.iter().filter_map(|peer| self.ratio(server, *peer, case));
                let ratio = ratios.max_by(|one, other| one.median.total_cmp(&other.median))?;
                Some(Verdict {
                    what: format!("{}, {}: CPU against {name}", server.name(), case.name()),
                    found: goals::range(&ratio, 2),
                    goal: "1.00".to_owned(),
                    outcome: Outcome::of(ratio.median <= 1.0),
                })
            })
        };
        pairs.flat_map(verdict).collect()
    }

    /// The page for the repository.
    pub(crate) fn page(&self) -> String {
        let versions = self.servers.iter().map(|server| {
            let (command, _, argument) = server.command();
            format!("{} {}", server.name(), machine::version(command, argument).unwrap_or_default())
        });
        let versions = versions.collect::<Vec<_>>().join(", ");
        format!(
            "# DNS servers side by side\n\nWritten by `cargo bench --bench dns -- --write benches/DNS.md`, {}, on {}; a core was {:.0} % busy \
             before it began.\n{versions}.\n\n{} services of three instances; medians of {} rounds of {} s for each figure, ranges in brackets; ratios are taken within each round. dnsperf with 64 \
             sockets and 200 questions under way on core 0, the servers with one worker on core 1. CPU time is what the kernel counted for \
             the server's processes; of portico under changes it holds what the changes cost too.\n\n{}",
            machine::today(),
            machine::description(),
            self.noise * 100.0,
            self.services,
            self.rounds,
            self.seconds,
            self.text()
        )
    }
}
