//! Random streams that depend only on seed, purpose, epoch and index.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// The purpose of random numbers. Different purposes get independent streams of one seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Splitting a set in two.
    Split = 1,
    /// Order of the images in an epoch.
    Order = 2,
    /// Random transforms of an image.
    Augment = 3,
    /// Drawing architectures.
    Architectures = 4,
    /// The generations of an evolution.
    Evolution = 5,
    /// Sampling and mutating networks that a search trains one by one.
    Trials = 6,
}

/// The random stream of one seed, purpose, epoch and index. These four numbers are the generator's key, so all streams
/// differ.
#[must_use]
pub fn stream(seed: u64, purpose: Purpose, epoch: u64, index: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    for (bytes, word) in key.chunks_exact_mut(8).zip([seed, purpose as u64, epoch, index]) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

#[cfg(test)]
mod tests {
    use rand::RngCore;

    use super::*;

    #[test]
    fn every_coordinate_counts() {
        let first = |seed, purpose, epoch, index| stream(seed, purpose, epoch, index).next_u64();
        let base = first(1, Purpose::Order, 2, 3);
        assert_eq!(base, first(1, Purpose::Order, 2, 3));
        for other in [
            first(0, Purpose::Order, 2, 3),
            first(1, Purpose::Augment, 2, 3),
            first(1, Purpose::Order, 3, 3),
            first(1, Purpose::Order, 2, 4),
            first(1, Purpose::Order, 3, 2),
        ] {
            assert_ne!(base, other);
        }
    }
}
