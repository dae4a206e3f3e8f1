//! Small-world graphs after Watts and Strogatz (1998), with edges pointing from the lower to the higher vertex.

use std::collections::BTreeSet;

use rand::Rng;

/// The parents of each vertex. `neighbours` is at most `vertices - 1`; an odd number counts as the even number below.
pub(super) fn watts_strogatz(vertices: usize, neighbours: usize, rewiring: f64, rng: &mut impl Rng) -> Vec<Vec<usize>> {
    let mut adjacent: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); vertices];
    for distance in 1..=neighbours / 2 {
        for u in 0..vertices {
            connect(&mut adjacent, u, (u + distance) % vertices);
        }
    }
    for distance in 1..=neighbours / 2 {
        for u in 0..vertices {
            let v = (u + distance) % vertices;
            // Drawn in any case, so that a rewired edge does not shift the later draws.
            let rewire = rng.random_bool(rewiring);
            let free: Vec<usize> = (0..vertices).filter(|w| *w != u && !adjacent[u].contains(w)).collect();
            if rewire && adjacent[u].contains(&v) && !free.is_empty() {
                adjacent[u].remove(&v);
                adjacent[v].remove(&u);
                connect(&mut adjacent, u, free[rng.random_range(0..free.len())]);
            }
        }
    }
    adjacent.iter().enumerate().map(|(v, all)| all.iter().copied().filter(|&u| u < v).collect()).collect()
}

fn connect(adjacent: &mut [BTreeSet<usize>], u: usize, v: usize) {
    if u != v {
        adjacent[u].insert(v);
        adjacent[v].insert(u);
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn wire(vertices: usize, neighbours: usize, rewiring: f64, seed: u64) -> Vec<Vec<usize>> {
        watts_strogatz(vertices, neighbours, rewiring, &mut ChaCha8Rng::seed_from_u64(seed))
    }

    #[test]
    fn without_rewiring_it_is_a_ring() {
        assert_eq!(wire(6, 2, 0.0, 0), [vec![], vec![0], vec![1], vec![2], vec![3], vec![0, 4]]);
    }

    #[test]
    fn rewiring_keeps_the_number_of_edges() {
        for seed in 0..20 {
            let edges = wire(20, 4, 0.75, seed).iter().map(Vec::len).sum::<usize>();
            assert_eq!(edges, 40);
        }
        assert_ne!(wire(20, 4, 0.75, 0), wire(20, 4, 0.75, 1));
        assert_eq!(wire(20, 4, 0.75, 7), wire(20, 4, 0.75, 7));
    }

    #[test]
    fn the_smallest_and_the_fullest_graphs() {
        assert!(wire(1, 0, 0.5, 0).concat().is_empty());
        assert!(wire(2, 1, 0.5, 0).concat().is_empty());
        assert_eq!(wire(5, 4, 1.0, 0).iter().map(Vec::len).sum::<usize>(), 10);
    }
}
