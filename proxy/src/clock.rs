//! The data path's clock: milliseconds that only grow, the same for all threads of the process.

use std::sync::OnceLock;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A point in time, in milliseconds since the process first asked.
pub type Millis = u64;

static EPOCH: OnceLock<u64> = OnceLock::new();

/// Milliseconds since the process first asked; unaffected by changes of the wall clock.
///
/// As of the kernel's last tick, at most 10 ms ago: it is asked many times for each request, and costs a quarter of what a
/// precise one does.
pub fn now_ms() -> Millis {
    let now = coarse_ms();
    now.saturating_sub(*EPOCH.get_or_init(|| now))
}

/// Milliseconds since the machine started.
fn coarse_ms() -> u64 {
    let now = clock_gettime(ClockId::MonotonicCoarse);
    part(now.tv_sec).saturating_mul(1000).saturating_add(part(now.tv_nsec) / 1_000_000)
}

/// The kernel's clocks that only grow say nothing negative.
fn part(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// A moment, in microseconds since the machine started.
pub type Micros = u64;

/// The moment: precise, for what is told to people; unaffected by changes of the wall clock.
pub fn now_us() -> Micros {
    let now = clock_gettime(ClockId::Monotonic);
    part(now.tv_sec).saturating_mul(1_000_000).saturating_add(part(now.tv_nsec) / 1000)
}

/// A duration in whole milliseconds, the largest `u64` at most.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
