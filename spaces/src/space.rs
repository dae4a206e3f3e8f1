//! A search space: a supernet graph with its choices.

use nasprof_graph::arch::Choice;
use nasprof_graph::{Arch, Graph};
use num_bigint::BigUint;
use rand::Rng;

use super::kernel_transform::KernelTransform;

/// A search space.
#[derive(Debug, Clone)]
pub struct Space {
    /// Name, as in architecture files.
    pub name: String,
    /// The supernet, batch 1.
    pub graph: Graph,
    /// The choices of the supernet.
    pub choices: Vec<Choice>,
    /// Number of distinct networks, if different selections can mean the same network.
    distinct: Option<BigUint>,
    /// Matrices that turn large kernels into small ones; empty outside the once-for-all spaces.
    pub kernel_transforms: Vec<KernelTransform>,
}

impl Space {
    /// Makes a space of a supernet.
    #[must_use]
    pub fn new(name: &str, graph: Graph) -> Self {
        let choices = graph.choices();
        Self { name: name.to_owned(), graph, choices, distinct: None, kernel_transforms: Vec::new() }
    }

    /// Draws an architecture: every choice independently and uniformly.
    pub fn sample(&self, rng: &mut impl Rng) -> Arch {
        Arch::sample(&self.choices, rng)
    }

    /// The distribution of [`Space::sample`]: for every choice, each candidate with the same probability.
    #[must_use]
    pub fn uniform_probabilities(&self) -> Vec<Vec<f64>> {
        let uniform = |count: usize| vec![1.0 / count as f64; count];
        self.choices.iter().map(|c| uniform(c.candidates.len())).collect()
    }

    /// The same space with its number of distinct networks.
    pub(super) fn with_distinct(self, networks: BigUint) -> Self {
        Self { distinct: Some(networks), ..self }
    }

    /// The same space with transforms of its kernels.
    pub(super) fn with_kernel_transforms(self, kernel_transforms: Vec<KernelTransform>) -> Self {
        Self { kernel_transforms, ..self }
    }

    /// Trainable parameters of the whole space: those of the supernet and of the kernel transforms.
    #[must_use]
    pub fn params(&self) -> u64 {
        self.graph.cost().params + self.kernel_transforms.iter().map(KernelTransform::params).sum::<u64>()
    }

    /// Number of distinct networks. It is below [`Space::architectures`] if one selection can make another meaningless,
    /// such as the operation of a block beyond the stage's depth.
    #[must_use]
    pub fn networks(&self) -> BigUint {
        self.distinct.clone().unwrap_or_else(|| self.architectures())
    }

    /// Number of architectures: the product of the numbers of candidates.
    #[must_use]
    pub fn architectures(&self) -> BigUint {
        self.choices.iter().map(|c| BigUint::from(c.candidates.len())).product()
    }
}
