//! Stratified splits: both parts have the same class proportions.

use rand::seq::SliceRandom;

use super::random::{Purpose, stream};

/// Splits all indices into two disjoint parts. The first part gets `portion` of every class, selected at random with the
/// seed. Both parts are in ascending order.
#[must_use]
pub fn split_stratified(labels: &[u32], portion: f64, seed: u64) -> (Vec<u32>, Vec<u32>) {
    let total = (labels.len() as f64 * portion.clamp(0.0, 1.0)).floor() as usize;
    let (mut first, mut second) = (Vec::with_capacity(total), Vec::with_capacity(labels.len() - total));
    let classes = by_class(labels);
    let shares = shares(&classes.iter().map(Vec::len).collect::<Vec<_>>(), total);
    for ((class, mut members), share) in classes.into_iter().enumerate().zip(shares) {
        members.shuffle(&mut stream(seed, Purpose::Split, 0, class as u64));
        second.extend(members.split_off(share));
        first.append(&mut members);
    }
    first.sort_unstable();
    second.sort_unstable();
    (first, second)
}

/// A stratified selection of at most `count` indices.
#[must_use]
pub fn take_stratified(labels: &[u32], count: usize, seed: u64) -> Vec<u32> {
    if count >= labels.len() {
        return (0..labels.len() as u32).collect();
    }
    // Half an image more, so that rounding of the quotient does not lose an image.
    split_stratified(labels, (count as f64 + 0.5) / labels.len() as f64, seed).0
}

fn by_class(labels: &[u32]) -> Vec<Vec<u32>> {
    let mut classes: Vec<Vec<u32>> = Vec::new();
    for (index, &label) in labels.iter().enumerate() {
        let label = label as usize;
        if classes.len() <= label {
            classes.resize(label + 1, Vec::new());
        }
        classes[label].push(index as u32);
    }
    classes
}

/// Class sizes that add up to `total`: each share is rounded down, and the remainder goes to the classes with the largest
/// rounding loss.
fn shares(sizes: &[usize], total: usize) -> Vec<usize> {
    let all: usize = sizes.iter().sum();
    if all == 0 {
        return vec![0; sizes.len()];
    }
    let mut shares: Vec<usize> = sizes.iter().map(|&size| size * total / all).collect();
    let mut by_loss: Vec<usize> = (0..sizes.len()).collect();
    by_loss.sort_by_key(|&class| std::cmp::Reverse(sizes[class] * total % all));
    let left = total - shares.iter().sum::<usize>();
    for &class in by_loss.iter().take(left) {
        shares[class] += 1;
    }
    shares
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cifar_in_halves() {
        let labels: Vec<u32> = (0..50_000).map(|i| i % 10).collect();
        let (train, valid) = split_stratified(&labels, 0.9, 313);
        assert_eq!((train.len(), valid.len()), (45_000, 5_000));
        for class in 0..10 {
            assert_eq!(valid.iter().filter(|&&i| labels[i as usize] == class).count(), 500);
        }
        assert_ne!(split_stratified(&labels, 0.9, 314).1, valid);
        assert_eq!(split_stratified(&labels, 0.9, 313).1, valid);
    }

    #[test]
    fn a_part_has_just_the_wanted_number() {
        let labels: Vec<u32> = (0..999).map(|i| u32::from(i % 3 == 0) + u32::from(i % 7 == 0)).collect();
        for count in [0, 1, 2, 10, 333, 998, 999, 5000] {
            assert_eq!(take_stratified(&labels, count, 1).len(), count.min(999));
        }
    }

    proptest! {
        /// NNabla-NAS drew both parts independently, so most validation images were also training images.
        #[test]
        fn parts_are_disjoint_whole_and_stratified(
            labels in prop::collection::vec(0_u32..5, 1..300),
            portion in 0.0..1.0_f64,
            seed: u64,
        ) {
            let (first, second) = split_stratified(&labels, portion, seed);
            let all: HashSet<u32> = first.iter().chain(&second).copied().collect();
            prop_assert_eq!(all.len(), labels.len());
            prop_assert_eq!(first.len() + second.len(), labels.len());
            prop_assert_eq!(first.len(), (labels.len() as f64 * portion).floor() as usize);
            for class in 0..5 {
                let size = labels.iter().filter(|&&l| l == class).count();
                let share = first.iter().filter(|&&i| labels[i as usize] == class).count();
                let wanted = size as f64 * first.len() as f64 / labels.len() as f64;
                prop_assert!((share as f64 - wanted).abs() <= 1.0, "{} of {}", share, size);
            }
        }
    }
}
