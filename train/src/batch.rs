//! Batches of images on a device, and the gradients of their losses.

use std::collections::BTreeMap;

use nasprof_search::data::Batch;
use tch::{Device, TchError, Tensor};

use crate::device::upload;
use crate::error::SearchError;
use crate::optimizer::add_to_all;

/// Images for one forward pass, on the network's device.
#[derive(Debug)]
pub struct MiniBatch {
    /// `(N, C, H, W)`.
    pub images: Tensor,
    /// `(N)`, classes.
    pub labels: Tensor,
}

impl MiniBatch {
    /// Converts a loader's batch to tensors.
    ///
    /// # Errors
    /// libtorch's, if memory is insufficient.
    pub fn new(batch: &Batch, device: Device) -> Result<Self, SearchError> {
        let dims = [batch.labels.len(), batch.size.channels, batch.size.height, batch.size.width].map(|d| d as i64);
        let images = upload(&Tensor::f_from_slice(&batch.images)?.f_view(dims)?, device)?;
        Ok(Self { images, labels: upload(&Tensor::f_from_slice(&batch.labels)?, device)? })
    }

    /// Number of images.
    #[expect(clippy::len_without_is_empty, reason = "a loader makes no empty batch")]
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.numel()
    }
}

/// Gradients by the position of their parameter.
pub type Gradients = BTreeMap<usize, Tensor>;

/// Adds a gradient to each sum; an undefined one belongs to a tensor that did not contribute.
pub(crate) fn add_defined(sums: &[Tensor], found: impl IntoIterator<Item = Tensor>) -> Result<(), TchError> {
    let defined = sums.iter().zip(found).filter(|(_, gradient)| gradient.defined());
    let (read, more): (Vec<_>, Vec<_>) = defined.map(|(sum, gradient)| (sum.shallow_clone(), gradient)).unzip();
    add_to_all(&read, &more, 1.0)
}

/// Adds gradients to existing ones.
pub(crate) fn add(gradients: &mut Gradients, more: Vec<(usize, Tensor)>) -> Result<(), SearchError> {
    let (mut sums, mut others) = (Vec::new(), Vec::new());
    for (i, gradient) in more {
        match gradients.get(&i) {
            Some(sum) => {
                sums.push(sum.shallow_clone());
                others.push(gradient);
            }
            None => drop(gradients.insert(i, gradient)),
        }
    }
    Ok(add_to_all(&sums, &others, 1.0)?)
}
