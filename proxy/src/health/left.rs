//! Endpoints that left every list they were in, until nobody can pick them any more and nothing is in flight at them.
//!
//! Nobody on the way of a request writes a word for it. Whoever may still pick an endpoint holds its state: the tables that list it, and
//! every exchange that took a route of such a table, until it has picked for the last time ([`Route::picked`]). Whoever was given to it
//! holds the state too, and is counted in it. So how often a state is held, beyond what is remembered here and beside it, says whether
//! it is free; only then does it count as that, whatever the counts say meanwhile.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use model::{Address, Fact, LeavingEndpoint, MAX_LEAVING, Revision};

use super::EndpointState;
use crate::clock::{Millis, now_ms};
use crate::route::{Candidate, Route, RouteTable};

/// How often it is looked, at most, whether a route has an endpoint that left another one, in milliseconds …
const LOOK_MS: u64 = 1000;
/// … and so many times as long as looking takes.
const LOOK_SHARE: u64 = 20;

/// Who left.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// By where their states are.
    all: HashMap<usize, Leaver>,
    /// Of those that are busy: whether the served table lists their address; not there: nobody has looked since it left a route.
    listed: BTreeMap<Address, bool>,
    /// Of which table that was found.
    looked_in: Revision,
    look_at: Millis,
}

/// One endpoint of one frontend.
#[derive(Debug)]
struct Leaver {
    /// The frontend, as it was.
    fact: Arc<Fact>,
    /// Its place there.
    index: usize,
    state: Arc<EndpointState>,
    /// Of the last table that listed it.
    revision: Revision,
}

/// What is not free.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// The oldest revision of a table that somebody may still pick from who left since; `None`: there is none.
    pub oldest: Option<Revision>,
    /// Who is in no route of the served table any more while something is in flight there, by address.
    pub leaving: Vec<LeavingEndpoint>,
}

impl Standing {
    /// Somebody may still pick from a table at `revision`.
    pub(crate) fn holds(&mut self, revision: Revision) {
        self.oldest = Some(self.oldest.map_or(revision, |oldest| oldest.min(revision)));
    }
}

/// What is in flight at an address.
#[derive(Debug)]
struct Busy {
    in_flight: u64,
    tunnels: u64,
    /// The oldest table of those that listed it last.
    revision: Revision,
}

/// Where a state is, by which it is told from all others.
pub(super) fn place(state: &Arc<EndpointState>) -> usize {
    Arc::as_ptr(state).addr()
}

impl Leaver {
    fn address(&self) -> Option<&Address> {
        Some(&self.fact.as_frontend()?.backend.endpoints.get(self.index)?.address)
    }
}

impl Left {
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// It was in a route of the table at `revision`, and is in that of the next one no more.
    pub(super) fn leaves(&mut self, route: &Route, candidate: Candidate<'_>, revision: Revision) {
        self.listed.remove(candidate.address());
        let (fact, state) = (Arc::clone(route.fact()), Arc::clone(candidate.state));
        let leaver = Leaver { fact, index: candidate.index, state, revision };
        self.all.insert(place(candidate.state), leaver);
    }

    /// A route has it again, with the state it had.
    pub(super) fn came_back(&mut self, state: &Arc<EndpointState>) {
        self.all.remove(&place(state));
    }

    /// See [`super::States::let_go`]. `noted`: the states that are remembered beside those here.
    pub(super) fn let_go(
        &mut self,
        table: &RouteTable,
        older: Option<Revision>,
        noted: &HashSet<usize>,
        now: Millis,
    ) -> Standing {
        let mut standing = Standing::default();
        let mut busy: BTreeMap<Address, Busy> = BTreeMap::new();
        self.all.retain(|at, leaver| {
            if older.is_some_and(|older| leaver.revision >= older) {
                // A table has it still: there is no need to look closer, at what may be all that was served.
                standing.holds(leaver.revision);
                return true;
            }
            let (in_flight, tunnels) = (leaver.state.in_flight(), leaver.state.tunnels());
            let known = 1 + usize::from(noted.contains(at));
            let held = Arc::strong_count(&leaver.state).saturating_sub(known);
            if held > in_flight as usize {
                standing.holds(leaver.revision);
            }
            if let Some(address) = leaver.address().filter(|_| in_flight > 0) {
                let of = Busy { in_flight: 0, tunnels: 0, revision: leaver.revision };
                let of = busy.entry(address.clone()).or_insert(of);
                of.in_flight += u64::from(in_flight.saturating_sub(tunnels));
                of.tunnels += u64::from(tunnels);
                of.revision = of.revision.min(leaver.revision);
            }
            held > 0
        });
        if self.all.capacity() / 4 > self.all.len() {
            self.all.shrink_to_fit();
        }
        self.look(table, &busy, now);
        let is_leaving = |(address, busy): (Address, Busy)| {
            (self.listed.get(&address) != Some(&true)).then_some((address, busy))
        };
        for (address, Busy { in_flight, tunnels, revision }) in busy.into_iter().filter_map(is_leaving) {
            if standing.leaving.len() < MAX_LEAVING {
                standing.leaving.push(LeavingEndpoint { address, in_flight, tunnels });
            } else {
                standing.holds(revision);
            }
        }
        standing
    }

    /// Looks which of the `busy` addresses `table` lists, where that is not known or may be another by now.
    fn look(&mut self, table: &RouteTable, busy: &BTreeMap<Address, Busy>, now: Millis) {
        self.listed.retain(|address, _| busy.contains_key(address));
        let is_other = table.revision() != self.looked_in;
        let wanted = |address: &&Address| match self.listed.get(*address) {
            None => true,
            Some(&listed) => !listed && is_other,
        };
        let wanted: BTreeSet<&Address> = busy.keys().filter(wanted).collect();
        if wanted.is_empty() || now < self.look_at {
            return;
        }
        let endpoints = table.routes().flat_map(|route| route.endpoints());
        let found: BTreeSet<&Address> =
            endpoints.map(|endpoint| &endpoint.address).filter(|address| wanted.contains(address)).collect();
        self.looked_in = table.revision();
        for address in wanted {
            self.listed.insert(address.clone(), found.contains(address));
        }
        let took = now_ms().saturating_sub(now);
        self.look_at = now + LOOK_MS.max(took * LOOK_SHARE);
    }
}
