//! What many threads write, away from what they all read.

use std::ops::Deref;

/// A value in cache lines of its own, so that who writes it takes no other from its readers (128: processors fetch lines in pairs).
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Apart<T>(T);

impl<T> Deref for Apart<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn neighbours_share_no_line() {
        let two = [Apart::<AtomicUsize>::default(), Apart::default()];
        let [one, other] = [&two[0], &two[1]].map(|value| std::ptr::from_ref::<AtomicUsize>(value) as usize);
        assert!(one.is_multiple_of(128) && other - one == 128);
    }
}
