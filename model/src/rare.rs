//! What nearly every fact leaves at its default, and so shall cost nearly nothing.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::{Deref, DerefMut};

/// A value that costs one empty pointer where it is the usual one: there may be a million of them.
///
/// Reads as the value itself. Writing to it makes room for a value of its own.
#[derive(Clone)]
pub struct Rare<T>(Option<Box<T>>);

/// A type with a value that stands in nearly every fact.
pub trait Usual: Sized + 'static {
    /// That value.
    const USUAL: &'static Self;
}

impl<T> Default for Rare<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Usual + PartialEq> From<T> for Rare<T> {
    fn from(value: T) -> Self {
        Self((value != *T::USUAL).then(|| Box::new(value)))
    }
}

impl<A, T: Usual + PartialEq + FromIterator<A>> FromIterator<A> for Rare<T> {
    fn from_iter<I: IntoIterator<Item = A>>(values: I) -> Self {
        T::from_iter(values).into()
    }
}

impl<T: Usual> Deref for Rare<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_deref().unwrap_or(T::USUAL)
    }
}

impl<T: Usual + Clone> DerefMut for Rare<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_or_insert_with(|| Box::new(T::USUAL.clone()))
    }
}

impl<T: Usual + PartialEq> PartialEq for Rare<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Usual + Eq> Eq for Rare<T> {}

impl<T: Usual + Hash> Hash for Rare<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl<T: Usual + fmt::Debug> fmt::Debug for Rare<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Usual for u8 {
        const USUAL: &'static Self = &7;
    }

    #[test]
    fn the_usual_value_takes_no_room_and_reads_as_any_other() {
        let (usual, other) = (Rare::from(7), Rare::from(8));

        assert!(usual.0.is_none() && other.0.is_some());
        assert_eq!((*usual, *other, *Rare::<u8>::default()), (7, 8, 7));
        assert_eq!(size_of::<Rare<u8>>(), 8);
    }

    #[test]
    fn what_was_written_to_is_compared_by_value() {
        let mut rare = Rare::from(8);

        *rare = 7;

        assert_eq!(rare, Rare::default());
    }
}
