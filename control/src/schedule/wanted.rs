//! What is wanted of a service: how many, how large, and where rather than elsewhere.

use std::collections::BTreeSet;

use model::launch::{Fill, Instances};
use model::{Metadata, ServiceName};

use super::fleet::Resources;

/// The most instances of a service that are counted.
pub const MAX_COUNT: u32 = 10_000;

/// What is wanted of a service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// How many of it.
    pub copies: Copies,
    /// How much each takes.
    pub resources: Resources,
    /// Where.
    pub wishes: Wishes,
}

/// How many instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copies {
    /// So many, any number of them on one host.
    Counted(Count),
    /// So many, never two on one host.
    OnePerHost(Count),
    /// One on each host that fits, whatever its tier.
    EveryHost,
}

/// From how many to how many: fewer are filled up to the least, more are cut to the most, between them nothing is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    least: u32,
    most: u32,
}

/// Why two numbers are no count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CountError {
    /// The least is more than the most.
    #[error("at least {0} instances are more than at most {1}; raise the maximum")]
    Crossed(u32, u32),
    /// More than [`MAX_COUNT`].
    #[error("{0} instances are more than {MAX_COUNT}; lower the maximum, or make it several services")]
    TooMany(u32),
}

/// Where instances are to run. All but the preferences is kept, or the instance does not run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wishes {
    /// Labels that the host must have.
    pub required: Metadata,
    /// Labels that it had better have. They go before how hosts are filled, and after tiers.
    pub preferred: Vec<Preference>,
    /// How hosts are filled.
    pub fill: Fill,
    /// Services that must run on the same host. Where such wishes go in a circle, the first service by name is placed without its own.
    pub beside: BTreeSet<ServiceName>,
    /// Services that must not. Itself: as if it were one per host.
    pub not_beside: BTreeSet<ServiceName>,
}

/// A label that a host had better have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preference {
    /// The label's key, however spelled.
    pub key: String,
    /// Its value.
    pub value: String,
    /// What it is worth beside others.
    pub weight: u32,
}

impl Count {
    /// No instance.
    pub const NONE: Self = Self { least: 0, most: 0 };

    /// As a service says it.
    pub fn of(instances: Instances) -> Self {
        Self { least: instances.least().into(), most: instances.most().into() }
    }

    /// From `least` to `most`.
    ///
    /// # Errors
    /// [`CountError`] says what to write instead.
    pub const fn new(least: u32, most: u32) -> Result<Self, CountError> {
        if most > MAX_COUNT {
            return Err(CountError::TooMany(most));
        }
        if least > most {
            return Err(CountError::Crossed(least, most));
        }
        Ok(Self { least, most })
    }

    /// So many fewer.
    #[must_use]
    pub fn without(self, fewer: usize) -> Self {
        let fewer = u32::try_from(fewer).unwrap_or(u32::MAX);
        Self { least: self.least.saturating_sub(fewer), most: self.most.saturating_sub(fewer) }
    }

    /// So many as there are to be at least.
    pub const fn least(self) -> u32 {
        self.least
    }

    /// So many as there may be.
    pub const fn most(self) -> u32 {
        self.most
    }
}

impl Default for Copies {
    fn default() -> Self {
        Self::Counted(Count { least: 1, most: 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_goes_from_less_to_more() {
        assert_eq!(Count::new(2, 5).map(|count| (count.least(), count.most())), Ok((2, 5)));
        assert_eq!(Count::new(0, 0).map(Count::most), Ok(0));
        assert_eq!(Count::new(3, 2), Err(CountError::Crossed(3, 2)));
        assert_eq!(Count::new(1, MAX_COUNT + 1), Err(CountError::TooMany(MAX_COUNT + 1)));
    }
}
