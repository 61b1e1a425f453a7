//! Rise and fall: when results of checks take an endpoint out and bring it back.

/// The results of one endpoint's checks for one frontend, as far as they count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Passed in a row.
    passes: u8,
    /// Failed in a row.
    fails: u8,
    /// It had a mark at the last result.
    marked: bool,
}

/// How an endpoint stands when a result comes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// It is out by its check, or would be if it were not the last live one.
    pub out: bool,
    /// It has a mark: of this node, because a request failed, or of anybody else.
    pub marked: bool,
}

/// What a result means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Nothing changes.
    Stays,
    /// It failed as often as it may: it shall be out. Said at every further failure.
    Falls,
    /// It passed as often as it must: it shall be back.
    Rises,
}

impl Tally {
    /// Takes a result in. `rise` and `fall` are 1 or more.
    pub fn take(&mut self, passed: bool, seen: Seen, rise: u8, fall: u8) -> Turn {
        if seen.marked && !self.marked {
            // What passed before a request failed does not speak for it now.
            self.passes = 0;
        }
        self.marked = seen.marked;
        if passed {
            self.fails = 0;
            self.passes = self.passes.saturating_add(1);
            if !(seen.out || seen.marked) || self.passes < rise {
                return Turn::Stays;
            }
            // The mark goes with it: one that is seen next is a new one, also where somebody disagrees and marks it again and again.
            self.marked = false;
            return Turn::Rises;
        }
        self.passes = 0;
        self.fails = self.fails.saturating_add(1);
        if self.fails >= fall { Turn::Falls } else { Turn::Stays }
    }

    /// True when it passed as often in a row as it must.
    pub fn has_risen(&self, rise: u8) -> bool {
        self.passes >= rise
    }

    /// How often it failed in a row; 255 stands for more, too.
    pub fn fails(&self) -> u8 {
        self.fails
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Results as `+` and `-`, `!` for a mark that comes; what came of each result.
    fn run(results: &str, rise: u8, fall: u8) -> String {
        let (mut tally, mut seen, mut said) = (Tally::default(), Seen::default(), String::new());
        for result in results.chars() {
            if result == '!' {
                seen.marked = true;
                continue;
            }
            match tally.take(result == '+', seen, rise, fall) {
                Turn::Stays => said.push('.'),
                Turn::Falls => {
                    said.push('v');
                    seen.out = true;
                }
                Turn::Rises => {
                    said.push('^');
                    seen = Seen::default();
                }
            }
        }
        said
    }

    #[test]
    fn an_endpoint_falls_and_rises_by_results_in_a_row() {
        assert_eq!(run("+++---", 2, 3), ".....v");
        assert_eq!(run("--+--+--", 2, 3), "........");
        assert_eq!(run("---+-++", 2, 3), "..v...^");
        assert_eq!(run("-----++++", 2, 3), "..vvv.^..");
        assert_eq!(run("-+-+", 1, 1), "v^v^");
    }

    #[test]
    fn a_passive_mark_is_lifted_by_passes_behind_it() {
        assert_eq!(run("++++!+++", 2, 3), ".....^.");
        assert_eq!(run("!-+-++", 2, 3), "....^");
        assert_eq!(run("!+++", 3, 3), "..^");
    }

    #[test]
    fn a_mark_that_comes_again_and_again_is_lifted_once_a_row() {
        let (mut tally, seen) = (Tally::default(), Seen { out: false, marked: true });
        let turns = (0..6).map(|_| tally.take(true, seen, 2, 3));
        use Turn::{Rises, Stays};
        assert_eq!(turns.collect::<Vec<_>>(), [Stays, Rises, Stays, Rises, Stays, Rises]);
    }

    proptest! {
        /// Against the rule as it is written: the last `fall` results all failed, the last `rise` since the mark or fall all passed.
        #[test]
        fn whatever_happens_rows_decide(
            events in prop::collection::vec(0u8..8, 1..200),
            rise in 1u8..5,
            fall in 1u8..5,
        ) {
            let (mut tally, mut seen) = (Tally::default(), Seen::default());
            let (mut since_mark, mut row, mut last) = (0u32, 0u32, None);
            for event in events {
                if event == 7 {
                    if !seen.marked { since_mark = 0; }
                    seen.marked = true;
                    continue;
                }
                let passed = event < 4;
                row = if last == Some(passed) { row + 1 } else { 1 };
                last = Some(passed);
                since_mark += 1;
                let turn = tally.take(passed, seen, rise, fall);
                let counted = if seen.marked { row.min(since_mark) } else { row };
                let expected = match passed {
                    true if (seen.out || seen.marked) && counted >= u32::from(rise) => Turn::Rises,
                    false if row >= u32::from(fall) => Turn::Falls,
                    _ => Turn::Stays,
                };
                prop_assert_eq!(turn, expected);
                match turn {
                    Turn::Falls => seen.out = true,
                    Turn::Rises => seen = Seen::default(),
                    Turn::Stays => {}
                }
            }
        }
    }
}
