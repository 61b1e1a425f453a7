//! Which of a route's live endpoints takes a request.
//!
//! In: [`Candidates`] (who may be chosen, weights, requests in flight), a [`RequestKey`], dice. Out: a place in the list,
//! one that is eligible; none only when none is.
//! Never here: health (who is eligible is decided before), a lock, an allocation, more than O(endpoints).
//!
//! One file a kind; [`Balance::pick`] is the one `match`. `tests/route_balance.rs` holds what all of them promise.

mod hash;
mod key;
mod least_loaded;
mod random;
mod random_of_two;
mod round_robin;

use model::{BalanceKind, Frontend};

use crate::route::Candidates;

pub use key::RequestKey;

/// A balancer with what it keeps from request to request.
#[derive(Debug)]
pub(crate) enum Balance {
    RandomOfTwo(random::Draw),
    RoundRobin(round_robin::Turn),
    Random(random::Draw),
    LeastLoaded,
    /// Boxed, because every route has a balancer and few of them hash.
    Hash(Box<hash::Seeds>),
}

impl Balance {
    /// The balancer a frontend asks for; the turn of `before` goes on, so that an update does not favour the first endpoint.
    pub(crate) fn new(frontend: &Frontend, before: Option<&Self>) -> Self {
        let endpoints = &frontend.backend.endpoints;
        match &frontend.policy.balance {
            BalanceKind::RandomOfTwo => Self::RandomOfTwo(random::Draw::of(endpoints)),
            BalanceKind::RoundRobin => Self::RoundRobin(match before {
                Some(Self::RoundRobin(turn)) => turn.clone(),
                _ => round_robin::Turn::default(),
            }),
            BalanceKind::Random => Self::Random(random::Draw::of(endpoints)),
            BalanceKind::LeastLoaded => Self::LeastLoaded,
            BalanceKind::Hash(_) => Self::Hash(Box::new(hash::Seeds::of(endpoints))),
        }
    }

    /// One of the eligible candidates, by its place; `None` when there is none.
    pub(crate) fn pick(
        &self,
        candidates: &Candidates<'_>,
        key: RequestKey,
        dice: &mut fastrand::Rng,
    ) -> Option<usize> {
        match self {
            Self::RandomOfTwo(draw) => random_of_two::pick(*draw, candidates, dice),
            Self::RoundRobin(turn) => turn.pick(candidates),
            Self::Random(draw) => draw.pick(candidates, dice),
            Self::LeastLoaded => least_loaded::pick(candidates, dice),
            Self::Hash(seeds) => seeds.pick(candidates, key),
        }
    }
}
