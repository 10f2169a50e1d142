//! Random numbers that a seed repeats.

use std::sync::atomic::{AtomicU64, Ordering};

/// SplitMix64.
pub(super) struct Random(AtomicU64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// Another sequence for each number.
    pub(super) fn branch(&self, number: u64) -> Self {
        Self::new(Self::new(self.0.load(Ordering::Relaxed) ^ number.rotate_left(32)).next())
    }

    fn next(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let state = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Less than this.
    pub(super) fn below(&self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub(super) fn one_in(&self, chances: u64) -> bool {
        self.below(chances) == 0
    }
}
