//! Table `[training]`: epochs, batches, loss.

use serde::{Deserialize, Serialize};

use super::compute::{Compute, Layout, Precision};

/// Upper limit that catches typing errors.
const MOST_EPOCHS: u32 = 1_000_000;

/// Epochs, batches, loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Passes over the training images after the warm-up. A run has `warm_up_epochs + epochs` in total.
    pub epochs: u32,
    /// Passes of the warm-up, in which a search trains only the weights and does not update the architecture.
    #[serde(default)]
    pub warm_up_epochs: u32,
    /// Images of one update of the weights.
    pub batch_size: usize,
    /// Images of one forward pass; a batch accumulates the gradients of several. Default: the whole batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mini_batch: Option<usize>,
    /// Images of one update of the architecture, or of one step of an evaluation. Default: `batch_size`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_batch_size: Option<usize>,
    /// Images of one forward pass of an evaluation. Default: the whole batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_mini_batch: Option<usize>,
    /// `(1 - e) * cross entropy - e * mean log probability`.
    #[serde(default)]
    pub label_smoothing: f64,
    /// Weight of the auxiliary classifier's loss. The network has an auxiliary classifier only if it is above 0. DARTS cells
    /// only.
    #[serde(default)]
    pub auxiliary_weight: f64,
    /// Probability that an edge of a cell is dropped for an image. DARTS cells only.
    #[serde(default)]
    pub drop_path: f64,
    /// Where tensors are computed.
    #[serde(default)]
    pub compute: Compute,
    /// Precision of forward and backward passes.
    #[serde(default, skip_serializing_if = "is_default")]
    pub precision: Precision,
    /// Memory layout of images and convolution kernels.
    #[serde(default, skip_serializing_if = "is_default")]
    pub layout: Layout,
    /// Whether to record and replay identical steps (CUDA graphs): the steps of a training, and those of the weights in
    /// DARTS.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cuda_graphs: bool,
    /// Whether a GPU uses only algorithms that give the same bits each time, at some cost in time. A CPU always does.
    #[serde(default, skip_serializing_if = "is_default")]
    pub deterministic: bool,
    /// Processes that train networks at the same time, in searches that train networks one by one. They share the GPUs. The
    /// result does not depend on their number, except with asynchronous halving.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub processes: u32,
    /// CPU threads of each process. Default: all cores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<usize>,
}

fn one() -> u32 {
    1
}

fn is_one(count: &u32) -> bool {
    *count == 1
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The split of a number of images into updates and forward passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batches {
    /// Images of a forward pass.
    pub mini_batch: usize,
    /// Forward passes of an update.
    pub accumulate: usize,
    /// Updates of an epoch. An epoch leaves out the images that do not fill a batch.
    pub steps: usize,
}

impl Training {
    /// Epochs of a run, including the warm-up.
    #[must_use]
    pub fn all_epochs(&self) -> u32 {
        self.warm_up_epochs.saturating_add(self.epochs)
    }

    /// The batches for updates of the weights on this many images.
    ///
    /// # Errors
    /// The key at fault and what is wrong with it.
    pub fn batches(&self, images: usize) -> Result<Batches, (&'static str, String)> {
        let keys = ["batch_size", "mini_batch"];
        arithmetic(keys, self.batch_size, self.mini_batch.unwrap_or(self.batch_size), images)
    }

    /// Images of an update of the architecture.
    pub(super) fn valid_batch(&self) -> usize {
        self.valid_batch_size.unwrap_or(self.batch_size)
    }

    /// The batches for updates of the architecture on this many images.
    ///
    /// # Errors
    /// As [`Training::batches`].
    pub fn valid_batches(&self, images: usize) -> Result<Batches, (&'static str, String)> {
        let batch = self.valid_batch();
        // Without a batch size of its own, it also inherits the training's mini-batch.
        let inherited = self.mini_batch.filter(|_| self.valid_batch_size.is_none());
        let mini = self.valid_mini_batch.or(inherited).unwrap_or(batch);
        arithmetic(["valid_batch_size", "valid_mini_batch"], batch, mini, images)
    }

    /// What is wrong with it, with the key at fault.
    pub(super) fn problem(&self) -> Option<(&'static str, String)> {
        let unit = |value: f64| (0.0..1.0).contains(&value);
        if self.epochs == 0 {
            let of = if self.warm_up_epochs > 0 { "; epochs of the warm-up do not count" } else { "" };
            return Some(("epochs", format!("must be at least 1{of}")));
        }
        let all = u64::from(self.warm_up_epochs) + u64::from(self.epochs);
        if all > u64::from(MOST_EPOCHS) {
            let problem = format!(
                "{} plus {} of warm-up are {all} epochs (limit {MOST_EPOCHS})",
                self.epochs, self.warm_up_epochs
            );
            return Some(("epochs", problem));
        }
        for (key, value) in [("label_smoothing", self.label_smoothing), ("drop_path", self.drop_path)] {
            if !unit(value) {
                return Some((key, format!("{value} is not in [0, 1)")));
            }
        }
        if !(self.auxiliary_weight >= 0.0 && self.auxiliary_weight.is_finite()) {
            return Some((
                "auxiliary_weight",
                format!("must be a number of at least 0, not {}", self.auxiliary_weight),
            ));
        }
        if self.compute == Compute::Cpu && self.precision == Precision::Tf32 {
            return Some(("precision", "`tf32` needs a GPU; use `float32` on the CPU".to_owned()));
        }
        if self.cuda_graphs && self.compute == Compute::Cpu {
            return Some(("cuda_graphs", "needs a GPU".to_owned()));
        }
        if self.cuda_graphs && self.precision == Precision::Float16 {
            let problem = "CUDA graphs cannot record the overflow check of `float16`; use `bfloat16`";
            return Some(("cuda_graphs", problem.to_owned()));
        }
        if self.threads.is_some_and(|n| !(1..=1024).contains(&n)) {
            return Some(("threads", "is not in 1 to 1024".to_owned()));
        }
        None
    }
}

/// Batches and mini-batches as in NNabla-NAS' `Runner`: a batch is a whole number of mini-batches.
fn arithmetic(
    [batch_key, mini_key]: [&'static str; 2],
    batch: usize,
    mini_batch: usize,
    images: usize,
) -> Result<Batches, (&'static str, String)> {
    for (key, value) in [(batch_key, batch), (mini_key, mini_batch)] {
        if value == 0 {
            return Err((key, "must be at least 1".to_owned()));
        }
    }
    if !batch.is_multiple_of(mini_batch) {
        return Err((mini_key, format!("{mini_batch} does not divide `{batch_key}` ({batch})")));
    }
    if images < batch {
        return Err((batch_key, format!("{batch} is more than the {images} images")));
    }
    Ok(Batches { mini_batch, accumulate: batch / mini_batch, steps: images / batch })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn training(batch_size: usize, mini_batch: Option<usize>) -> Training {
        Training {
            epochs: 1,
            warm_up_epochs: 0,
            batch_size,
            mini_batch,
            valid_batch_size: None,
            valid_mini_batch: None,
            label_smoothing: 0.0,
            auxiliary_weight: 0.0,
            drop_path: 0.0,
            compute: Compute::Cpu,
            precision: Precision::Float32,
            layout: Layout::ChannelsFirst,
            cuda_graphs: false,
            deterministic: false,
            processes: 1,
            threads: None,
        }
    }

    #[test]
    fn the_references_batch_arithmetic() {
        // darts/cifar10_search: half of 50,000 images, batch 256 in forward passes of 16.
        let expected = Batches { mini_batch: 16, accumulate: 16, steps: 97 };
        assert_eq!(training(256, Some(16)).batches(25_000), Ok(expected));
        assert_eq!(training(256, Some(16)).valid_batches(25_000), Ok(expected));
        let own = Training { valid_batch_size: Some(400), valid_mini_batch: Some(50), ..training(384, Some(48)) };
        assert_eq!(own.valid_batches(10_000), Ok(Batches { mini_batch: 50, accumulate: 8, steps: 25 }));
        let whole = Training { valid_batch_size: Some(400), ..training(384, Some(48)) };
        assert_eq!(whole.valid_batches(10_000).map(|b| b.mini_batch), Ok(400));
    }

    #[test]
    fn a_place_to_compute_is_what_it_says() {
        for (text, compute) in [("auto", Compute::Auto), ("cpu", Compute::Cpu), ("cuda:12", Compute::Cuda(12))] {
            assert_eq!(Compute::try_from(text.to_owned()), Ok(compute));
            assert_eq!(compute.to_string(), text);
        }
        // Two names of the first GPU are one place.
        assert_eq!(Compute::try_from("cuda:0".to_owned()), Compute::try_from("cuda".to_owned()));
        for bad in ["", "cuda:", "cuda:-1", "cuda:+1", "cuda: 1", "cuda1", "gpu", "CUDA", "cuda:99999999999"] {
            assert!(Compute::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_precision_of_gpus_is_refused_where_the_cpu_is_asked_for() {
        let on = |compute| Training { compute, precision: Precision::Tf32, ..training(10, None) }.problem();
        assert_eq!(on(Compute::Cpu).map(|(key, _)| key), Some("precision"));
        assert_eq!((on(Compute::Auto), on(Compute::Cuda(0))), (None, None));
        let graphs = |compute, precision| {
            Training { compute, precision, cuda_graphs: true, ..training(10, None) }.problem().map(|(key, _)| key)
        };
        assert_eq!(graphs(Compute::Cpu, Precision::Float32), Some("cuda_graphs"));
        assert_eq!(graphs(Compute::Auto, Precision::Float16), Some("cuda_graphs"));
        assert_eq!(graphs(Compute::Auto, Precision::Bfloat16), None);
    }

    #[test]
    fn bad_arithmetic_names_its_key() {
        let key = |t: Training, images| t.batches(images).map_err(|(key, _)| key);
        assert_eq!(key(training(256, Some(48)), 1000), Err("mini_batch"));
        assert_eq!(key(training(256, Some(0)), 1000), Err("mini_batch"));
        assert_eq!(key(training(0, None), 1000), Err("batch_size"));
        assert_eq!(key(training(256, None), 255), Err("batch_size"));
        assert!(training(256, None).batches(256).is_ok());
    }
}
