//! Why a request goes where it goes, as data for operators.

use std::fmt;
use std::sync::Arc;

use model::{
    Address, BackendName, BalanceKind, FactKey, HostPattern, PathPrefix, RejectedEndpoint, Revision,
};
use model::{Timeouts, Weight, split_port};

use super::table::suffixes;
use super::{Candidate, Candidates, Route, RouteTable, Tried};
use crate::Refusal;
use crate::health::Out;

/// Path prefixes of one pattern that are named although they do not cover the path; more are only counted.
const LISTED: usize = 16;

/// Why a request goes where it goes.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The canonical host, with the port where the client names one.
    pub host: Box<str>,
    /// The canonical path, without query.
    pub path: Box<str>,
    /// The revision of the table that was asked.
    pub revision: Revision,
    /// Everything that was looked at, in order, and on after the match.
    pub considered: Vec<Considered>,
    /// Where it goes; `None`: no frontend takes it.
    pub matched: Option<Match>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Considered {
    /// The host pattern.
    pub host: HostPattern,
    /// The path prefix; `None` when it is about the pattern as a whole.
    pub path: Option<PathPrefix>,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a candidate rule; its text says it to an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It takes the request.
    Taken,
    /// No frontend has this pattern.
    NoFrontend,
    /// Its prefix does not cover the path.
    PathNotCovered,
    /// So many more prefixes of this pattern do not cover the path.
    MorePathsNotCovered(usize),
    /// It covers the request, but a more specific one took it before.
    LessSpecific,
    /// It would match, but lies more levels up than are looked at.
    TooFarUp,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken => f.write_str("takes the request"),
            Self::NoFrontend => f.write_str("no such frontend"),
            Self::PathNotCovered => f.write_str("does not cover the path"),
            Self::MorePathsNotCovered(more) => write!(f, "{more} more paths do not cover the path"),
            Self::LessSpecific => f.write_str("less specific than the one that takes it"),
            Self::TooFarUp => f.write_str("more than five levels up, where no wildcard is looked for"),
        }
    }
}

/// The frontend that takes the request.
#[derive(Debug, Clone, PartialEq)]
pub struct Match {
    /// Its key.
    pub frontend: FactKey,
    /// Its backend's name.
    pub backend: BackendName,
    /// How an endpoint is chosen.
    pub balance: BalanceKind,
    /// Its own times.
    pub timeouts: Timeouts,
    /// Its endpoints, in the order of the list.
    pub endpoints: Vec<EndpointView>,
    /// What stood in the list and could not be used.
    pub rejected: Box<[RejectedEndpoint]>,
}

/// An endpoint, as this node sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct EndpointView {
    /// Where it listens.
    pub address: Address,
    /// Its share.
    pub weight: Weight,
    /// Requests in flight there for this frontend.
    pub in_flight: u32,
    /// Why it is out; `None`: it is not.
    pub out: Option<Out>,
    /// Why no connection is made to it, whatever its marks; the table alone cannot know.
    pub refused: Option<Refusal>,
    /// What its active check said when it failed last, also where it serves on because it is the last one; the table alone cannot know.
    pub check_failure: Option<Arc<str>>,
    /// True when the next request may go there. So it is for one that is out only by marks of this node's own when every
    /// other is out too.
    pub serves: bool,
}

impl Explanation {
    pub(super) fn of(table: &RouteTable, host: &str, path: &[u8], now_ms: u64) -> Self {
        let asked = host;
        let (host, port) = split_port(asked);
        let taken = table.find_at(host, port, path);
        let mut considered = Vec::new();
        for pattern in too_far_up(host).filter(|pattern| table.all(pattern).next().is_some()) {
            considered.push(Considered { host: pattern, path: None, outcome: Outcome::TooFarUp });
        }
        let exact = HostPattern::Exact(host.into());
        let suffixes = suffixes(host).map(|suffix| HostPattern::Suffix(suffix.into()));
        let on_port = port.map(|_| HostPattern::OnPort(asked.into()));
        for pattern in on_port.into_iter().chain([exact]).chain(suffixes).chain([HostPattern::Any]) {
            consider(table, pattern, path, taken, &mut considered);
        }
        Self {
            host: asked.into(),
            path: String::from_utf8_lossy(path).into(),
            revision: table.revision(),
            considered,
            matched: taken.map(|route| Match::of(route, now_ms)),
        }
    }
}

/// Wildcards above the host that the lookup leaves out.
fn too_far_up(host: &str) -> impl Iterator<Item = HostPattern> {
    let nearest = suffixes(host).next().map_or(0, str::len);
    let all = host.match_indices('.').map(|(dot, _)| host.get(dot + 1..).unwrap_or_default());
    all.filter(move |suffix| suffix.len() > nearest).map(|suffix| HostPattern::Suffix(suffix.into()))
}

/// One line for each route of the pattern, the longest prefix first; one line when there is none.
fn consider(
    table: &RouteTable,
    pattern: HostPattern,
    path: &[u8],
    taken: Option<&Route>,
    considered: &mut Vec<Considered>,
) {
    let mut prefixes: Vec<_> = table.all(&pattern).map(|route| (route, &route.frontend().path)).collect();
    if prefixes.is_empty() {
        considered.push(Considered { host: pattern, path: None, outcome: Outcome::NoFrontend });
        return;
    }
    prefixes.sort_by_key(|(_, prefix)| std::cmp::Reverse(prefix.as_str().len()));
    let mut not_covered = 0;
    for (route, prefix) in prefixes {
        let outcome = match taken {
            Some(taken) if taken.is(route) => Outcome::Taken,
            _ if prefix.covers(path) => Outcome::LessSpecific,
            _ => Outcome::PathNotCovered,
        };
        not_covered += usize::from(outcome == Outcome::PathNotCovered);
        if outcome != Outcome::PathNotCovered || not_covered <= LISTED {
            considered.push(Considered { host: pattern.clone(), path: Some(prefix.clone()), outcome });
        }
    }
    if not_covered > LISTED {
        let outcome = Outcome::MorePathsNotCovered(not_covered - LISTED);
        considered.push(Considered { host: pattern, path: None, outcome });
    }
}

impl Match {
    fn of(route: &Route, now_ms: u64) -> Self {
        let frontend = route.frontend();
        let tried = Tried::new();
        let candidates = Candidates::of(route, &tried, now_ms);
        let view = |index| {
            let Candidate { endpoint, state, .. } = route.candidate(index)?;
            Some(EndpointView {
                address: endpoint.address.clone(),
                weight: endpoint.weight,
                in_flight: state.in_flight(),
                out: state.out(now_ms),
                refused: None,
                check_failure: None,
                serves: candidates.is_eligible(index),
            })
        };
        Self {
            frontend: route.key(),
            backend: frontend.backend.name.clone(),
            balance: frontend.policy.balance.clone(),
            timeouts: frontend.policy.timeouts,
            endpoints: (0..route.endpoints().len()).filter_map(view).collect(),
            rejected: frontend.backend.rejected.as_slice().into(),
        }
    }
}
