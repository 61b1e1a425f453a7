//! Placement: which host an instance runs on, and why no other. Pure.
//!
//! In: a [`Fleet`], which is what hosts there are, what is wanted, and what runs already. Out: a [`Schedule`], which is what stays, what
//! starts where, what leaves and why, and what fits nowhere with each host's reason; or, by [`explain`], what each host is to a service.
//! Never here: a clock, dice, input or output; a host made fuller than it may be; a move that nothing asks for.
//!
//! ```text
//! order ─► keep (all services: who stays) ─► place (service after service: who starts where)
//!              └─ Judge: may it stay, may it start ─┴─ rank: which host first
//! ```
//!
//! Who stays is decided for all services before anything starts, so that what starts has the room of what leaves and never takes that of
//! what stays. Spread and pack are an enum and one match, no trait: all they differ in is a number to sort by.

mod explain;
mod facts;
mod fleet;
mod judge;
mod keep;
mod order;
mod place;
#[cfg(test)]
mod properties;
mod rank;
#[cfg(test)]
mod rows;
mod tally;
mod wanted;
mod why;

use std::collections::{BTreeMap, BTreeSet};

use model::{HostName, ServiceName};

pub use explain::{Explained, explain};
pub use fleet::{Capacity, Fleet, Machine, Placed, Resources, State};
pub use wanted::{Copies, Count, CountError, MAX_COUNT, Preference, Wanted, Wishes};
pub use why::{Leaving, Why};

/// What is to run where.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Schedule {
    /// What stays where it is, also of services that nothing was asked about.
    pub stay: BTreeSet<Placed>,
    /// What starts, in the order in which it was decided.
    pub start: Vec<Placed>,
    /// What leaves its host. The room it has is counted as free: on a full host it stops before another starts.
    pub leave: BTreeMap<Placed, Leaving>,
    /// The services of which something fits nowhere.
    pub unplaced: BTreeMap<ServiceName, Unplaced>,
}

/// What fits nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unplaced {
    /// How many instances.
    pub missing: u32,
    /// Why each host takes no more of them, when all services had their turn.
    pub hosts: BTreeMap<HostName, Why>,
}

/// Decides what runs where.
pub fn schedule(fleet: &Fleet) -> Schedule {
    let mut state = keep::keep(fleet);
    let judges = order::order(fleet);
    let mut start = Vec::new();
    for judge in &judges {
        place::place(judge, &mut state, &mut start);
    }
    let unplaced = judges
        .iter()
        .filter_map(|judge| Some((judge.service.clone(), place::unplaced(judge, &state)?)))
        .collect();
    Schedule {
        start,
        unplaced,
        stay: state.stay.into_iter().cloned().collect(),
        leave: state.leave.into_iter().map(|(placed, why)| (placed.clone(), why)).collect(),
    }
}
