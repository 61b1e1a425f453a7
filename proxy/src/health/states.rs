//! What outlives the route tables: marks, and the states of endpoints that left a list.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::{Address, DeadEndpoint, DeadMarks, Endpoint, FactKey, Frontend, Revision};

use super::left::{Left, Standing, place};
use super::marks::Resolved;
use super::state::{DeadReason, EndpointState};
use crate::route::{Route, RouteTable};

/// What this node remembers of endpoints beside the route tables.
///
/// The state of an endpoint travels from table to table with its route. Kept here is only what says something beyond
/// that: endpoints that are marked, and endpoints that left a list while requests were with them, so that one that comes
/// back is met as it was. Nothing is kept for the many that are well: a million of them cost nothing.
///
/// The lock is taken where tables are made, where marks arrive and where an attempt failed; never for a request that
/// goes well. The entries are at most the endpoints that failed, or left while busy, since the last [`States::sweep`].
///
/// Endpoints that left are in [`Left`] too, whatever is to be remembered of them, until nobody can pick them any more.
#[derive(Debug, Default)]
pub struct States {
    inner: Mutex<Inner>,
    /// Behind a lock of its own, that only whoever makes tables takes.
    left: Mutex<Left>,
}

#[derive(Debug, Default)]
pub(super) struct Inner {
    noted: HashMap<FactKey, Vec<Noted>>,
    /// The marks of all writers, as they were handed in last.
    pub(super) marks: DeadMarks,
    /// Where each marked host's marks were applied.
    pub(super) resolved: HashMap<Box<str>, Resolved>,
}

/// An endpoint of a frontend of which something is to be remembered.
#[derive(Debug)]
pub(super) struct Noted {
    pub(super) address: Address,
    pub(super) state: Arc<EndpointState>,
    /// How many hosts' marks name it.
    pub(super) marked_by: usize,
    /// The newest table does not list it.
    left: bool,
    /// What its active check said when it failed last; `None`: it passed since, or there is none. One that is the last of its
    /// route serves on with this.
    pub(super) failed: Option<Box<str>>,
}

/// What came of an attempt to mark an endpoint dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marked {
    /// It is out from now on: worth telling the registry.
    Now,
    /// A mark of ours holds already; it keeps its end.
    Already,
    /// It is the last live endpoint of its route and stays.
    Spared,
}

impl States {
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        // What a panicking thread left behind is at worst one mark too many or too few.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn left(&self) -> MutexGuard<'_, Left> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks the endpoint at `index` of `route` dead for `ttl_ms`, unless no other endpoint of the route is live.
    ///
    /// Marks are set one after the other, so two threads cannot take the last two endpoints out at once.
    pub fn mark_dead(
        &self,
        route: &Route,
        index: usize,
        reason: DeadReason,
        now_ms: u64,
        ttl_ms: u64,
    ) -> Marked {
        let Some(candidate) = route.candidate(index) else { return Marked::Spared };
        let mut inner = self.lock();
        if candidate.state.is_marked_by_us(now_ms) {
            return Marked::Already;
        }
        let is_another_live =
            route.states().iter().enumerate().any(|(other, state)| other != index && !state.is_out(now_ms));
        if !is_another_live {
            return Marked::Spared;
        }
        candidate.state.mark(now_ms.saturating_add(ttl_ms), reason);
        inner.note(&route.key(), candidate.address(), candidate.state);
        Marked::Now
    }

    /// The states of a frontend's endpoints: those that `before` had, those remembered here, new ones for the rest.
    pub(crate) fn adopt(&self, frontend: &Frontend, before: Option<&Route>) -> Vec<Arc<EndpointState>> {
        let mut inner = self.lock();
        let key = (!inner.noted.is_empty()).then(|| frontend.key());
        let mut noted = key.and_then(|key| inner.noted.get_mut(&key));
        let of = |(index, endpoint): (usize, &Endpoint)| {
            let kept = before.and_then(|before| state_of(before, index, &endpoint.address));
            let remembered = noted.as_deref_mut().and_then(|list| {
                let noted = list.iter_mut().find(|noted| noted.address == endpoint.address)?;
                noted.left = false;
                self.left().came_back(&noted.state);
                Some(Arc::clone(&noted.state))
            });
            kept.or(remembered).unwrap_or_default()
        };
        frontend.backend.endpoints.iter().enumerate().map(of).collect()
    }

    /// Remembers the endpoints of `before`, a route of the table at `revision`, that `after` no longer lists: all until nobody can pick
    /// them, and longer where there is something to remember.
    pub(crate) fn leave(&self, before: &Route, after: Option<&Route>, revision: Revision) {
        let stays =
            |index: usize, address| after.is_some_and(|after| state_of(after, index, address).is_some());
        for candidate in (0..before.endpoints().len()).filter_map(|index| before.candidate(index)) {
            if stays(candidate.index, candidate.address()) {
                continue;
            }
            self.left().leaves(before, candidate, revision);
            if candidate.state.in_flight() > 0 || candidate.state.has_marks() {
                self.lock().note(&before.key(), candidate.address(), candidate.state).left = true;
            }
        }
    }

    /// True while nobody can pick an endpoint that left, and nothing is in flight at one; as of the last [`States::let_go`].
    pub fn nothing_left(&self) -> bool {
        self.left().is_empty()
    }

    /// Forgets who left and is free by now, and says what is not. `table` is served, `older`: the oldest one that somebody may still hold.
    ///
    /// Not to be called while a table is made, or swept. Where somebody is busy who left, O(routes) from time to time, else O(who left).
    pub fn let_go(&self, table: &RouteTable, older: Option<Revision>, now_ms: u64) -> Standing {
        if self.nothing_left() {
            return Standing::default();
        }
        let noted = self.lock().noted.values().flatten().map(|noted| place(&noted.state)).collect();
        self.left().let_go(table, older, &noted, now_ms)
    }

    /// Forgets what says nothing any more. To be called about once a second.
    pub fn sweep(&self, now_ms: u64) {
        let mut inner = self.lock();
        inner.noted.retain(|_, list| {
            list.retain(|noted| {
                let (state, by_others) = (&noted.state, noted.state.is_marked_by_others());
                if !by_others && !state.is_marked_by_us(now_ms) {
                    // It ended: who marks it from now on is another.
                    state.unmark();
                }
                let says_something = state.is_out(now_ms) || by_others || noted.failed.is_some();
                says_something || noted.left && noted.state.in_flight() > 0
            });
            !list.is_empty()
        });
        if inner.noted.capacity() / 4 > inner.noted.len() {
            inner.noted.shrink_to_fit();
        }
    }

    /// The endpoints of `table` that are out, by frontend and address.
    pub fn dead(&self, table: &RouteTable, now_ms: u64) -> Vec<DeadEndpoint> {
        let inner = self.lock();
        let mut dead = Vec::new();
        for (key, list) in &inner.noted {
            let Some(route) = table.get(key) else { continue };
            // A request of an older table may have marked one that the list has lost meanwhile.
            let is_listed =
                |noted: &&Noted| route.states().iter().any(|state| Arc::ptr_eq(state, &noted.state));
            for noted in list.iter().filter(is_listed) {
                let Some(out) = noted.state.out(now_ms) else { continue };
                let reason = match (&noted.failed, out.ours) {
                    (Some(failed), _) if out.by_check => failed.clone(),
                    (_, Some((why, _))) => why.to_string().into(),
                    (_, None) => "marked by another".into(),
                };
                dead.push(DeadEndpoint {
                    frontend: key.clone(),
                    address: noted.address.clone(),
                    reason,
                    by_check: out.by_check,
                    back_in_ms: out.ours.filter(|_| !out.by_others && !out.by_check).map(|(_, left)| left),
                });
            }
        }
        drop(inner);
        dead.sort_by(|a, b| (&a.frontend, &a.address).cmp(&(&b.frontend, &b.address)));
        dead
    }

    /// How many endpoints something is remembered of.
    pub fn remembered(&self) -> usize {
        self.lock().noted.values().map(Vec::len).sum()
    }
}

impl Inner {
    /// The entry of an endpoint, made when there is none.
    pub(super) fn note(
        &mut self,
        key: &FactKey,
        address: &Address,
        state: &Arc<EndpointState>,
    ) -> &mut Noted {
        let list = self.noted.entry(key.clone()).or_default();
        let at = list.iter().position(|noted| noted.address == *address).unwrap_or(list.len());
        if at == list.len() {
            let (address, state) = (address.clone(), Arc::clone(state));
            list.push(Noted { address, state, marked_by: 0, left: false, failed: None });
        }
        &mut list[at]
    }

    /// The entry of an endpoint, if there is one.
    pub(super) fn noted(&mut self, key: &FactKey, address: &Address) -> Option<&mut Noted> {
        self.noted.get_mut(key)?.iter_mut().find(|noted| noted.address == *address)
    }
}

/// The state of the endpoint with this address in `route`; most stand where they stood.
fn state_of(route: &Route, index: usize, address: &Address) -> Option<Arc<EndpointState>> {
    let here = route.candidate(index).filter(|candidate| candidate.address() == address);
    let there =
        || (0..route.endpoints().len()).filter_map(|i| route.candidate(i)).find(|c| c.address() == address);
    here.or_else(there).map(|candidate| Arc::clone(candidate.state))
}
