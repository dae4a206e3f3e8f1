//! The steps of a session: gradients and updates of the weights and of the architecture.

use nasprof_graph::Arch;
use nasprof_search::config::Training;
use tch::Tensor;

use crate::batch::{Gradients, MiniBatch, add};
use crate::device::copied;
use crate::error::SearchError;
use crate::loss::{Score, Tally, cross_entropy};
use crate::numerics::Numerics;
use crate::optimizer::{Optimizer, copy_to_all};
use crate::replay::{MixtureGradient, Pass};
use crate::session::Session;
use crate::supernet::{Path, Phase, Supernet};

/// The loss of some images.
#[derive(Debug)]
pub struct Loss {
    /// The mean loss, with its autograd graph.
    pub loss: Tensor,
    /// Loss and errors as numbers, which may not be read from the GPU yet.
    pub tally: Tally,
    /// Positions of the trainable parameters that contributed.
    pub parameters: Vec<usize>,
}

impl Session<'_> {
    /// Adds the gradients of the weights on a batch to `gradients`, and returns the tally. With `precision = "float16"` the
    /// gradients are multiplied by the loss scale, which [`Session::update_weights`] removes. Mini-batches are weighted by
    /// their images, so that the gradient is that of the whole batch.
    ///
    /// # Errors
    /// A loss that is not finite; libtorch's.
    pub fn weight_gradients(
        &self,
        path: Path<'_>,
        batch: &[MiniBatch],
        gradients: &mut Gradients,
    ) -> Result<Tally, SearchError> {
        let total: usize = batch.iter().map(MiniBatch::len).sum();
        let mut tally = Tally::default();
        for mini in batch {
            let one = self.loss(path, mini, Phase::Train)?;
            tally = tally.and(one.tally);
            let share = self.numerics.scaled(&one.loss, mini.len() as f64 / total as f64)?;
            add(gradients, self.net.gradients(&share, &one.parameters)?)?;
        }
        Ok(tally)
    }

    /// One step of the weights along a mixture, recorded and replayed. `None` if CUDA graphs are off or not possible for
    /// this step.
    ///
    /// # Errors
    /// Those of [`Session::weight_gradients`]; a step that cannot be recorded.
    pub(crate) fn replayed_step(
        &mut self,
        weights: &[Tensor],
        batch: &[MiniBatch],
    ) -> Result<Option<Tally>, SearchError> {
        // The warm-up uses another optimizer.
        let Some(replayed) = self.replayed_step.as_mut().filter(|r| !self.warming_up && r.fits(batch, weights)) else {
            return Ok(None);
        };
        let pass = mixture_pass(&self.net, &self.numerics, self.training, Phase::Train);
        replayed.step(&self.net, &mut self.weights, batch, weights, &pass).map(Some)
    }

    /// The gradient of the mean loss of a batch with respect to the weights of the mixture, for each choice, and the tally;
    /// recorded and replayed. `None` if CUDA graphs are off or not possible for this batch.
    ///
    /// # Errors
    /// A loss that is not finite; libtorch's; a gradient that cannot be recorded.
    pub(crate) fn replayed_gradient(
        &mut self,
        weights: &[Tensor],
        batch: &[MiniBatch],
    ) -> Result<Option<MixtureGradient>, SearchError> {
        let rate = self.learning_rate();
        let Some(replayed) = self.replayed_gradient.as_mut().filter(|r| r.fits(batch, weights)) else {
            return Ok(None);
        };
        let pass = mixture_pass(&self.net, &self.numerics, self.training, Phase::Judge);
        replayed.gradient(batch, weights, rate, &pass).map(Some)
    }

    /// As [`Session::weight_gradients`], but also returns the detached outputs for each mini-batch. If `teacher` has such
    /// outputs of another path, the path learns from them instead of the labels.
    ///
    /// # Errors
    /// Those of [`Session::weight_gradients`].
    pub fn taught_gradients(
        &self,
        path: Path<'_>,
        batch: &[MiniBatch],
        teacher: Option<&[Tensor]>,
        gradients: &mut Gradients,
    ) -> Result<(Tally, Vec<Tensor>), SearchError> {
        let total: usize = batch.iter().map(MiniBatch::len).sum();
        let (mut tally, mut outputs) = (Tally::default(), Vec::with_capacity(batch.len()));
        for (i, mini) in batch.iter().enumerate() {
            let _casts = self.numerics.casts();
            let output = self.net.forward(&mini.images, path, Phase::Train)?;
            let logits = &output.values[0];
            let loss = match teacher.and_then(|teacher| teacher.get(i)) {
                Some(teacher) => cross_entropy(logits, &teacher.f_softmax(-1, None)?, 0.0)?,
                None => cross_entropy(logits, &mini.labels, self.training.label_smoothing)?,
            };
            tally = tally.and(Tally::of(&loss, logits, &mini.labels, self.learning_rate())?);
            let share = self.numerics.scaled(&loss, mini.len() as f64 / total as f64)?;
            add(gradients, self.net.gradients(&share, &output.parameters)?)?;
            outputs.push(logits.f_detach()?);
        }
        Ok((tally, outputs))
    }

    /// One step of the weights.
    ///
    /// # Errors
    /// libtorch's.
    pub fn update_weights(&mut self, gradients: Gradients) -> Result<(), SearchError> {
        let optimizer = self.warm_up.as_mut().filter(|_| self.warming_up).unwrap_or(&mut self.weights);
        let learning_rate = optimizer.learning_rate();
        let finite = optimizer.step_scaled(gradients.into_iter().collect(), self.numerics.loss_scale())?;
        self.numerics.learn(finite, learning_rate)
    }

    /// The score of an architecture on a batch with the current weights.
    ///
    /// # Errors
    /// libtorch's.
    pub fn judge(&self, arch: &Arch, batch: &[MiniBatch]) -> Result<Score, SearchError> {
        self.judge_later(arch, batch)?.score()
    }

    /// As [`Session::judge`], but the result is read later, so that a GPU does not pause between architectures.
    ///
    /// # Errors
    /// libtorch's.
    pub fn judge_later(&self, arch: &Arch, batch: &[MiniBatch]) -> Result<Tally, SearchError> {
        self.tally(arch, batch, Phase::Judge)
    }

    /// Calls `f`, and then sets the running statistics of the supernet back to what they were, bit for bit.
    ///
    /// # Errors
    /// Those of `f`; libtorch's.
    pub fn keeping_statistics<T>(&self, f: impl FnOnce() -> Result<T, SearchError>) -> Result<T, SearchError> {
        let statistics: Vec<Tensor> = self.net.parameters().running().map(Tensor::shallow_clone).collect();
        let kept: Vec<Tensor> = statistics.iter().map(copied).collect::<Result<_, _>>()?;
        let result = f();
        copy_to_all(&statistics, &kept)?;
        result
    }

    /// Makes the running statistics of an architecture's layers the mean over these images and the `before` batches before
    /// them, and leaves weights alone. Then [`Phase::Evaluate`] judges it with statistics of its own, as in single path
    /// one-shot (Guo et al., ECCV 2020) and once-for-all (Cai et al., ICLR 2020).
    ///
    /// # Errors
    /// libtorch's.
    pub fn recalibrate(&self, arch: &Arch, images: &MiniBatch, before: u32) -> Result<(), SearchError> {
        let (_guard, _casts) = (tch::no_grad_guard(), self.numerics.casts());
        self.net.forward(&images.images, Path::Selected(arch), Phase::Recalibrate { before })?;
        Ok(())
    }

    /// The tally of an architecture on a batch, without gradients.
    pub(crate) fn tally(&self, arch: &Arch, batch: &[MiniBatch], phase: Phase) -> Result<Tally, SearchError> {
        let _guard = tch::no_grad_guard();
        let mut tally = Tally::default();
        for mini in batch {
            tally = tally.and(self.loss(Path::Selected(arch), mini, phase)?.tally);
        }
        Ok(tally)
    }

    /// The differentiable loss of some images along a path.
    ///
    /// # Errors
    /// A loss that is not finite; libtorch's.
    pub fn loss(&self, path: Path<'_>, mini: &MiniBatch, phase: Phase) -> Result<Loss, SearchError> {
        let _casts = self.numerics.casts();
        let output = self.net.forward(&mini.images, path, phase)?;
        let loss = cross_entropy(&output.values[0], &mini.labels, self.training.label_smoothing)?;
        let tally = Tally::of(&loss, &output.values[0], &mini.labels, self.learning_rate())?;
        Ok(Loss { loss, tally, parameters: output.parameters })
    }

    /// One step of the architecture. `gradient` is with respect to the alphas; the regularizers add their gradients, and
    /// under limits also the pull towards the architecture that will be deployed.
    ///
    /// # Errors
    /// An unknown cost; libtorch's.
    pub fn update_architecture(&mut self, mut gradient: Vec<Vec<f64>>) -> Result<(), SearchError> {
        if !gradient.iter().flatten().all(|g| g.is_finite()) && self.numerics.state().is_some() {
            let learning_rate = self.learning_rate();
            return self.numerics.learn(false, learning_rate);
        }
        let probabilities = self.distribution.probabilities();
        self.regularizers.add_gradient(&probabilities, &mut gradient)?;
        let step = self.architecture.as_ref().map_or(0, Optimizer::steps);
        let of = (&self.plan.space, self.regularizers.rule());
        let limits = self.regularizers.limits(|_| 1.0);
        self.proximal_pull.add_gradient(step, of, &limits, &probabilities, &mut gradient)?;
        self.regularizers.update_multipliers();
        let gradients = gradient.iter().enumerate().map(|(i, row)| Ok((i, Tensor::f_from_slice(row)?)));
        let gradients = gradients.collect::<Result<_, tch::TchError>>()?;
        match &mut self.architecture {
            Some(optimizer) => Ok(optimizer.step(gradients)?),
            None => Err(SearchError::Searcher("this search has no optimizer for the architecture".to_owned())),
        }
    }

    /// Refuses weights that are not finite: the last step of an epoch can produce them after a finite loss.
    pub(crate) fn check_weights(&self) -> Result<(), SearchError> {
        if self.net.is_finite()? {
            return Ok(());
        }
        let learning_rate = self.learning_rate();
        Err(SearchError::Diverged { loss: f64::NAN, learning_rate, epoch: None, checkpoint: None })
    }
}

/// Computes the loss of a mini-batch along a mixture.
fn mixture_pass<'a>(
    net: &'a Supernet,
    numerics: &'a Numerics,
    training: &'a Training,
    phase: Phase,
) -> impl Fn(&MiniBatch, &[Tensor]) -> Result<Pass, SearchError> + 'a {
    move |mini, weights| {
        let _casts = numerics.casts();
        let output = net.forward(&mini.images, Path::Mixed(weights), phase)?;
        let loss = cross_entropy(&output.values[0], &mini.labels, training.label_smoothing)?;
        Ok((loss, output.values[0].shallow_clone(), output.parameters))
    }
}
