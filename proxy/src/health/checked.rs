//! What active checks say of endpoints, noted beside the marks.

use std::sync::Arc;

use model::{Address, FactKey};

use super::states::{Marked, States};
use crate::route::Route;

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
        candidate.state.set_out_by_check(true);
        Marked::Now
    }

    /// The endpoint at `index` of `route` passed its check as often as it must: neither its check nor a mark of ours keeps it out.
    pub fn check_passed(&self, route: &Route, index: usize) {
        let Some(candidate) = route.candidate(index) else { return };
        let mut inner = self.lock();
        candidate.state.set_out_by_check(false);
        candidate.state.unmark();
        if let Some(noted) = inner.noted(&route.key(), candidate.address()) {
            noted.failed = None;
        }
    }

    /// Nobody checks this endpoint for this frontend any more: what its check said is forgotten, wherever the endpoint went.
    pub fn check_ended(&self, frontend: &FactKey, address: &Address) {
        if let Some(noted) = self.lock().noted(frontend, address) {
            noted.failed = None;
            noted.state.set_out_by_check(false);
        }
    }

    /// What the endpoint's check said when it failed; `None`: it did not fail, or passed since.
    pub fn check_failure(&self, frontend: &FactKey, address: &Address) -> Option<Arc<str>> {
        self.lock().noted(frontend, address)?.failed.as_deref().map(Arc::from)
    }
}
