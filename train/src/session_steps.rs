//! The steps of a session: gradients and updates of the weights and of the architecture.

use nasprof_graph::Arch;
use tch::Tensor;

use crate::batch::{Gradients, MiniBatch, add};
use crate::error::SearchError;
use crate::loss::{Score, Tally, cross_entropy};
use crate::optimizer::Optimizer;
use crate::replay::Pass;
use crate::session::Session;
use crate::supernet::{Path, Phase};

/// The loss of some images.
#[derive(Debug)]
pub struct Loss {
    /// The mean, with its graph.
    pub loss: Tensor,
    /// The same as a number, and the errors, as soon as they are read.
    pub tally: Tally,
    /// Positions of the trainable parameters that took part.
    pub parameters: Vec<usize>,
}

impl Session<'_> {
    /// Gradients of the weights on a batch, added to what is in `gradients`, and the score. With `precision = "float16"` they are
    /// multiplied by a scale, which [`Session::update_weights`] takes off. The mini-batches of a batch
    /// count by their images, so that the gradient is that of the whole batch.
    ///
    /// # Errors
    /// A loss that is no number; what libtorch refuses.
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

    /// One step of the weights along a mixture, recorded and replayed; `None` where that is not asked for or not possible.
    ///
    /// # Errors
    /// As [`Session::weight_gradients`]; a step that cannot be recorded.
    pub(crate) fn replayed_step(
        &mut self,
        weights: &[Tensor],
        batch: &[MiniBatch],
    ) -> Result<Option<Tally>, SearchError> {
        // While warming up there is another optimizer.
        let Some(replayed) = self.replayed.as_mut().filter(|r| !self.warming_up && r.fits(batch, weights)) else {
            return Ok(None);
        };
        let (net, numerics, smoothing) = (&self.net, &self.numerics, self.training.label_smoothing);
        let pass = |mini: &MiniBatch, weights: &[Tensor]| -> Result<Pass, SearchError> {
            let _casts = numerics.casts();
            let output = net.forward(&mini.images, Path::Mixed(weights), Phase::Train)?;
            let loss = cross_entropy(&output.values[0], &mini.labels, smoothing)?;
            Ok((loss, output.values[0].shallow_clone(), output.parameters))
        };
        replayed.step(net, &mut self.weights, batch, weights, &pass).map(Some)
    }

    /// As [`Session::weight_gradients`], and the outputs for each mini-batch, without their graph. With a `teacher`, which is such
    /// outputs of another path, the path learns from these in place of the labels.
    ///
    /// # Errors
    /// As [`Session::weight_gradients`].
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
    /// What libtorch refuses.
    pub fn update_weights(&mut self, gradients: Gradients) -> Result<(), SearchError> {
        let optimizer = self.warm_up.as_mut().filter(|_| self.warming_up).unwrap_or(&mut self.weights);
        let learning_rate = optimizer.learning_rate();
        let finite = optimizer.step_scaled(gradients.into_iter().collect(), self.numerics.loss_scale())?;
        self.numerics.learn(finite, learning_rate)
    }

    /// How an architecture does on a batch with the weights as they are.
    ///
    /// # Errors
    /// What libtorch refuses.
    pub fn judge(&self, arch: &Arch, batch: &[MiniBatch]) -> Result<Score, SearchError> {
        self.judge_later(arch, batch)?.score()
    }

    /// The same, to be read later: several architectures follow one another on a GPU without a pause.
    ///
    /// # Errors
    /// What libtorch refuses.
    pub fn judge_later(&self, arch: &Arch, batch: &[MiniBatch]) -> Result<Tally, SearchError> {
        let _guard = tch::no_grad_guard();
        let mut tally = Tally::default();
        for mini in batch {
            tally = tally.and(self.loss(Path::Selected(arch), mini, Phase::Judge)?.tally);
        }
        Ok(tally)
    }

    /// Loss of some images along a path, from which gradients can be taken.
    ///
    /// # Errors
    /// A loss that is no number; what libtorch refuses.
    pub fn loss(&self, path: Path<'_>, mini: &MiniBatch, phase: Phase) -> Result<Loss, SearchError> {
        let _casts = self.numerics.casts();
        let output = self.net.forward(&mini.images, path, phase)?;
        let loss = cross_entropy(&output.values[0], &mini.labels, self.training.label_smoothing)?;
        let tally = Tally::of(&loss, &output.values[0], &mini.labels, self.learning_rate())?;
        Ok(Loss { loss, tally, parameters: output.parameters })
    }

    /// One step of the architecture: `gradient` with respect to the alphas, to which the regularizers add theirs, and under
    /// limits the pull to what will be deployed.
    ///
    /// # Errors
    /// A cost that is not known; what libtorch refuses.
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

    /// Refuses weights that are no numbers: the last step of an epoch can leave them behind a loss that was one.
    pub(crate) fn check_weights(&self) -> Result<(), SearchError> {
        if self.net.is_finite()? {
            return Ok(());
        }
        let learning_rate = self.learning_rate();
        Err(SearchError::Diverged { loss: f64::NAN, learning_rate, epoch: None, checkpoint: None })
    }
}
