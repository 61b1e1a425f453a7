//! In which order the records of a set are told: by chance, anew for each answer, so that clients which take the first one are spread.

use smallvec::SmallVec;

/// So many records are ordered without an allocation: as many addresses as a datagram has room for, and more.
const INLINE: usize = 128;

/// The places of `count` records in the order they are told in, drawn from `seed`: each order as likely as any other, or, where there are
/// weights, each place drawn among those that are left in proportion to them.
pub(crate) fn order(count: usize, weights: &[u16], seed: u64) -> SmallVec<[u16; INLINE]> {
    let mut places: SmallVec<[u16; INLINE]> = (0..u16::try_from(count).unwrap_or(u16::MAX)).collect();
    if places.len() < 2 {
        return places;
    }
    let mut dice = fastrand::Rng::with_seed(seed);
    if weights.len() != places.len() {
        dice.shuffle(&mut places);
        return places;
    }
    // The least of exponential times, each with its weight as rate, is that of a record as often as its weight says; so are the next ones
    // among the rest (Efraimidis and Spirakis, 2006).
    let mut times: SmallVec<[(f64, u16); INLINE]> = places
        .iter()
        .zip(weights)
        .map(|(place, weight)| (-(1.0 - dice.f64()).ln() / f64::from((*weight).max(1)), *place))
        .collect();
    times.sort_unstable_by(|(a, _), (b, _)| a.total_cmp(b));
    times.into_iter().map(|(_, place)| place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often each place was the first one, and the second, of 30,000 orders.
    fn counts(count: usize, weights: &[u16]) -> Vec<[u32; 2]> {
        let mut counts = vec![[0; 2]; count];
        for seed in 0..30_000 {
            let order = order(count, weights, seed);
            let mut sorted = order.to_vec();
            sorted.sort_unstable();
            assert!(sorted.iter().copied().eq(0..u16::try_from(count).expect("few")), "each place once");
            for (turn, place) in order.iter().take(2).enumerate() {
                counts[usize::from(*place)][turn] += 1;
            }
        }
        counts
    }

    #[test]
    fn each_record_is_the_first_as_often_as_any_other() {
        for [first, second] in counts(3, &[]) {
            assert!(
                (9_500..10_500).contains(&first) && (9_500..10_500).contains(&second),
                "{first} {second}"
            );
        }
    }

    #[test]
    fn a_heavier_record_is_the_first_as_often_as_its_weight_says() {
        let counts = counts(3, &[1, 2, 3]);
        let near = |found: u32, expected: u32| found.abs_diff(expected) < 500;
        assert!(
            near(counts[0][0], 5_000) && near(counts[1][0], 10_000) && near(counts[2][0], 15_000),
            "{counts:?}"
        );
        // After each of the others: 1/6 · 1/5 … as drawing without putting back gives.
        assert!(near(counts[0][1], 30_000 / 3 / 4 + 30_000 / 2 / 3), "{counts:?}");
    }

    #[test]
    fn one_record_and_none_have_their_order() {
        assert_eq!((order(0, &[], 1).len(), order(1, &[7], 1).as_slice()), (0, &[0][..]));
        assert_eq!(order(2, &[1], 5).len(), 2, "weights that are not of these records are not looked at");
    }
}
