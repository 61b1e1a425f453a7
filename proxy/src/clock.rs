//! The data path's clock: milliseconds that only grow, the same for all threads of the process.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A point in time, in milliseconds since the process first asked.
pub type Millis = u64;

static EPOCH: OnceLock<Instant> = OnceLock::new();

/// Milliseconds since the process first asked; unaffected by changes of the wall clock.
pub fn now_ms() -> Millis {
    millis(EPOCH.get_or_init(Instant::now).elapsed())
}

/// A duration in whole milliseconds, the largest `u64` at most.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
