//! Scoring many architectures: space and LUT compiled to one flat table.

use nasprof_graph::runtime::Runtime;
use nasprof_graph::{Arch, Op, Space};
use rayon::prelude::*;

use crate::Estimator;

/// Cost tables of a space whose choices contribute independently: `latency = base + Σ table[choice][candidate]`.
#[derive(Debug)]
pub struct BatchEstimator {
    base: f64,
    /// All tables in one row; choice `i` starts at `starts[i]`.
    table: Vec<f64>,
    starts: Vec<usize>,
}

impl BatchEstimator {
    /// Compiles a space. `None` where it cannot be exact: a layer without an entry, a zero that could prune across
    /// choices, or contributions that are found to depend on other choices.
    #[must_use]
    pub fn compile(space: &Space, runtime: Runtime, estimator: &Estimator<'_>) -> Option<Self> {
        if space.graph.nodes().iter().any(|node| matches!(node.op, Op::Zero { .. })) {
            return None;
        }
        let cost = |arch: &Arch| estimator.latency_ms(&runtime.subnet(&space.graph, arch).ok()?);
        let origin = Arch(vec![0; space.choices.len()]);
        let base = cost(&origin)?;
        let mut compiled = Self { base, table: Vec::new(), starts: Vec::new() };
        for (i, choice) in space.choices.iter().enumerate() {
            compiled.starts.push(compiled.table.len());
            for candidate in 0..choice.candidates.len() {
                let mut arch = origin.clone();
                arch.0[i] = u16::try_from(candidate).ok()?;
                compiled.table.push(cost(&arch)? - base);
            }
        }
        // Independence is checked and not assumed: every candidate once more, all choices moved at the same time.
        let most = space.choices.iter().map(|c| c.candidates.len()).max().unwrap_or(0);
        for step in 0..2 * most {
            let moved = space.choices.iter().enumerate().map(|(i, c)| ((step + i * step) % c.candidates.len()) as u16);
            let arch = Arch(moved.collect());
            let exact = cost(&arch)?;
            if (compiled.score(&arch) - exact).abs() > 1e-9 * exact.abs() {
                return None;
            }
        }
        Some(compiled)
    }

    /// Milliseconds of one architecture of the space.
    #[must_use]
    pub fn score(&self, arch: &Arch) -> f64 {
        let chosen = arch.0.iter().zip(&self.starts);
        self.base + chosen.map(|(&candidate, start)| self.table[start + usize::from(candidate)]).sum::<f64>()
    }

    /// Milliseconds of many, in parallel, without an allocation for each.
    pub fn score_all(&self, archs: &[Arch], scores: &mut Vec<f64>) {
        archs.par_iter().map(|arch| self.score(arch)).collect_into_vec(scores);
    }
}
