//! The one number that proxy, DNS and containers prove they are at.

use std::fmt;

/// A registry's revision: grows by at least one with every accepted change, never goes back.
///
/// Zero is "nothing was ever written"; the largest is 2^56 - 1, and so more than a script of Redis counts to. Seven octets, most significant
/// first, so that what is stated fits into two words with it: there may be a million of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Revision([u8; 7]);

impl Revision {
    /// Before the first change.
    pub const ZERO: Self = Self([0; 7]);

    /// The revision with this number; the largest one for numbers beyond that.
    pub const fn new(number: u64) -> Self {
        match number.to_be_bytes() {
            [0, a, b, c, d, e, f, g] => Self([a, b, c, d, e, f, g]),
            _ => Self([0xff; 7]),
        }
    }

    /// The number.
    pub const fn number(self) -> u64 {
        let [a, b, c, d, e, f, g] = self.0;
        u64::from_be_bytes([0, a, b, c, d, e, f, g])
    }

    /// The next revision.
    #[must_use]
    pub const fn next(self) -> Self {
        Self::new(self.number() + 1)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_are_numbers_in_their_order() {
        let most = (1 << 56) - 1;
        let numbers = [0, 1, 255, 256, 65_536, 1 << 40, most - 1, most];

        for (one, other) in numbers.iter().zip(&numbers[1..]) {
            assert!(Revision::new(*one) < Revision::new(*other), "{one} {other}");
        }
        assert_eq!(numbers.map(|number| Revision::new(number).number()), numbers);
        assert_eq!((Revision::new(255).next().number(), Revision::new(255).to_string()), (256, "255".into()));
        assert_eq!([Revision::new(most).next(), Revision::new(u64::MAX)].map(Revision::number), [most; 2]);
    }
}
