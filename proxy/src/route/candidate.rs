//! The endpoints of a route, as an attempt sees them.

use std::cmp::Ordering;
use std::sync::Arc;

use model::{Address, Endpoint, Weight};
use smallvec::SmallVec;

use super::Route;
use crate::health::{EndpointState, InFlight};

/// One endpoint of a route, picked for an attempt.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// Its place in the route's list.
    pub index: usize,
    /// Its address and weight.
    pub endpoint: &'a Endpoint,
    /// What this node knows of it.
    pub state: &'a Arc<EndpointState>,
}

impl<'a> Candidate<'a> {
    /// Where it listens.
    pub fn address(&self) -> &'a Address {
        &self.endpoint.address
    }

    /// Counts a request in, until the guard is dropped.
    pub fn enter(&self) -> InFlight {
        self.state.enter()
    }
}

/// The endpoints that one exchange tried, by their place in its route's list.
///
/// No allocation up to eight of them, which is more than the default number of attempts.
#[derive(Debug, Clone, Default)]
pub struct Tried(SmallVec<[u16; 8]>);

impl Tried {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// This one was tried.
    pub fn insert(&mut self, index: usize) {
        // Lists hold at most 1024 endpoints (`model::MAX_ENDPOINTS`); a place beyond u16 cannot have been picked.
        if let Ok(index) = u16::try_from(index)
            && !self.0.contains(&index)
        {
            self.0.push(index);
        }
    }

    /// True when it was tried.
    #[inline]
    pub fn contains(&self, index: usize) -> bool {
        self.0.iter().any(|&tried| usize::from(tried) == index)
    }

    /// How many were tried.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True when none was tried.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets all, for the next exchange.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// What a balancer chooses from: a route's endpoints, and which of them may be chosen now.
#[derive(Debug, Clone, Copy)]
pub struct Candidates<'a> {
    endpoints: &'a [Endpoint],
    states: &'a [Arc<EndpointState>],
    tried: &'a Tried,
    now_ms: u64,
    /// Marks that this node has a part in are disregarded.
    spare_ours: bool,
}

impl<'a> Candidates<'a> {
    /// Those that were not tried and are not out.
    ///
    /// Marks that this node has a part in never bury a whole route: when every endpoint is out (another was marked by others, or the list
    /// shrank), those that we marked are eligible again, also where the registry names them: it says what we said.
    pub(super) fn of(route: &'a Route, tried: &'a Tried, now_ms: u64) -> Self {
        let is_some_live = route.states().iter().any(|state| !state.is_out(now_ms));
        let (endpoints, states) = (route.endpoints(), route.states());
        Self { endpoints, states, tried, now_ms, spare_ours: !is_some_live }
    }

    /// How many endpoints the list has, eligible or not.
    #[inline]
    pub fn len(&self) -> usize {
        self.endpoints.len().min(self.states.len())
    }

    /// True when the list has no endpoint.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// True when the endpoint at `index` may be chosen.
    #[inline]
    pub fn is_eligible(&self, index: usize) -> bool {
        let Some(state) = self.states.get(index) else { return false };
        let out = if self.spare_ours { state.is_out_by_others_alone() } else { state.is_out(self.now_ms) };
        !out && !self.tried.contains(index)
    }

    /// The places of those that may be chosen, in the order of the list.
    #[inline]
    pub fn eligible(&self) -> impl Iterator<Item = usize> {
        (0..self.len()).filter(|&index| self.is_eligible(index))
    }

    /// The weight of the endpoint at `index`; 1 beyond the list.
    #[inline]
    pub fn weight(&self, index: usize) -> u32 {
        self.endpoints.get(index).map_or(Weight::ONE, |endpoint| endpoint.weight).get().into()
    }

    /// How the endpoints at `one` and `other` compare by their requests in flight per weight.
    #[inline]
    pub fn compare_load(&self, one: usize, other: usize) -> Ordering {
        let cross =
            |load: usize, weight: usize| u64::from(self.in_flight(load)) * u64::from(self.weight(weight));
        cross(one, other).cmp(&cross(other, one))
    }

    /// Whether the endpoint at `one`, with one request more, has fewer in flight per weight than that at `other`.
    #[inline]
    pub fn stays_below(&self, one: usize, other: usize) -> bool {
        let more = u64::from(self.in_flight(one)) + 1;
        more * u64::from(self.weight(other)) < u64::from(self.in_flight(other)) * u64::from(self.weight(one))
    }

    fn in_flight(&self, index: usize) -> u32 {
        self.states.get(index).map_or(0, |state| state.in_flight())
    }
}
