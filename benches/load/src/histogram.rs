//! Latencies in buckets that are at most 1.6% wide.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Nanoseconds, counted by one thread at a time and read by any.
#[derive(Debug)]
pub(crate) struct Histogram(Box<[AtomicU32]>);

impl Histogram {
    pub(crate) fn new() -> Self {
        Self((0..BUCKETS).map(|_| AtomicU32::new(0)).collect())
    }

    pub(crate) fn add(&self, nanos: u64) {
        let bucket = &self.0[bucket(nanos)];
        bucket.store(bucket.load(Relaxed) + 1, Relaxed);
    }
}

/// The sum of several histograms.
#[derive(Debug)]
pub(crate) struct Quantiles {
    buckets: Vec<u64>,
    total: u64,
}

impl Quantiles {
    pub(crate) fn new<'a>(parts: impl Iterator<Item = &'a Histogram>) -> Self {
        let mut buckets = vec![0; BUCKETS];
        for part in parts {
            for (sum, count) in buckets.iter_mut().zip(&part.0) {
                *sum += u64::from(count.load(Relaxed));
            }
        }
        let total = buckets.iter().sum();
        Self { buckets, total }
    }

    /// Microseconds that the given share of all latencies does not exceed, as JSON: `null` when there are none.
    pub(crate) fn micros(&self, share: f64) -> String {
        let mut below = 0;
        for (i, count) in self.buckets.iter().enumerate() {
            below += count;
            if self.total > 0 && below as f64 >= share * self.total as f64 {
                return format!("{:.1}", middle(i) / 1e3);
            }
        }
        "null".into()
    }
}

/// 64 buckets for each power of two.
fn bucket(nanos: u64) -> usize {
    if nanos < 64 {
        return nanos as usize;
    }
    let exponent = 63 - nanos.leading_zeros() as usize;
    ((exponent - 5) * 64 + ((nanos >> (exponent - 6)) & 63) as usize).min(BUCKETS - 1)
}

fn middle(bucket: usize) -> f64 {
    if bucket < 64 {
        return bucket as f64;
    }
    let exponent = bucket / 64 + 5;
    let width = (1u64 << (exponent - 6)) as f64;
    (64 + bucket % 64) as f64 * width + width / 2.0
}

const BUCKETS: usize = 64 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_its_middle() {
        for nanos in [0, 1, 63, 64, 65, 127, 128, 1000, 123_456, 9_876_543_210] {
            let middle = middle(bucket(nanos));
            assert!((middle - nanos as f64).abs() <= nanos as f64 * 0.008, "{nanos}: {middle}");
        }
    }

    #[test]
    fn quantiles_add_up_over_workers() {
        let parts = [Histogram::new(), Histogram::new()];
        for micros in 1..=50 {
            parts[0].add(micros * 1000);
            parts[1].add(micros * 1000 + 50_000);
        }
        let rows = [(0.5, "49.9"), (1.0, "99.8")];
        for (share, want) in rows {
            assert_eq!(Quantiles::new(parts.iter()).micros(share), want);
        }
        assert_eq!(Quantiles::new([].iter()).micros(0.5), "null");
    }
}
