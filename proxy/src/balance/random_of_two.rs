//! Two endpoints by weighted chance, then the one with fewer requests in flight per weight.
//!
//! Nearly as even as asking all of them, without the herd that runs to whoever looks idle
//! (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001).

use std::cmp::Ordering;

use super::random::Draw;
use crate::route::Candidates;

/// The less loaded of two that `draw` gave. At equal load the first one: so an idle list is served by weight.
pub(super) fn pick(draw: Draw, candidates: &Candidates<'_>, dice: &mut fastrand::Rng) -> Option<usize> {
    let first = draw.pick(candidates, dice)?;
    let Some(second) = draw.pick_except(Some(first), candidates, dice) else { return Some(first) };
    Some(if candidates.compare_load(second, first) == Ordering::Less { second } else { first })
}
