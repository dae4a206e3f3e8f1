//! What a search needs of the trainings of its networks.

use nasprof_graph::Arch;

use super::{Fault, Progress};

/// Trains single networks, or knows the results of such trainings.
pub trait Trainings {
    /// Epochs of a full training.
    fn epochs(&self) -> u32;

    /// Whether a training can be judged before its end.
    fn has_curves(&self) -> bool;

    /// A score that needs no training, higher is better; `None` if it is not a number for this network.
    ///
    /// # Errors
    /// An unknown score.
    fn score(&mut self, arch: &Arch, score: &str) -> Result<Option<f64>, Fault>;

    /// Continues the training of each network until it has `epochs` epochs; `None` for a failed training.
    ///
    /// # Errors
    /// A failure that affects all networks.
    fn train(&mut self, archs: &[Arch], epochs: u32) -> Result<Vec<Option<Progress>>, Fault>;

    /// The last epoch of a network that was trained before this search was resumed, finished or failed; 0 if there is none.
    fn begun(&self, _arch: &Arch) -> u32 {
        0
    }

    /// Trains what `work` hands out, one network at a time, or several if the trainings have workers for it.
    ///
    /// # Errors
    /// Those of [`Trainings::train`].
    fn train_as_scheduled(&mut self, work: &mut dyn Work) -> Result<(), Fault> {
        while let Some((arch, epochs)) = work.next() {
            let progress = self.train(std::slice::from_ref(&arch), epochs)?;
            work.ended(&arch, progress.first().copied().flatten());
        }
        Ok(())
    }
}

/// Hands out trainings, and takes their results.
pub trait Work {
    /// A network to train now, and the epochs it shall have then; `None` if there is nothing to do until another one ends.
    fn next(&mut self) -> Option<(Arch, u32)>;

    /// Takes the progress of a network that was handed out; `None` if its training failed.
    fn ended(&mut self, arch: &Arch, progress: Option<Progress>);
}
