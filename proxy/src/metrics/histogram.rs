//! Latencies in fixed logarithmic buckets: two to an octave, from 16 µs to 67 s.

/// How many buckets have an upper bound; one more takes what is slower.
pub const BUCKETS: usize = 45;

/// The upper bound of the first bucket, in microseconds.
const FIRST_US: u64 = 16;

/// How many exchanges took how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram {
    /// How many fell into each bucket; the last one has no upper bound.
    pub counts: [u64; BUCKETS + 1],
    /// The sum of all latencies, in microseconds.
    pub sum_us: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: [0; BUCKETS + 1], sum_us: 0 }
    }
}

impl Histogram {
    /// The bucket of a latency of `us` microseconds. Upper bounds belong to their bucket.
    pub const fn bucket(us: u64) -> usize {
        if us <= FIRST_US {
            return 0;
        }
        let below = us - 1;
        let octave = below.ilog2();
        let half = (below >> (octave - 1)) & 1;
        let index = 2 * (octave - FIRST_US.ilog2()) as usize + half as usize + 1;
        if index < BUCKETS { index } else { BUCKETS }
    }

    /// The upper bound of a bucket, in microseconds; `None`: no bound.
    pub const fn bound_us(bucket: usize) -> Option<u64> {
        if bucket >= BUCKETS {
            return None;
        }
        let base = if bucket.is_multiple_of(2) { FIRST_US } else { FIRST_US + FIRST_US / 2 };
        Some(base << (bucket / 2))
    }

    /// How many latencies were recorded.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Adds one latency.
    pub fn record(&mut self, us: u64) {
        self.counts[Self::bucket(us)] += 1;
        self.sum_us = self.sum_us.wrapping_add(us);
    }

    /// Adds all of another's.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.sum_us = self.sum_us.wrapping_add(other.sum_us);
    }

    /// Each bucket's upper bound in microseconds (`None`: no bound) with how many were at most that slow.
    pub fn cumulative(&self) -> impl Iterator<Item = (Option<u64>, u64)> + '_ {
        self.counts.iter().enumerate().scan(0, |sum, (bucket, count)| {
            *sum += count;
            Some((Self::bound_us(bucket), *sum))
        })
    }

    /// The upper bound, in microseconds, of the bucket that holds the `q`-quantile (0 to 1).
    ///
    /// `None` when nothing was recorded, or when it was slower than the last bound.
    pub fn quantile_us(&self, q: f64) -> Option<u64> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let rank = ((count as f64 * q.clamp(0.0, 1.0)).ceil() as u64).max(1);
        self.cumulative().find(|(_, sum)| *sum >= rank).and_then(|(bound, _)| bound)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bounds_are_two_to_an_octave_and_belong_to_their_bucket() {
        let bounds: Vec<u64> = (0..BUCKETS).filter_map(Histogram::bound_us).collect();
        assert_eq!(bounds[..6], [16, 24, 32, 48, 64, 96]);
        assert_eq!(bounds.last(), Some(&67_108_864));
        assert!(bounds.is_sorted());
        assert_eq!(Histogram::bound_us(BUCKETS), None);
        for (bucket, &bound) in bounds.iter().enumerate() {
            assert_eq!(Histogram::bucket(bound), bucket, "{bound}");
            assert_eq!(Histogram::bucket(bound + 1), bucket + 1, "{bound} + 1");
        }
        assert_eq!(Histogram::bucket(0), 0);
        assert_eq!(Histogram::bucket(u64::MAX), BUCKETS);
    }

    #[test]
    fn quantiles_name_the_bucket_that_holds_them() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile_us(0.5), None);
        for us in 1..=100 {
            histogram.record(us * 10);
        }
        assert_eq!(histogram.quantile_us(0.0), Some(16));
        assert_eq!(histogram.quantile_us(0.5), Some(512));
        assert_eq!(histogram.quantile_us(1.0), Some(1024));
        assert_eq!(histogram.sum_us, 50_500);
    }

    proptest! {
        #[test]
        fn every_latency_lies_within_its_bucket(us in any::<u64>()) {
            let bucket = Histogram::bucket(us);
            prop_assert!(Histogram::bound_us(bucket).is_none_or(|bound| us <= bound));
            prop_assert!(bucket == 0 || Histogram::bound_us(bucket - 1).is_some_and(|bound| us > bound));
        }

        #[test]
        fn merging_is_recording_both(a in prop::collection::vec(0u64..1 << 30, 0..50), b in prop::collection::vec(0u64..1 << 30, 0..50)) {
            let record = |latencies: &mut dyn Iterator<Item = &u64>| {
                let mut histogram = Histogram::default();
                latencies.for_each(|us| histogram.record(*us));
                histogram
            };
            let mut merged = record(&mut a.iter());
            merged.merge(&record(&mut b.iter()));
            prop_assert_eq!(merged, record(&mut a.iter().chain(&b)));
        }
    }
}
