//! Which frontend takes a request, and which endpoints it leads to.
//!
//! In: a snapshot of facts, the states of endpoints; a canonical host and path. Out: an immutable [`RouteTable`] and
//! from it a [`Route`], or an [`Explanation`] of why that one.
//! Never here: a lock, an allocation or a wait on the way of a request; a socket; a parse of what a client sent.
//!
//! ```text
//! Snapshot@41 ──from_snapshot──► RouteTable@41 ──update(diff)──► RouteTable@42     (unchanged routes are shared)
//!                                     │ find(host, path)
//!                                     ▼
//!                                   Route ──pick──► Candidate ──enter──► InFlight
//! ```
//!
//! The order of lookup is hipache's, behind planb's `host:port` where the client names a port: the exact host; then, of the host's last six labels, what is left after dropping
//! one, two … labels, as `*.rest`; then `*`. Under each pattern the longest path prefix that covers the path wins; when
//! none covers it, the lookup goes on to the next pattern.

mod candidate;
mod explain;
mod index;
mod roots;
mod table;

use std::sync::{Arc, LazyLock};

use model::{Endpoint, Fact, FactKey, Frontend};

use crate::balance::{Balance, RequestKey};
use crate::health::{EndpointState, States};

pub use candidate::{Candidate, Candidates, Tried};
pub use explain::{Considered, EndpointView, Explanation, Match, Outcome};
pub use table::RouteTable;

/// A frontend made ready to serve: the fact itself, and beside each endpoint its state. A copy shares both.
///
/// Memory: 24 octets, and what several endpoints take; names, addresses, weights and policy are the fact's own.
#[derive(Debug, Clone)]
pub struct Route {
    /// Always a frontend.
    fact: Arc<Fact>,
    choice: Choice,
}

/// Stands where a route's fact would be no frontend, which [`Route::new`] does not let be.
static NOWHERE: LazyLock<Frontend> = LazyLock::new(Frontend::default);

/// What is chosen from. Most frontends have one endpoint: there is nothing to choose, and its state is a step nearer.
#[derive(Debug, Clone)]
enum Choice {
    One(Arc<EndpointState>),
    Many(Arc<Many>),
}

/// None or several endpoints.
#[derive(Debug)]
struct Many {
    /// In the order of the fact's endpoints.
    states: Box<[Arc<EndpointState>]>,
    balance: Balance,
}

impl Route {
    /// Makes a route of a fact, where that is a frontend; what `before` (the route that stood under the same key) or `states` know of its
    /// endpoints stays known.
    pub(crate) fn new(fact: Arc<Fact>, before: Option<&Self>, states: &States) -> Option<Self> {
        let frontend = fact.as_frontend()?;
        let mut known = states.adopt(frontend, before);
        let choice = match known.pop() {
            Some(only) if known.is_empty() => Choice::One(only),
            last => {
                known.extend(last);
                let before = before.and_then(|route| match &route.choice {
                    Choice::One(_) => None,
                    Choice::Many(many) => Some(&many.balance),
                });
                Choice::Many(Arc::new(Many { states: known.into(), balance: Balance::new(frontend, before) }))
            }
        };
        Some(Self { fact, choice })
    }

    /// True when both are one: made once, perhaps handed from table to table since.
    pub fn is(&self, other: &Self) -> bool {
        let same_choice = match (&self.choice, &other.choice) {
            (Choice::One(one), Choice::One(other)) => Arc::ptr_eq(one, other),
            (Choice::Many(one), Choice::Many(other)) => Arc::ptr_eq(one, other),
            _ => false,
        };
        same_choice && Arc::ptr_eq(&self.fact, &other.fact)
    }

    /// Nothing is picked from it any more: what is left of it is the frontend, and endpoints that leave are free of it.
    pub fn picked(self) -> Arc<Fact> {
        self.fact
    }

    /// The frontend: host, path, backend, policy.
    pub fn frontend(&self) -> &Frontend {
        match self.fact.as_frontend() {
            Some(frontend) => frontend,
            None => &NOWHERE,
        }
    }

    /// The fact it was made of.
    pub fn fact(&self) -> &Arc<Fact> {
        &self.fact
    }

    /// The key of its fact.
    pub fn key(&self) -> FactKey {
        self.fact.key()
    }

    /// The endpoints as they were written.
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.frontend().backend.endpoints
    }

    /// The state of each endpoint, in the same order.
    pub(crate) fn states(&self) -> &[Arc<EndpointState>] {
        match &self.choice {
            Choice::One(only) => std::slice::from_ref(only),
            Choice::Many(many) => &many.states,
        }
    }

    /// The endpoint at `index` of the list; `None` beyond its end.
    pub fn candidate(&self, index: usize) -> Option<Candidate<'_>> {
        let (endpoint, state) = (self.endpoints().get(index)?, self.states().get(index)?);
        Some(Candidate { index, endpoint, state })
    }

    /// What of a request decides where it goes, for the routes that hash; free for all others.
    ///
    /// `client` tells the client's address; `header` finds the value of a request header by its lower-case name.
    pub fn request_key<'a>(
        &self,
        client: impl FnOnce() -> std::net::IpAddr,
        header: impl FnOnce(&str) -> Option<&'a [u8]>,
    ) -> RequestKey {
        RequestKey::of(&self.frontend().policy.balance, client, header)
    }

    /// The endpoint that takes the next attempt: not tried yet, and not out. `None` when nothing is left.
    ///
    /// Marks of this node alone never bury a whole route, see [`Candidates`]. At most O(endpoints × tried), no allocation.
    pub fn pick(
        &self,
        key: RequestKey,
        tried: &Tried,
        dice: &mut fastrand::Rng,
        now_ms: u64,
    ) -> Option<Candidate<'_>> {
        let candidates = Candidates::of(self, tried, now_ms);
        let index = match &self.choice {
            Choice::One(_) => candidates.is_eligible(0).then_some(0),
            Choice::Many(many) => many.balance.pick(&candidates, key, dice),
        };
        self.candidate(index?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_small() {
        assert_eq!(size_of::<Route>(), 24, "there may be a million of them");
    }
}
