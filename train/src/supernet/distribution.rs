//! Architecture parameters: a softmax over the candidates of every choice (Liu et al. 2019).

use nasprof_graph::{Arch, Choice};
use rand::Rng;
use tch::{Device, Kind, TchError, Tensor};

use crate::device;

/// One vector of parameters (alphas) per choice. All are zero at first, so all candidates are equally likely.
#[derive(Debug)]
pub struct Distribution {
    alphas: Vec<Tensor>,
}

impl Distribution {
    /// The uniform distribution. Alphas are 64-bit floats on the CPU: they are few, and their gradients small.
    ///
    /// # Errors
    /// libtorch's, if memory is insufficient.
    pub fn uniform(choices: &[Choice]) -> Result<Self, TchError> {
        let zeros = |c: &Choice| Tensor::f_zeros([c.candidates.len() as i64], (Kind::Double, Device::Cpu));
        let alphas = choices.iter().map(|c| zeros(c)?.f_set_requires_grad(true)).collect::<Result<_, _>>()?;
        Ok(Self { alphas })
    }

    /// The tensors.
    pub fn alphas(&self) -> &[Tensor] {
        &self.alphas
    }

    /// Probabilities of the candidates of every choice.
    #[must_use]
    pub fn probabilities(&self) -> Vec<Vec<f64>> {
        self.alphas.iter().map(|a| softmax(&values(a))).collect()
    }

    /// The probabilities in single precision on a device, as one leaf tensor per choice that requires gradients.
    /// [`Distribution::at_alphas`] converts these gradients to gradients of the alphas. All probabilities go to the device
    /// in one copy.
    ///
    /// # Errors
    /// libtorch's, if memory is insufficient.
    pub fn leaves(&self, device: Device) -> Result<Vec<Tensor>, TchError> {
        let single = |row: Vec<f64>| row.into_iter().map(|p| p as f32).collect();
        device::leaves(&self.probabilities().into_iter().map(single).collect::<Vec<_>>(), device)
    }

    /// Converts a gradient with respect to the probabilities to one with respect to the alphas: `p * (g - sum of p * g)`.
    #[must_use]
    pub fn at_alphas(&self, gradient: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let one = |(p, g): (Vec<f64>, &Vec<f64>)| {
            let mean: f64 = p.iter().zip(g).map(|(p, g)| p * g).sum();
            p.iter().zip(g).map(|(p, g)| p * (g - mean)).collect()
        };
        self.probabilities().into_iter().zip(gradient).map(one).collect()
    }

    /// The probabilities as single-precision tensors on a device; gradients flow through them to the alphas.
    ///
    /// # Errors
    /// libtorch's, if memory is insufficient.
    pub fn tensors(&self, device: Device) -> Result<Vec<Tensor>, TchError> {
        let one = |a: &Tensor| a.f_softmax(0, None)?.f_to_kind(Kind::Float)?.f_to_device(device);
        self.alphas.iter().map(one).collect()
    }

    /// Draws every choice independently.
    pub fn sample(&self, rng: &mut impl Rng) -> Arch {
        let one = |p: &Vec<f64>| {
            let mut left: f64 = rng.random();
            let found = p.iter().position(|p| {
                left -= p;
                left < 0.0
            });
            // After a rounding error: the last candidate with a positive probability.
            found.or_else(|| p.iter().rposition(|&p| p > 0.0)).unwrap_or(0) as u16
        };
        Arch(self.probabilities().iter().map(one).collect())
    }

    /// The most probable candidates; of equal ones, the first (`max` mode).
    #[must_use]
    pub fn most_probable(&self) -> Arch {
        let one = |p: Vec<f64>| (0..p.len()).rev().max_by(|&a, &b| p[a].total_cmp(&p[b])).unwrap_or(0) as u16;
        Arch(self.probabilities().into_iter().map(one).collect())
    }

    /// `p - onehot(selected)` for every choice: the gradient of `-log p(arch)` with respect to the alphas.
    #[must_use]
    pub fn score_gradient(&self, arch: &Arch) -> Vec<Vec<f64>> {
        let mut gradient = self.probabilities();
        for (row, &selected) in gradient.iter_mut().zip(&arch.0) {
            if let Some(p) = row.get_mut(usize::from(selected)) {
                *p -= 1.0;
            }
        }
        gradient
    }
}

fn values(alphas: &Tensor) -> Vec<f64> {
    alphas.iter::<f64>().map(Iterator::collect).unwrap_or_default()
}

fn softmax(row: &[f64]) -> Vec<f64> {
    let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = row.iter().map(|a| (a - largest).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|p| p / sum).collect()
}
