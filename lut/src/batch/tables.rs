//! Spaces with independent choices, where no place matters: flat tables of the sum of layers and of the sizes.

use std::cell::RefCell;
use std::collections::HashMap;

use nasprof_graph::Arch;
use nasprof_graph::passes::SelectError;
use nasprof_graph::runtime::Runtime;
use nasprof_graph::size::{SIZES, sizes};
use nasprof_spaces::Space;

use super::network::SumAndSizes;
use super::table::CostTable;
use crate::Estimator;

/// What each candidate of each choice contributes to the sum of layers and to each size.
#[derive(Debug, Clone)]
pub(super) struct Tables {
    sum_ms: CostTable,
    sizes: [CostTable; SIZES],
}

impl Tables {
    /// `None` where choices depend on each other or a layer has no entry.
    pub(super) fn new(space: &Space, runtime: Runtime, estimator: &Estimator<'_>) -> Option<Self> {
        // The tables need the same networks: each is built once.
        let known: RefCell<HashMap<Arch, Option<SumAndSizes>>> = RefCell::new(HashMap::new());
        let of = |arch: &Arch| {
            *known.borrow_mut().entry(arch.clone()).or_insert_with(|| {
                let network = runtime.subnet(&space.graph, arch).ok()?;
                let sizes = sizes(network.cost(), network.keyed_layers().len());
                Some(SumAndSizes { sum_ms: estimator.mean_sum_ms(&network)?, sizes })
            })
        };
        let size = |i: usize| CostTable::tabulate(space, |arch| Some(of(arch)?.sizes[i]));
        let sum_ms = CostTable::tabulate(space, |arch| Some(of(arch)?.sum_ms))?;
        Some(Self { sum_ms, sizes: [size(0)?, size(1)?, size(2)?, size(3)?] })
    }

    pub(super) fn network(&self, arch: &Arch) -> Result<SumAndSizes, SelectError> {
        let sum_ms = self.sum_ms.checked_score(arch)?;
        Ok(SumAndSizes { sum_ms, sizes: self.sizes.each_ref().map(|table| table.score(arch)) })
    }
}
