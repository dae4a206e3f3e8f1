//! Numbers for the tensors of a test.
//!
//! libtorch has one generator of random numbers for each process, and tests run in parallel in one process: a test's
//! numbers would depend on the other tests, even right after seeding.

use std::f64::consts::TAU;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Draws `count` numbers from the standard normal distribution, by the method of Box and Muller (1958).
pub fn normal(seed: u64, count: usize) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut draw = || {
        // 1 - u is never 0, so its logarithm is finite.
        let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
        (radius * (TAU * rng.random::<f64>()).cos()) as f32
    };
    (0..count).map(|_| draw()).collect()
}

/// Draws the labels of `count` images in `classes` classes.
pub fn labels(seed: u64, count: usize, classes: i64) -> Vec<i64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| rng.random_range(0..classes)).collect()
}
