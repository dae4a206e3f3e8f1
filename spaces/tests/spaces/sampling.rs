//! Drawing architectures: uniform, choices independent of each other, reproducible.

use nasprof_graph::Arch;
use nasprof_spaces::{Space, builtin_names};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const SAMPLES: usize = 4000;

/// Pearson's statistic against equal counts.
fn chi_square(counts: &[usize]) -> f64 {
    let expected = counts.iter().sum::<usize>() as f64 / counts.len() as f64;
    counts.iter().map(|&n| (n as f64 - expected).powi(2) / expected).sum()
}

/// Six standard deviations above the mean of the statistic: no honest sampler comes there in the life of this test.
fn is_uniform(counts: &[usize]) -> bool {
    let freedom = counts.len() as f64 - 1.0;
    chi_square(counts) <= freedom + 6.0 * (2.0 * freedom).sqrt()
}

/// Whether every candidate of every choice, and every pair of candidates of two neighbouring choices, comes equally often.
fn is_uniform_and_independent(space: &Space, archs: &[Arch]) -> bool {
    let sizes: Vec<usize> = space.choices.iter().map(|c| c.candidates.len()).collect();
    let counts = |cells: usize, cell: &dyn Fn(&Arch) -> usize| {
        let mut counts = vec![0; cells];
        archs.iter().for_each(|arch| counts[cell(arch)] += 1);
        counts
    };
    let at = |arch: &Arch, i: usize| usize::from(arch.0[i]);
    let single = (0..sizes.len()).all(|i| is_uniform(&counts(sizes[i], &|arch| at(arch, i))));
    let pairs = (1..sizes.len())
        .all(|i| is_uniform(&counts(sizes[i - 1] * sizes[i], &|arch| at(arch, i - 1) * sizes[i] + at(arch, i))));
    single && pairs
}

fn draw(space: &Space, seed: u64) -> Vec<Arch> {
    let rng = &mut ChaCha8Rng::seed_from_u64(seed);
    (0..SAMPLES).map(|_| space.sample(rng)).collect()
}

#[test]
fn every_space_is_sampled_uniformly() {
    for name in builtin_names() {
        let space = Space::builtin(name).unwrap();
        let archs = draw(&space, 11);
        assert!(is_uniform_and_independent(&space, &archs), "{name}");
        assert_eq!(archs, draw(&space, 11), "{name}");
        // A reference network has one candidate for each choice.
        let single = space.choices.iter().all(|choice| choice.candidates.len() == 1);
        assert!(single || archs != draw(&space, 12), "{name}");
    }
}

/// Controls: what the test must notice.
#[test]
fn biased_and_correlated_samplers_are_noticed() {
    let space = Space::builtin("mobilenet-cifar10").unwrap();
    let rng = &mut ChaCha8Rng::seed_from_u64(13);
    // A tenth of the draws of one choice moved to its first candidate.
    let mut biased = draw(&space, 11);
    biased.iter_mut().filter(|_| rng.random_bool(0.1)).for_each(|arch| arch.0[5] = 0);
    assert!(!is_uniform_and_independent(&space, &biased));
    // The reference's generators have one seed, so all choices of one size draw the same index: each is uniform alone.
    let correlated: Vec<Arch> = (0..SAMPLES)
        .map(|_| {
            let (six, seven) = (rng.random_range(0..6), rng.random_range(0..7));
            Arch(space.choices.iter().map(|c| if c.candidates.len() == 6 { six } else { seven }).collect())
        })
        .collect();
    let first: Vec<usize> = (0..6).map(|i| correlated.iter().filter(|a| a.0[0] == i).count()).collect();
    assert!(is_uniform(&first));
    assert!(!is_uniform_and_independent(&space, &correlated));
}
