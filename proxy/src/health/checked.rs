//! What active checks say of endpoints, noted beside the marks.

use std::sync::Arc;

use model::{Address, FactKey};

use super::states::{Marked, States};
use crate::route::{Route, RouteTable};

impl States {
    /// The endpoint at `index` of `route` failed its check as often as it may: it is out until it has passed, unless no other endpoint of
    /// the route is live. `why` is kept in either case.
    pub fn check_failed(&self, route: &Route, index: usize, why: &str, now_ms: u64) -> Marked {
        let Some(candidate) = route.candidate(index) else { return Marked::Spared };
        let mut inner = self.lock();
        inner.note(&route.key(), candidate.address(), candidate.state).failed = Some(why.into());
        if candidate.state.is_out_by_check() {
            return Marked::Already;
        }
        let is_another_live =
            route.states().iter().enumerate().any(|(other, state)| other != index && !state.is_out(now_ms));
        if !is_another_live {
            return Marked::Spared;
        }
        // One that is spared serves on, whatever others say of it now.
        candidate.state.set_passes(false);
        candidate.state.set_out_by_check(true);
        Marked::Now
    }

    /// The endpoint at `index` of `route` passed its check as often as it must: neither its check nor a mark keeps it out.
    /// Marks of others are not honoured any more, until it fails as often as it may.
    pub fn check_passed(&self, route: &Route, index: usize) {
        let Some(candidate) = route.candidate(index) else { return };
        let mut inner = self.lock();
        candidate.state.set_out_by_check(false);
        candidate.state.unmark();
        candidate.state.set_passes(true);
        if let Some(noted) = inner.noted(&route.key(), candidate.address()) {
            noted.failed = None;
        }
    }

    /// The endpoint at `index` of `route` passes its check, though perhaps not since a request to it failed: marks of others are not
    /// honoured; one of ours is.
    pub fn check_passes(&self, route: &Route, index: usize) {
        let Some(candidate) = route.candidate(index) else { return };
        let _writer = self.lock();
        candidate.state.set_passes(true);
    }

    /// Nobody checks this endpoint for this frontend any more: what its check said is forgotten, wherever the endpoint went.
    pub fn check_ended(&self, frontend: &FactKey, address: &Address, table: &RouteTable) {
        let mut inner = self.lock();
        let route = table.get(frontend);
        let listed = route.iter().flat_map(|route| route.endpoints().iter().zip(route.states()));
        for (_, state) in listed.filter(|(endpoint, _)| endpoint.address == *address) {
            state.set_passes(false);
        }
        if let Some(noted) = inner.noted(frontend, address) {
            noted.failed = None;
            noted.state.set_passes(false);
            noted.state.set_out_by_check(false);
        }
    }

    /// What the endpoint's check said when it failed; `None`: it did not fail, or passed since.
    pub fn check_failure(&self, frontend: &FactKey, address: &Address) -> Option<Arc<str>> {
        self.lock().noted(frontend, address)?.failed.as_deref().map(Arc::from)
    }
}
