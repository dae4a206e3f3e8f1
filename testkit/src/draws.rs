//! Numbers for the tensors of a test.
//!
//! libtorch has one generator of random numbers for each process, and tests run in parallel in one process: a test's
//! numbers would depend on the other tests, even right after seeding.

use nasprof_profiler::synthetic;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Draws `count` numbers from the standard normal distribution.
pub fn normal(seed: u64, count: usize) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| synthetic::normal(&mut rng) as f32).collect()
}

/// Draws the labels of `count` images in `classes` classes.
pub fn labels(seed: u64, count: usize, classes: i64) -> Vec<i64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| rng.random_range(0..classes)).collect()
}
