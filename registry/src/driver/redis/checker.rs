//! Whether an active checker runs, by hipache's sign of life: `hchecker_ping`, the time by the checker's clock, written again and again.
//!
//! In: what it says now, our two clocks. Out: yes or no. Its clock is another machine's, and any of them may jump: what counts is that the
//! time it says moves on, by our clock that never jumps. Only how old a first word is has to be told by comparing clocks.

use std::time::Duration;

use tokio::time::Instant;

/// An active checker whose word did not move on for longer than this is not running (hipache's number).
const SILENCE: Duration = Duration::from_secs(30);

/// What was seen of it.
#[derive(Debug, Default)]
pub(super) struct Checker {
    said: Option<u64>,
    /// Until when it is believed to run.
    until: Option<Instant>,
}

impl Checker {
    /// It says `said` (seconds since the Unix epoch) now: `unix_seconds` by our wall clock. Whether it runs.
    pub(super) fn look(&mut self, said: Option<u64>, unix_seconds: u64, now: Instant) -> bool {
        let until = match (self.said, said) {
            (_, None) => None,
            (Some(before), Some(said)) if said == before => self.until,
            (Some(before), Some(said)) if said > before => Some(now + SILENCE),
            // A first word, or a clock that was set back: a word of the future is as good as one of now.
            (_, Some(said)) => {
                let age = Duration::from_secs(unix_seconds.saturating_sub(said));
                let rest = SILENCE.checked_sub(age).map(|rest| now + rest);
                rest.max(self.until)
            }
        };
        (self.said, self.until) = (said, until);
        until.is_some_and(|until| now <= until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600;

    /// At each second, by the clock that never jumps: what is said, our wall clock, whether it runs.
    fn check(steps: &[(u64, Option<u64>, u64, bool)]) {
        let (mut checker, start) = (Checker::default(), Instant::now());
        for &(second, said, wall, expected) in steps {
            let runs = checker.look(said, wall, start + Duration::from_secs(second));
            assert_eq!(runs, expected, "at {second} s of {steps:?}");
        }
    }

    #[test]
    fn a_checker_runs_while_its_word_moves_on() {
        let t = 1_000_000;
        check(&[(0, None, t, false), (1, Some(t + 1), t + 1, true), (31, Some(t + 1), t + 31, true)]);
        check(&[(0, Some(t), t, true), (31, Some(t), t + 31, false), (32, Some(t + 32), t + 32, true)]);
        check(&[(0, Some(t - 31), t, false), (9, Some(t - 22), t + 9, true), (10, None, t + 10, false)]);
        check(&[
            (0, Some(t - 20), t, true),
            (10, Some(t - 20), t + 10, true),
            (11, Some(t - 20), t + 11, false),
        ]);
    }

    #[test]
    fn a_clock_that_jumps_changes_nothing() {
        let t = 1_000_000;
        // Ours, forward and back, while the checker runs and after it ended.
        check(&[
            (0, Some(t), t, true),
            (5, Some(t + 5), t + 5 + HOUR, true),
            (36, Some(t + 5), t + 36 + HOUR, false),
        ]);
        check(&[
            (0, Some(t), t, true),
            (5, Some(t + 5), t + 5 - HOUR, true),
            (36, Some(t + 5), t + 36 - HOUR, false),
        ]);
        // Its own.
        check(&[
            (0, Some(t), t, true),
            (5, Some(t + 5 + HOUR), t + 5, true),
            (36, Some(t + 5 + HOUR), t + 36, false),
        ]);
        check(&[
            (0, Some(t), t, true),
            (5, Some(t + 5 - HOUR), t + 5, true),
            (10, Some(t + 10 - HOUR), t + 10, true),
        ]);
        // Before anything was seen: a word of the future is believed no longer than one of now.
        check(&[(0, Some(t + HOUR), t, true), (31, Some(t + HOUR), t + 31, false)]);
    }
}
