//! Waiting for a condition, with a deadline.

use std::time::{Duration, Instant};

/// How long anything may take that takes no time on a machine that is not busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// How often a condition is looked at.
const PAUSE: Duration = Duration::from_millis(5);

/// Waits until `look` finds something.
pub(crate) fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    until_within(PATIENCE, what, look)
}

/// The same for what may take longer, or must not take as long.
pub(crate) fn until_within<T>(patience: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begin.elapsed() < patience, "waited {patience:?} for this: {what}");
        std::thread::sleep(PAUSE);
    }
}

/// Waits until `holds` is true; says how long that took.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let begin = Instant::now();
    until(what, || holds().then_some(()));
    begin.elapsed()
}
