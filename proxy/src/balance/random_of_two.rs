//! Two endpoints by weighted chance, then the one with fewer requests in flight per weight.
//!
//! Nearly as even as asking all of them, without the herd that runs to whoever looks idle
//! (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001).

use std::cmp::Ordering;

use super::random::Draw;
use crate::route::Candidates;

/// The less loaded of two that `draw` gave. At equal load the first one: so an idle list is served by weight. One of another weight takes
/// its place only where it stays the less loaded one: one that idles because it weighs little is not preferred for that.
pub(super) fn pick(draw: Draw, candidates: &Candidates<'_>, dice: &mut fastrand::Rng) -> Option<usize> {
    let first = draw.pick(candidates, dice)?;
    let Some(second) = draw.pick_except(Some(first), candidates, dice) else { return Some(first) };
    let is_better = match candidates.weight(first) == candidates.weight(second) {
        true => candidates.compare_load(second, first) == Ordering::Less,
        false => candidates.stays_below(second, first),
    };
    Some(if is_better { second } else { first })
}
