//! Spaces with independent choices: one flat table.

use nasprof_graph::passes::SelectError;
use nasprof_graph::{Arch, Op};
use nasprof_spaces::Space;

/// What each candidate of each choice contributes to a cost: `cost = base + Σ table[choice][candidate]`.
#[derive(Debug, Clone)]
pub struct CostTable {
    base: f64,
    /// All tables in one row; choice `i` starts at `starts[i]`.
    table: Vec<f64>,
    starts: Vec<usize>,
}

impl CostTable {
    /// Compiles any cost of a space's architectures, such as their latency or parameters. `None` if it cannot be exact:
    /// an architecture has no cost, a zero could prune across choices, or contributions are found to depend on other
    /// choices.
    #[must_use]
    pub fn tabulate(space: &Space, cost: impl Fn(&Arch) -> Option<f64>) -> Option<Self> {
        if space.graph.nodes().iter().any(|node| matches!(node.op, Op::Zero { .. })) {
            return None;
        }
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
        // Independence is checked, not assumed: every candidate once more, with all choices changed at the same time.
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

    /// The cost of the architecture that selects the first candidate everywhere.
    #[must_use]
    pub fn base(&self) -> f64 {
        self.base
    }

    /// What each candidate of a choice adds to [`CostTable::base`].
    #[must_use]
    pub fn contributions(&self, choice: usize) -> &[f64] {
        let end = self.starts.get(choice + 1).copied().unwrap_or(self.table.len());
        &self.table[self.starts[choice]..end]
    }

    /// The lowest cost and its architecture: each choice at its cheapest candidate.
    #[must_use]
    pub fn minimum(&self) -> (Arch, f64) {
        self.extreme(1.0)
    }

    /// The highest cost and its architecture; the first one among equals.
    #[must_use]
    pub fn maximum(&self) -> (Arch, f64) {
        self.extreme(-1.0)
    }

    /// The minimum of the costs times a sign.
    fn extreme(&self, sign: f64) -> (Arch, f64) {
        let ends = self.starts.iter().skip(1).copied().chain([self.table.len()]);
        let selected = self.starts.iter().zip(ends).map(|(&start, end)| {
            let candidates = self.table[start..end].iter().enumerate();
            candidates.min_by(|a, b| (sign * a.1).total_cmp(&(sign * b.1))).map_or(0, |(candidate, _)| candidate as u16)
        });
        let arch = Arch(selected.collect());
        let cost = self.score(&arch);
        (arch, cost)
    }

    /// The cost of an architecture that may not belong to the space.
    pub(super) fn checked_score(&self, arch: &Arch) -> Result<f64, SelectError> {
        if arch.0.len() != self.starts.len() {
            return Err(SelectError::Count { expected: self.starts.len(), actual: arch.0.len() });
        }
        let mut sum = self.base;
        for (i, (&index, &start)) in arch.0.iter().zip(&self.starts).enumerate() {
            let end = self.starts.get(i + 1).copied().unwrap_or(self.table.len());
            match self.table[start..end].get(usize::from(index)) {
                Some(cost) => sum += cost,
                None => {
                    let choice = format!("number {i}");
                    return Err(SelectError::Index { choice, candidates: end - start, index });
                }
            }
        }
        Ok(sum)
    }

    /// The cost of one architecture of the space.
    #[must_use]
    pub fn score(&self, arch: &Arch) -> f64 {
        let chosen = arch.0.iter().zip(&self.starts);
        self.base + chosen.map(|(&candidate, start)| self.table[start + usize::from(candidate)]).sum::<f64>()
    }
}
