//! Kernel transforms: small matrices that turn the middle of a large kernel into a smaller kernel (Cai et al. 2020).
//!
//! They are parameters of a space, not of a network: an extracted sub-network contains its transformed kernels, so
//! transforms have no layer and no latency.

/// The matrix between two kernel sizes of one depthwise convolution; its channels share it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelTransform {
    /// Path of the convolution's parameters.
    pub convolution: String,
    /// The larger kernel.
    pub from: usize,
    /// The smaller kernel.
    pub to: usize,
}

impl KernelTransform {
    /// The transforms of a convolution with these kernels, from each kernel to the next smaller one.
    pub(super) fn chain(convolution: &str, kernels: &[usize]) -> Vec<Self> {
        let mut sorted = kernels.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let pair = |pair: &[usize]| Self { convolution: convolution.to_owned(), from: pair[1], to: pair[0] };
        sorted.windows(2).rev().map(pair).collect()
    }

    /// Path of the matrix, such as `…/7to5_matrix`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}/{}to{}_matrix", self.convolution, self.from, self.to)
    }

    /// Number of rows and of columns of the matrix, which starts as the identity.
    #[must_use]
    pub fn size(&self) -> usize {
        self.to * self.to
    }

    /// Trainable parameters.
    #[must_use]
    pub fn params(&self) -> u64 {
        (self.size() * self.size()) as u64
    }

    /// The smaller kernel of one channel: the middle of the larger, row by row, times the matrix (row-major).
    ///
    /// # Panics
    /// If `kernel` does not have `from²` elements or `matrix` not `size()²`.
    #[must_use]
    pub fn apply(&self, kernel: &[f32], matrix: &[f32]) -> Vec<f32> {
        assert_eq!((kernel.len(), matrix.len()), (self.from * self.from, self.size() * self.size()));
        let margin = (self.from - self.to) / 2;
        let middle = |i: usize| kernel[(i / self.to + margin) * self.from + i % self.to + margin];
        let column = |c: usize| (0..self.size()).map(|r| middle(r) * matrix[r * self.size() + c]).sum();
        (0..self.size()).map(column).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identity_takes_the_middle_and_a_matrix_mixes_it() {
        let transform = KernelTransform { convolution: "c".to_owned(), from: 5, to: 3 };
        let kernel: Vec<f32> = (0..25).map(|i| i as f32).collect();
        let mut matrix = vec![0.0; 81];
        (0..9).for_each(|i| matrix[i * 9 + i] = 1.0);
        let middle = [6.0, 7.0, 8.0, 11.0, 12.0, 13.0, 16.0, 17.0, 18.0];
        assert_eq!(transform.apply(&kernel, &matrix), middle);
        // The first result also adds twice the last element.
        matrix[8 * 9] = 2.0;
        assert_eq!(transform.apply(&kernel, &matrix)[0], 6.0 + 2.0 * 18.0);
        assert_eq!(transform.path(), "c/5to3_matrix");
    }

    #[test]
    fn transforms_are_chained_from_the_largest_kernel() {
        let sizes = |kernels: &[usize]| -> Vec<(usize, usize)> {
            KernelTransform::chain("c", kernels).iter().map(|t| (t.from, t.to)).collect()
        };
        assert_eq!(sizes(&[3, 7, 5, 7]), [(7, 5), (5, 3)]);
        assert_eq!(sizes(&[7, 3]), [(7, 3)]);
        assert_eq!(sizes(&[3]), []);
    }
}
