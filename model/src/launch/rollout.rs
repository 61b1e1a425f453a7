//! How one version takes the place of another.

use std::num::NonZeroU16;
use std::time::Duration;

/// How one version takes the place of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rollout {
    /// What comes first.
    pub order: Order,
    /// How many at once.
    pub parallel: NonZeroU16,
    /// How long a new one has to be healthy before it counts.
    pub min_healthy: Duration,
    /// How long a version may take to be healthy before it has failed; while it waits for a host that is being started this stands still.
    pub deadline: Duration,
    /// Whether the version before comes back by itself then.
    pub rollback: bool,
}

/// What comes first in a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Order {
    /// The new one starts before the old one stops: capacity is kept. The default.
    #[default]
    StartFirst,
    /// The old one stops before the new one starts: never two of them.
    StopFirst,
}

impl Default for Rollout {
    /// One after the other, new before old; each at once when it is healthy, within five minutes, else back.
    fn default() -> Self {
        Self {
            order: Order::default(),
            parallel: NonZeroU16::MIN,
            min_healthy: Duration::ZERO,
            deadline: Duration::from_secs(300),
            rollback: true,
        }
    }
}
