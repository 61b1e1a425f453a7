//! Each endpoint in turn, as often as its weight says.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::route::Candidates;

/// Whose turn it is: one number for all threads and for all tables that hold the route.
#[derive(Debug, Clone, Default)]
pub(crate) struct Turn(Arc<AtomicU32>);

impl Turn {
    /// The eligible candidate whose turn it is.
    ///
    /// A cycle has as many turns as the eligible ones weigh together, in rounds: in round r everybody who weighs at
    /// least r has one turn. So 3:1 is served A B A A, and over a cycle each gets exactly its weight.
    pub(super) fn pick(&self, candidates: &Candidates<'_>) -> Option<usize> {
        let (mut total, mut heaviest) = (0, 0);
        for index in candidates.eligible() {
            total += candidates.weight(index);
            heaviest = heaviest.max(candidates.weight(index));
        }
        if total == 0 {
            return None;
        }
        let turn = self.0.fetch_add(1, Ordering::Relaxed) % total;
        let round = round_of(turn, heaviest, candidates);
        let skip = turn.saturating_sub(turns_until(round - 1, candidates));
        let mut last = None;
        for index in
            candidates.eligible().filter(|&index| candidates.weight(index) >= round).take(skip as usize + 1)
        {
            last = Some(index);
        }
        // Marks may have been set since the sum was made.
        last.or_else(|| candidates.eligible().next())
    }
}

/// The round, counted from 1, that `turn` falls into.
fn round_of(turn: u32, heaviest: u32, candidates: &Candidates<'_>) -> u32 {
    let (mut low, mut high) = (1, heaviest.max(1));
    while low < high {
        let middle = low + (high - low) / 2;
        if turns_until(middle, candidates) > turn {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

/// How many turns the rounds up to and including `round` have.
fn turns_until(round: u32, candidates: &Candidates<'_>) -> u32 {
    if round == 0 {
        return 0;
    }
    candidates.eligible().map(|index| candidates.weight(index).min(round)).sum()
}
