//! A layer's time as a function of its reuse distance, tabulated for the predictions of many networks.

use crate::reuse::{FAR, Grid, ReuseCurve};

/// Most steps in a table: those of 40 octaves at the narrowest bandwidth that is tried. Only a LUT from elsewhere can
/// need more.
const STEPS: u64 = 1 << 15;

/// A [`ReuseCurve`] at one bandwidth, with its times at all steps near its occurrences. It gives the same bits as the
/// curve.
#[derive(Debug)]
pub(crate) struct ReuseTable {
    curve: ReuseCurve,
    bandwidth: f64,
    grid: Grid,
    /// The step of the first time.
    first: u64,
    /// Nanoseconds. Steps outside are computed: far from all occurrences that takes no exponential.
    times: Vec<f64>,
}

impl ReuseTable {
    pub(crate) fn new(curve: ReuseCurve, bandwidth: f64) -> Self {
        let grid = Grid::new(bandwidth);
        // Of logarithms to bytes; the conversion ends at the smallest and at the largest distance.
        let step = |log: f64| grid.step(log.exp() as u64);
        let ends = [curve.points.first(), curve.points.last()].map(|point| point.map_or(0.0, |point| point[0]));
        let (first, last) = (step(ends[0] - FAR * bandwidth), step(ends[1] + FAR * bandwidth));
        let steps = first..=last.min(first + STEPS - 1);
        let times = steps.map(|step| curve.time_at_log(grid.log(step), bandwidth)).collect();
        Self { curve, bandwidth, grid, first, times }
    }

    /// The expected time at a distance, nanoseconds.
    pub(crate) fn time_at(&self, bytes: u64) -> f64 {
        self.grid.between(bytes, |step| {
            let known = step.checked_sub(self.first).and_then(|i| self.times.get(i as usize));
            known.copied().unwrap_or_else(|| self.curve.time_at_log(self.grid.log(step), self.bandwidth))
        })
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::reuse::ReusePoint;

    /// Near occurrences, far from them, at the ends of the table, and with more steps than it holds.
    #[test]
    fn the_table_gives_the_bits_of_the_curve() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let bytes = |rng: &mut ChaCha8Rng| rng.random_range(0..=u64::MAX) >> rng.random_range(0..64);
        for bandwidth in [1e-12, 0.01, 0.05, 0.4, 7.0, 1e6] {
            let points: Vec<ReusePoint> = (0..8)
                .map(|i| ReusePoint {
                    bytes: bytes(&mut rng),
                    occurrences: 1 + i,
                    mean_ns: rng.random_range(50.0..70.0),
                })
                .collect();
            let curve = ReuseCurve::new(&points).unwrap();
            let table = ReuseTable::new(curve.clone(), bandwidth);
            assert!(!table.times.is_empty() && table.times.len() as u64 <= STEPS, "{}", table.times.len());
            let near =
                points.iter().flat_map(|point| [0, 1, point.bytes / 50].map(|more| point.bytes.saturating_add(more)));
            let all: Vec<u64> = near.chain([0, u64::MAX]).chain((0..1_000).map(|_| bytes(&mut rng))).collect();
            for bytes in all {
                let (own, of_curve) = (table.time_at(bytes), curve.time_at(bytes, bandwidth));
                assert_eq!(own.to_bits(), of_curve.to_bits(), "{bandwidth} {bytes}: {own} {of_curve}");
            }
        }
    }
}
