// SPDX-License-Identifier: GPL-2.0

//! Tells readers that an invalidation went by.

use kernel::sync::atomic::{
    Acquire,
    Atomic,
    Full,
    Release, //
};

/// Counts invalidations.
///
/// Two operations may overlap, a memory error and a populate that failed, so one bit for "in
/// progress" would not do: the lower half counts those in progress, the upper half those that
/// began.
pub(crate) struct Sequence(Atomic<i64>);

/// A sample of a [`Sequence`].
#[derive(Clone, Copy)]
pub(crate) struct Sample(i64);

const BEGAN: i64 = 1 << 32;
const IN_PROGRESS: i64 = BEGAN - 1;

impl Sequence {
    pub(crate) const fn new() -> Self {
        Self(Atomic::new(0))
    }

    /// Takes a sample, before what it guards is read.
    #[inline]
    pub(crate) fn sample(&self) -> Sample {
        Sample(self.0.load(Acquire))
    }

    /// Returns whether an invalidation began since the sample was taken, or was in progress then.
    ///
    /// The caller orders this after its reads: by a lock that the invalidating side takes after
    /// [`begin`](Self::begin), or by an atomic operation that implies a full barrier, as taking a
    /// reference to a folio does.
    #[inline]
    pub(crate) fn changed_since(&self, sample: Sample) -> bool {
        sample.in_progress() || self.0.load(Acquire) != sample.0
    }

    /// An invalidation begins. Ordered before everything that the caller does next.
    pub(crate) fn begin(&self) {
        self.0.fetch_add(BEGAN + 1, Full);
    }

    /// It is over.
    pub(crate) fn end(&self) {
        self.0.fetch_sub(1, Release);
    }
}

impl Sample {
    /// Returns whether an invalidation was in progress when the sample was taken.
    #[inline]
    pub(crate) fn in_progress(self) -> bool {
        self.0 & IN_PROGRESS != 0
    }

    /// Returns the sample as a number, for consumers.
    pub(crate) fn to_raw(self) -> u64 {
        self.0 as u64
    }

    /// Returns a sample from its number.
    pub(crate) fn from_raw(raw: u64) -> Self {
        Self(raw as i64)
    }
}

#[cfg(CONFIG_RESTRICTEDMEM_KUNIT_TEST)]
#[kernel::macros::kunit_tests(restrictedmem_sequence)]
mod tests {
    use super::*;

    #[test]
    fn quiet_is_not_changed() {
        let sequence = Sequence::new();

        assert!(!sequence.changed_since(sequence.sample()));
    }

    #[test]
    fn changed_while_in_progress_and_after() {
        let sequence = Sequence::new();
        let before = sequence.sample();

        sequence.begin();
        let during = sequence.sample();
        assert!(sequence.changed_since(before));
        assert!(sequence.changed_since(during));

        sequence.end();
        assert!(sequence.changed_since(before));
        assert!(sequence.changed_since(during));
        assert!(!sequence.changed_since(sequence.sample()));
    }

    #[test]
    fn overlapping_invalidations_count() {
        let sequence = Sequence::new();

        sequence.begin();
        sequence.begin();
        sequence.end();
        assert!(sequence.changed_since(sequence.sample()));
        sequence.end();
        assert!(!sequence.changed_since(sequence.sample()));
    }

    #[test]
    fn samples_survive_being_numbers() {
        let sequence = Sequence::new();

        sequence.begin();
        sequence.end();
        assert!(!sequence.changed_since(Sample::from_raw(sequence.sample().to_raw())));
    }
}
