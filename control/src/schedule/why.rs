//! Why a host is not the one.

use std::fmt;

use model::ServiceName;

/// Why an instance cannot start on a host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// It was not heard of for too long.
    #[error("lost")]
    Lost,
    /// It takes nothing new.
    #[error("cordoned")]
    Cordoned,
    /// Its engine does not answer.
    #[error("its engine does not answer")]
    Silent,
    /// It is not running, or nobody knows where it is.
    #[error("{0}")]
    Unready(String),
    /// A required label is missing, or is another one.
    #[error("lacks label {key}={value}{}", Has(has.as_deref(), key))]
    Lacks {
        /// The label's key.
        key: String,
        /// The value that is wanted.
        value: String,
        /// The value that is there.
        has: Option<String>,
    },
    /// Something must be there and is not.
    #[error("does not run {0}, which it must be beside")]
    Without(ServiceName),
    /// Something is there that must not be.
    #[error("runs {0}, which it must not be beside")]
    Beside(ServiceName),
    /// Something is there that wants to be without it.
    #[error("runs {0}, which must not be beside it")]
    Shunned(ServiceName),
    /// One per host, and there it is.
    #[error("runs an instance of it already (one per host)")]
    HasOne,
    /// Too little CPU.
    #[error("has {} of CPU free, needs {}", Cores(*free), Cores(*needs))]
    Cpu {
        /// What is free, in thousandths of a core.
        free: u64,
        /// What is needed.
        needs: u64,
    },
    /// Too little memory.
    #[error("has {} of memory free, needs {}", Octets(*free), Octets(*needs))]
    Memory {
        /// What is free, in octets.
        free: u64,
        /// What is needed.
        needs: u64,
    },
    /// Another tier has room.
    #[error("tier {tier}: hosts of tier {above} have room")]
    Tier {
        /// Its tier.
        tier: u32,
        /// The one that is filled first.
        above: u32,
    },
}

/// Why an instance leaves its host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Leaving {
    /// The host is not known.
    #[error("its host is not there")]
    Gone,
    /// The host is not one for it any more.
    #[error("its host: {0}")]
    Host(Why),
    /// Another one of the same name stays.
    #[error("another instance has its name")]
    Twice,
    /// There are more than wanted.
    #[error("there are more instances than wanted")]
    Surplus,
}

struct Has<'a>(Option<&'a str>, &'a str);

impl fmt::Display for Has<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(value) => write!(f, " (has {}={value})", self.1),
            None => Ok(()),
        }
    }
}

struct Cores(u64);

impl fmt::Display for Cores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}m", self.0)
    }
}

/// In the largest unit that divides it: nothing is rounded, so that two that differ are never written alike.
struct Octets(u64);

impl fmt::Display for Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
        let exact = units.into_iter().find(|(shift, _)| self.0 != 0 && self.0.trailing_zeros() >= *shift);
        match exact {
            Some((shift, unit)) => write!(f, "{} {unit}", self.0 >> shift),
            None => write!(f, "{} B", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_short_and_exact() {
        let check = |why: Why, expected: &str| assert_eq!(why.to_string(), expected);
        let db = || ServiceName::parse("db").expect("name");
        let lacks = |has: Option<&str>| Why::Lacks {
            key: "zone".into(),
            value: "eu".into(),
            has: has.map(ToOwned::to_owned),
        };
        check(Why::Lost, "lost");
        check(Why::Cordoned, "cordoned");
        check(lacks(None), "lacks label zone=eu");
        check(lacks(Some("us")), "lacks label zone=eu (has zone=us)");
        check(Why::Without(db()), "does not run db, which it must be beside");
        check(Why::Beside(db()), "runs db, which it must not be beside");
        check(Why::Shunned(db()), "runs db, which must not be beside it");
        check(Why::HasOne, "runs an instance of it already (one per host)");
        check(Why::Cpu { free: 0, needs: 500 }, "has 0m of CPU free, needs 500m");
        check(Why::Memory { free: 256 << 20, needs: 512 << 20 }, "has 256 MiB of memory free, needs 512 MiB");
        check(Why::Memory { free: 0, needs: 3 << 30 }, "has 0 B of memory free, needs 3 GiB");
        check(Why::Memory { free: 1025, needs: 1 << 10 }, "has 1025 B of memory free, needs 1 KiB");
        check(Why::Tier { tier: 1, above: 0 }, "tier 1: hosts of tier 0 have room");
    }
}
