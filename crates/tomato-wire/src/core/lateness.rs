//! How late frames left, in 64 buckets of powers of two.

/// A histogram of nanoseconds; bucket `n` holds values below `2^n`.
#[derive(Debug, Clone)]
pub struct Lateness {
    buckets: [u64; 64],
}

impl Default for Lateness {
    fn default() -> Self {
        Self { buckets: [0; 64] }
    }
}

impl Lateness {
    /// Counts a value `times` times.
    pub fn record(&mut self, ns: u64, times: u64) {
        let bits = u64::BITS - ns.leading_zeros();
        let bucket = usize::try_from(bits).map_or(63, |bits| bits.min(63));
        self.buckets[bucket] += times;
    }

    /// The buckets up to the last that holds anything.
    #[must_use]
    pub fn buckets(&self) -> Vec<u64> {
        let used = self.buckets.iter().rposition(|count| *count > 0).map_or(0, |last| last + 1);
        self.buckets[..used].to_vec()
    }

    /// The upper bound of the bucket in which the given permille of values is reached; 0 without values.
    #[must_use]
    pub fn permille(&self, permille: u64) -> u64 {
        let total: u64 = self.buckets.iter().sum();
        let wanted = (u128::from(total) * u128::from(permille)).div_ceil(1000);
        let mut seen = 0u128;
        for (bits, count) in self.buckets.iter().enumerate() {
            seen += u128::from(*count);
            if *count > 0 && seen >= wanted {
                return (1u64 << bits) - 1;
            }
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_upper_bounds() {
        let mut late = Lateness::default();
        assert_eq!(late.permille(500), 0);
        late.record(100, 98);
        late.record(5000, 1);
        late.record(u64::MAX, 1);
        assert_eq!(late.permille(500), 127);
        assert_eq!(late.permille(980), 127);
        assert_eq!(late.permille(990), 8191);
        assert_eq!(late.permille(1000), (1 << 63) - 1);
        let mut none = Lateness::default();
        none.record(0, 1);
        assert_eq!(none.permille(990), 0);
    }
}
