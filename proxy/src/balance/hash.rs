//! The same key goes to the same endpoint for as long as that lives: weighted rendezvous hashing.
//!
//! Every endpoint scores for the key and the highest score wins, so an endpoint that leaves moves only its own keys.
//! The scores depend on key and address alone: every node and every restart sends a key the same way.

use std::fmt::{self, Write as _};

use model::Endpoint;

use super::RequestKey;
use crate::route::Candidates;

/// The hash of each endpoint's address, in the order of the list.
#[derive(Debug)]
pub(crate) struct Seeds(Box<[u64]>);

impl Seeds {
    pub(super) fn of(endpoints: &[Endpoint]) -> Self {
        Self(endpoints.iter().map(|endpoint| Stable::of_text(&endpoint.address)).collect())
    }

    /// The eligible candidate with the highest score for `key`.
    pub(super) fn pick(&self, candidates: &Candidates<'_>, key: RequestKey) -> Option<usize> {
        let scored = candidates.eligible().map(|index| {
            let seed = self.0.get(index).copied().unwrap_or_default();
            (index, Score { hash: mix(key.number() ^ seed), weight: candidates.weight(index) })
        });
        scored.reduce(|best, next| if next.1.beats(best.1) { next } else { best }).map(|(index, _)| index)
    }
}

#[derive(Clone, Copy)]
struct Score {
    hash: u64,
    weight: u32,
}

impl Score {
    /// With u evenly spread in (0, 1], the largest of all `ln(u) / weight` is each one's with the chance of its weight
    /// (Schindelhauer and Schomaker, "Weighted Distributed Hash Tables", 2005). Equal weights need no logarithm.
    fn beats(self, other: Self) -> bool {
        if self.weight == other.weight { self.hash > other.hash } else { self.value() > other.value() }
    }

    fn value(self) -> f64 {
        // 53 bits are what an f64 holds exactly.
        let unit = ((self.hash >> 11) + 1) as f64 / (1u64 << 53) as f64;
        unit.ln() / f64::from(self.weight)
    }
}

/// A hash that is the same on every node and in every version (FNV-1a, 64 bits), unlike the ones of hash maps.
pub(super) struct Stable(u64);

impl Stable {
    pub(super) fn of(octets: &[u8]) -> u64 {
        let mut hash = Self(0xcbf2_9ce4_8422_2325);
        hash.add(octets);
        mix(hash.0)
    }

    fn of_text(text: &impl fmt::Display) -> u64 {
        let mut hash = Self(0xcbf2_9ce4_8422_2325);
        // Writing into a hash cannot fail.
        let _ = write!(hash, "{text}");
        mix(hash.0)
    }

    fn add(&mut self, octets: &[u8]) {
        for &octet in octets {
            self.0 = (self.0 ^ u64::from(octet)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

impl fmt::Write for Stable {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.add(text.as_bytes());
        Ok(())
    }
}

/// Spreads every bit over all others (the finaliser of SplitMix64).
fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_never_changes_between_versions() {
        // A changed number would send every client of every fleet to another endpoint at the next release.
        assert_eq!(Stable::of(b"10.0.0.1:80"), Stable::of_text(&"10.0.0.1:80"));
        assert_eq!(Stable::of(b""), 0xf52a_15e9_a9b5_e89b);
        assert_eq!(Stable::of(b"10.0.0.1:80"), 0xdbbc_907f_2153_1a73);
    }
}
