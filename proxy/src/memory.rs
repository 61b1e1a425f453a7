//! How near the process is to its memory limit: read once a second beside the request path, which looks at one number.
//!
//! In: the configured limit, or the one of the control group (cgroup v2 `memory.max`, also of the groups around it). Out: a
//! [`Pressure`]. First connections end with the request in hand, so that buffers come back; then no further connection is let
//! in; requests in flight always finish. Meanwhile what nobody uses goes back to the system, so that the pressure can end.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

/// From here on keep-alive ends, in hundredths of the limit …
const HIGH: u64 = 85;
/// … and from here on new connections are refused.
const CRITICAL: u64 = 95;
/// A level is left once use is so many hundredths below its beginning, so that it does not flicker.
const SLACK: u64 = 5;
/// How often memory is looked at, in milliseconds.
pub(crate) const LOOK_MS: u64 = 1000;
/// More than any process can have, and far from where sizes overflow.
const TOO_MUCH: usize = isize::MAX as usize / 2;
/// Where cgroup v2 is mounted.
const CGROUPS: &str = "/sys/fs/cgroup";

/// How near the process is to its memory limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Pressure {
    /// There is room, or no limit.
    #[default]
    None,
    /// Connections end with the request in hand.
    High,
    /// New connections are refused as well.
    Critical,
}

/// Memory as it was last looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Memory {
    /// How near the limit is.
    pub pressure: Pressure,
    /// Octets in use: of the process, or of its control group without what the kernel can drop at once.
    pub used: u64,
    /// The limit in octets; `None`: there is none.
    pub limit: Option<u64>,
}

/// What the last look saw, for all threads.
#[derive(Debug, Default)]
pub(crate) struct Gauge {
    pressure: AtomicU8,
    used: AtomicU64,
    /// 0: no limit.
    limit: AtomicU64,
}

impl Gauge {
    pub(crate) fn pressure(&self) -> Pressure {
        match self.pressure.load(Ordering::Relaxed) {
            0 => Pressure::None,
            1 => Pressure::High,
            _ => Pressure::Critical,
        }
    }

    pub(crate) fn read(&self) -> Memory {
        let limit = Some(self.limit.load(Ordering::Relaxed)).filter(|&limit| limit > 0);
        Memory { pressure: self.pressure(), used: self.used.load(Ordering::Relaxed), limit }
    }

    /// Takes note of a look; says so when the level changes.
    fn set(&self, look: Option<(u64, u64)>) {
        let (used, limit) = look.unwrap_or_default();
        let (before, now) = (self.pressure(), next(self.pressure(), used, limit));
        self.used.store(used, Ordering::Relaxed);
        self.limit.store(limit, Ordering::Relaxed);
        self.pressure.store(now as u8, Ordering::Relaxed);
        match now {
            _ if now == before => {}
            Pressure::None => tracing::info!(used, limit, "memory: there is room again"),
            Pressure::High => {
                tracing::warn!(used, limit, "memory is short: connections end with the request in hand")
            }
            Pressure::Critical => {
                tracing::error!(used, limit, "memory is nearly used up: new connections are refused")
            }
        }
    }
}

/// The level after one that was `before`.
fn next(before: Pressure, used: u64, limit: u64) -> Pressure {
    if limit == 0 {
        return Pressure::None;
    }
    let percent = u64::try_from(u128::from(used) * 100 / u128::from(limit)).unwrap_or(u64::MAX);
    let reached = |level: Pressure, from: u64| percent >= if before >= level { from - SLACK } else { from };
    if reached(Pressure::Critical, CRITICAL) {
        Pressure::Critical
    } else if reached(Pressure::High, HIGH) {
        Pressure::High
    } else {
        Pressure::None
    }
}

/// Looks once a second, until nobody else holds the gauge. `configured` is asked each time, because it can change.
pub(crate) async fn watch(gauge: Arc<Gauge>, configured: impl Fn() -> Option<u64> + Send) {
    let mut tick = tokio::time::interval(Duration::from_millis(LOOK_MS));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while Arc::strong_count(&gauge) > 1 {
        tick.tick().await;
        // Files of the kernel's own: no disk is waited for.
        gauge.set(match configured() {
            Some(limit) => resident().map(|used| (used, limit)),
            None => groups(Path::new(CGROUPS)).into_iter().filter_map(|group| look(&group)).max_by_key(share),
        });
        if gauge.pressure() != Pressure::None {
            give_back();
        }
    }
}

/// Has the allocator give the system back what this thread has freed, and what lies about that no thread uses.
///
/// mimalloc does so while it allocates. A thread that lets nobody in allocates nothing: without this, what a burst took would be
/// held for good, and the pressure with it. Its `mi_collect` cannot be had without unsafe code, and giving back at once
/// (`MIMALLOC_PURGE_DELAY=0`) would cost system calls where there is no pressure. But a request that cannot be met makes it
/// collect all there is before it refuses (`_mi_malloc_generic`); this is such a request. Below a millisecond for 100 MB, and
/// microseconds where there is nothing. With another allocator it is refused, and that is all.
pub(crate) fn give_back() {
    let mut impossible = Vec::<u8>::new();
    // Looked at, so that it is really asked for.
    std::hint::black_box(impossible.try_reserve_exact(std::hint::black_box(TOO_MUCH)).is_err());
    std::hint::black_box(&impossible);
}

/// How much of its limit a group uses, in thousandths.
fn share(&(used, limit): &(u64, u64)) -> u128 {
    u128::from(used) * 1000 / u128::from(limit.max(1))
}

/// What the process has in memory, in octets (proc(5), `VmRSS`).
fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The process's control group and those around it, the innermost first.
fn groups(root: &Path) -> Vec<PathBuf> {
    let Ok(text) = fs::read_to_string("/proc/self/cgroup") else { return Vec::new() };
    let Some(own) = text.lines().find_map(|line| line.strip_prefix("0::/")) else { return Vec::new() };
    // As many as the path has parts, and the root, which is the container's own where it has a namespace.
    root.join(own).ancestors().take_while(|group| group.starts_with(root)).map(Path::to_owned).collect()
}

/// What a control group uses and may use; `None`: it has no limit.
fn look(group: &Path) -> Option<(u64, u64)> {
    let limit = fs::read_to_string(group.join("memory.max")).ok()?.trim().parse::<u64>().ok()?;
    let used = fs::read_to_string(group.join("memory.current")).ok()?.trim().parse::<u64>().ok()?;
    let stat = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
    let droppable = stat.lines().find_map(|line| line.strip_prefix("inactive_file "));
    let droppable = droppable.and_then(|text| text.trim().parse::<u64>().ok()).unwrap_or(0);
    Some((used.saturating_sub(droppable), limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_follows_use_and_does_not_flicker() {
        use Pressure::{Critical, High, None};
        for (before, used, expected) in [
            (None, 84, None),
            (None, 85, High),
            (High, 80, High),
            (High, 79, None),
            (None, 95, Critical),
            (High, 94, High),
            (Critical, 90, Critical),
            (Critical, 89, High),
            (Critical, 79, None),
            (None, u64::MAX, Critical),
        ] {
            assert_eq!(next(before, used, 100), expected, "{used} % after {before:?}");
        }
        assert_eq!(next(Critical, 7, 0), None, "no limit");
    }

    #[test]
    fn a_control_group_uses_what_the_kernel_cannot_drop_and_may_be_without_a_limit() {
        let group = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| fs::write(group.path().join(name), text).expect("written");
        assert_eq!(look(group.path()), None);
        write("memory.current", "1000\n");
        write("memory.stat", "anon 600\ninactive_file 300\nactive_file 100\n");

        write("memory.max", "max\n");
        assert_eq!(look(group.path()), None);

        write("memory.max", "2000\n");
        assert_eq!(look(group.path()), Some((700, 2000)));
    }

    #[test]
    fn the_process_knows_what_it_uses() {
        assert!(resident().is_some_and(|used| used > 1 << 20));
    }
}
