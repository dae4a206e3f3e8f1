//! Spaces with independent choices, where no place matters: flat tables of the sum of layers and of the counts.

use std::cell::RefCell;
use std::collections::HashMap;

use nasprof_graph::Arch;
use nasprof_graph::passes::SelectError;
use nasprof_graph::runtime::Runtime;
use nasprof_spaces::Space;

use super::network::SumAndCounts;
use super::table::CostTable;
use crate::Estimator;

/// What each candidate of each choice contributes to the sum of layers and to each count.
#[derive(Debug, Clone)]
pub(super) struct Tables {
    sum_ms: CostTable,
    params: CostTable,
    macs: CostTable,
}

impl Tables {
    /// `None` where choices depend on each other or a layer has no entry.
    pub(super) fn new(space: &Space, runtime: Runtime, estimator: &Estimator<'_>) -> Option<Self> {
        // The tables need the same networks: each is built once.
        let known: RefCell<HashMap<Arch, Option<SumAndCounts>>> = RefCell::new(HashMap::new());
        let of = |arch: &Arch| {
            *known.borrow_mut().entry(arch.clone()).or_insert_with(|| {
                let network = runtime.subnet(&space.graph, arch).ok()?;
                let cost = network.cost();
                Some(SumAndCounts { sum_ms: estimator.mean_sum_ms(&network)?, params: cost.params, macs: cost.macs })
            })
        };
        Some(Self {
            sum_ms: CostTable::tabulate(space, |arch| Some(of(arch)?.sum_ms))?,
            params: CostTable::tabulate(space, |arch| Some(of(arch)?.params as f64))?,
            macs: CostTable::tabulate(space, |arch| Some(of(arch)?.macs as f64))?,
        })
    }

    pub(super) fn network(&self, arch: &Arch) -> Result<SumAndCounts, SelectError> {
        let sum_ms = self.sum_ms.checked_score(arch)?;
        Ok(SumAndCounts { sum_ms, params: self.params.score(arch) as u64, macs: self.macs.score(arch) as u64 })
    }
}
