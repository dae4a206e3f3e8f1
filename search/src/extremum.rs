//! The architecture with the smallest or largest value of a quantity that is not a sum over choices.

use std::cmp::Ordering;

use nasprof_graph::Arch;
use nasprof_spaces::Space;

use crate::data::{Purpose, stream};

/// How well an extremum is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Optimality {
    /// No architecture of the space is beyond it.
    Exact,
    /// The best of several coordinate searches: no change of a single choice improves it, or the search stopped early at a
    /// sufficient value.
    CoordinateSearch,
}

/// An architecture that minimises or maximises a quantity.
#[derive(Debug, Clone, PartialEq)]
pub struct Extremum {
    /// The architecture.
    pub arch: Arch,
    /// Its value, in the unit of the quantity.
    pub value: f64,
    /// How well it is known.
    pub optimality: Optimality,
}

/// Number of coordinate searches.
const STARTS: usize = 3;

impl Extremum {
    /// One that no architecture of the space is beyond.
    pub(crate) fn exact((arch, value): (Arch, f64)) -> Self {
        Self { arch, value, optimality: Optimality::Exact }
    }
}

/// Starts for [`coordinate_search`]: the best of the architectures that select the same candidate everywhere, and of `drawn`
/// random ones. `is_better` tells whether its second value is better than its first.
pub(crate) fn starts<E>(
    space: &Space,
    drawn: usize,
    of_all: impl Fn(&[Arch]) -> Result<Vec<f64>, E>,
    is_better: impl Fn(f64, f64) -> bool,
) -> Result<Vec<Arch>, E> {
    let most = space.choices.iter().map(|choice| choice.candidates.len()).max().unwrap_or(1).max(1);
    let same = |candidate: usize| {
        let selected = space.choices.iter().map(|choice| candidate.min(choice.candidates.len().max(1) - 1) as u16);
        Arch(selected.collect())
    };
    let mut rng = stream(0, Purpose::Architectures, u64::MAX, 0);
    let archs: Vec<Arch> = (0..most).map(same).chain((0..drawn).map(|_| space.sample(&mut rng))).collect();
    let mut valued: Vec<(f64, Arch)> = of_all(&archs)?.into_iter().zip(archs).collect();
    valued.sort_by(|(a, _), (b, _)| match (is_better(*b, *a), is_better(*a, *b)) {
        (true, _) => Ordering::Less,
        (_, true) => Ordering::Greater,
        _ => Ordering::Equal,
    });
    Ok(valued.into_iter().take(STARTS).map(|(_, arch)| arch).collect())
}

/// The best of coordinate searches from these starts, of which there must be one. One start is not enough: in a cell whose
/// edges are all `none`, most single operations make no path, so a search from there ends soon.
pub(crate) fn coordinate_search<E>(
    space: &Space,
    starts: Vec<Arch>,
    of: impl Fn(&Arch) -> Result<f64, E>,
    is_better: impl Fn(f64, f64) -> bool,
    is_enough: impl Fn(f64) -> bool,
) -> Result<Extremum, E> {
    let mut starts = starts.into_iter();
    let first = starts.next().unwrap_or_else(|| Arch(vec![0; space.choices.len()]));
    let (mut best, mut value) = climb(space, first, &of, &is_better, &is_enough)?;
    for start in starts {
        if is_enough(value) {
            break;
        }
        let (arch, other) = climb(space, start, &of, &is_better, &is_enough)?;
        if is_better(value, other) {
            (best, value) = (arch, other);
        }
    }
    Ok(Extremum { arch: best, value, optimality: Optimality::CoordinateSearch })
}

/// Changes one choice at a time while that improves the value.
fn climb<E>(
    space: &Space,
    start: Arch,
    of: impl Fn(&Arch) -> Result<f64, E>,
    is_better: impl Fn(f64, f64) -> bool,
    is_enough: impl Fn(f64) -> bool,
) -> Result<(Arch, f64), E> {
    let mut value = of(&start)?;
    let mut best = start;
    loop {
        let before = value;
        for (i, choice) in space.choices.iter().enumerate() {
            for candidate in 0..choice.candidates.len() {
                if is_enough(value) {
                    return Ok((best, value));
                }
                let mut arch = best.clone();
                arch.0[i] = candidate as u16;
                let other = of(&arch)?;
                if is_better(value, other) {
                    (best, value) = (arch, other);
                }
            }
        }
        if !is_better(before, value) {
            return Ok((best, value));
        }
    }
}

#[cfg(test)]
mod tests {
    use nasprof_graph::runtime::Runtime;

    use super::*;

    /// The most MACs of a cell of NAS-Bench-201, with 3x3 convolutions everywhere (published: 220.12 M FLOPs).
    const MOST: f64 = 220_119_680.0;

    fn macs(space: &Space, arch: &Arch) -> Result<f64, ()> {
        Ok(Runtime::TorchEager.subnet(&space.graph, arch).map_err(drop)?.cost().macs as f64)
    }

    #[test]
    fn the_most_expensive_cell_is_found() {
        let space = Space::builtin("nasbench201-cifar10").unwrap();
        let is_better = |value, other| other > value;
        let of_all = |archs: &[Arch]| archs.iter().map(|arch| macs(&space, arch)).collect();
        let of = |arch: &Arch| macs(&space, arch);
        let from = |starts| coordinate_search(&space, starts, of, is_better, |_| false).unwrap();
        let most = from(starts(&space, 30, of_all, is_better).unwrap());
        assert_eq!((most.value, most.optimality), (MOST, Optimality::CoordinateSearch));
        // Control: a single search from the first candidate everywhere, `none`.
        let local = from(vec![Arch(vec![0; space.choices.len()])]);
        assert!(local.value < 0.2 * MOST, "{}", local.value);
    }

    #[test]
    fn a_search_stops_at_a_sufficient_value() {
        let space = Space::builtin("nasbench201-cifar10").unwrap();
        let of = |arch: &Arch| macs(&space, arch);
        let start = vec![Arch(vec![0; space.choices.len()])];
        let found = coordinate_search(&space, start, of, |value, other| other > value, |value| value >= 1e6).unwrap();
        assert!(found.value >= 1e6 && found.value < MOST);
    }
}
