//! By weighted chance alone, as hipache does.

use model::Endpoint;

use crate::route::Candidates;

/// Draws that may miss before the list is summed up.
const QUICK_DRAWS: usize = 4;

/// Draws endpoints, each with the chance of its weight.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Draw {
    /// The largest weight of the list, at least 1.
    heaviest: u16,
}

impl Draw {
    pub(super) fn of(endpoints: &[Endpoint]) -> Self {
        Self { heaviest: endpoints.iter().map(|endpoint| endpoint.weight.get()).max().unwrap_or(1) }
    }

    /// An eligible candidate, each with the chance of its weight.
    pub(super) fn pick(self, candidates: &Candidates<'_>, dice: &mut fastrand::Rng) -> Option<usize> {
        self.pick_except(None, candidates, dice)
    }

    /// As [`Self::pick`], but not the one at `except`.
    ///
    /// A throw hits any place, and is taken with the chance "its weight of the heaviest": what is taken has the chance of
    /// its weight, whatever was missed before. So one throw is mostly enough, however long the list.
    pub(super) fn pick_except(
        self,
        except: Option<usize>,
        candidates: &Candidates<'_>,
        dice: &mut fastrand::Rng,
    ) -> Option<usize> {
        if candidates.is_empty() {
            return None;
        }
        let heaviest = u32::from(self.heaviest);
        for _ in 0..QUICK_DRAWS {
            let index = dice.usize(..candidates.len());
            let heavy_enough = heaviest <= 1 || dice.u32(..heaviest) < candidates.weight(index);
            if heavy_enough && Some(index) != except && candidates.is_eligible(index) {
                return Some(index);
            }
        }
        draw_from_all(except, candidates, dice)
    }
}

/// Sums the weights up, then counts a throw down. Marks may be set in between: then the last one seen is taken.
fn draw_from_all(
    except: Option<usize>,
    candidates: &Candidates<'_>,
    dice: &mut fastrand::Rng,
) -> Option<usize> {
    let eligible = || candidates.eligible().filter(|&index| Some(index) != except);
    let total: u32 = eligible().map(|index| candidates.weight(index)).sum();
    if total == 0 {
        return None;
    }
    let mut throw = dice.u32(..total);
    let mut last = None;
    for index in eligible() {
        last = Some(index);
        match throw.checked_sub(candidates.weight(index)) {
            Some(rest) => throw = rest,
            None => break,
        }
    }
    last
}
