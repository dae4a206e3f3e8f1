//! DARTS (Liu, Simonyan, Yang 2019): every candidate runs, weighted by the softmax of the alphas.

use nasprof_search::config::DartsOrder;
use tch::{Kind, Tensor};

use super::{ArchStep, Searcher};
use crate::error::SearchError;
use crate::loss::Score;
use crate::session::{Gradients, MiniBatch, Session};
use crate::supernet::{Path, Phase};

/// Length of the step of the second derivative's difference quotient, in units of the gradient's norm (the paper's
/// appendix).
const QUOTIENT_STEP: f64 = 0.01;

/// The searcher.
#[derive(Debug)]
pub struct Darts {
    order: DartsOrder,
    architecture_first: bool,
}

/// Gradients of one loss.
struct Both {
    alphas: Vec<Tensor>,
    weights: Gradients,
    score: Score,
}

impl Darts {
    /// First or second order; the paper updates the architecture before the weights, the reference after.
    #[must_use]
    pub fn new(order: DartsOrder, architecture_first: bool) -> Self {
        Self { order, architecture_first }
    }

    /// `d L_valid(w - rate * d L_train(w, alpha) / dw, alpha) / d alpha`, whose second derivative is a difference quotient
    /// in the direction of the validation gradient. The weights are put back bit for bit.
    fn unrolled(session: &Session<'_>, train: &[MiniBatch], valid: &[MiniBatch]) -> Result<Both, SearchError> {
        let rate = session.learning_rate();
        let step = gradients(session, train, true)?.weights;
        let kept: Vec<(usize, Tensor)> = step.keys().map(|&i| (i, weight(session, i).copy())).collect();
        let moved = |direction: &Gradients, by: f64| -> Result<(), SearchError> {
            let _guard = tch::no_grad_guard();
            for (&i, gradient) in direction {
                let _ = weight(session, i).f_add_(&gradient.f_mul_scalar(by)?)?;
            }
            Ok(())
        };
        let put_back = || -> Result<(), SearchError> {
            let _guard = tch::no_grad_guard();
            kept.iter().try_for_each(|(i, value)| Ok(weight(session, *i).f_copy_(value)?))
        };
        moved(&step, -rate)?;
        let mut result = gradients(session, valid, true);
        put_back()?;
        if let Ok(unrolled) = &mut result {
            let squares = unrolled.weights.values().map(|g| g.square().sum(Kind::Double).double_value(&[]));
            let norm = squares.sum::<f64>().sqrt();
            if norm > 0.0 {
                let by = QUOTIENT_STEP / norm;
                let at = |by: f64| -> Result<Vec<Tensor>, SearchError> {
                    moved(&unrolled.weights, by)?;
                    let found = gradients(session, train, false);
                    put_back()?;
                    Ok(found?.alphas)
                };
                let (plus, minus) = (at(by)?, at(-by)?);
                for ((alpha, plus), minus) in unrolled.alphas.iter_mut().zip(plus).zip(minus) {
                    *alpha = &*alpha - (plus - minus) * (rate / (2.0 * by));
                }
            }
        }
        result
    }
}

fn weight(session: &Session<'_>, index: usize) -> Tensor {
    session.net().parameters().all()[index].tensor.shallow_clone()
}

/// Gradients of the mean loss of a batch with respect to the alphas, and the weights if asked for.
fn gradients(session: &Session<'_>, batch: &[MiniBatch], of_weights: bool) -> Result<Both, SearchError> {
    let alphas = session.distribution().alphas();
    let mut sums: Vec<Tensor> = alphas.iter().map(|a| a.f_zeros_like()).collect::<Result<_, _>>()?;
    sums = sums.into_iter().map(|s| s.set_requires_grad(false)).collect();
    let mut weights = Gradients::new();
    let mut score = Score::default();
    for mini in batch {
        let probabilities = session.distribution().tensors(session.net().device())?;
        let share = mini.len() as f64 / batch.iter().map(MiniBatch::len).sum::<usize>() as f64;
        let one = session.loss(Path::Mixed(&probabilities), mini, Phase::Judge)?;
        score = score.and(one.score);
        let mut inputs: Vec<Tensor> = alphas.iter().map(Tensor::shallow_clone).collect();
        if of_weights {
            inputs.extend(one.parameters.iter().map(|&i| weight(session, i)));
        }
        let mut found = Tensor::f_run_backward(&[one.loss.f_mul_scalar(share)?], &inputs, false, false)?.into_iter();
        for (sum, gradient) in sums.iter_mut().zip(found.by_ref().take(alphas.len())) {
            if gradient.defined() {
                let _ = sum.f_add_(&gradient)?;
            }
        }
        for (&i, gradient) in one.parameters.iter().zip(found).filter(|(_, g)| g.defined()) {
            match weights.get_mut(&i) {
                Some(sum) => drop(sum.f_add_(&gradient)?),
                None => drop(weights.insert(i, gradient)),
            }
        }
    }
    Ok(Both { alphas: sums, weights, score })
}

impl Searcher for Darts {
    fn train_step(&mut self, session: &mut Session<'_>, batch: &[MiniBatch]) -> Result<Score, SearchError> {
        let probabilities = session.distribution().tensors(session.net().device())?;
        // The alphas get no gradient here, so none is computed.
        let probabilities: Vec<Tensor> = probabilities.iter().map(Tensor::detach).collect();
        let mut gradients = Gradients::new();
        let score = session.weight_gradients(Path::Mixed(&probabilities), batch, &mut gradients)?;
        session.update_weights(gradients)?;
        Ok(score)
    }

    fn arch_step(
        &mut self,
        session: &mut Session<'_>,
        train: &[MiniBatch],
        valid: &[MiniBatch],
    ) -> Result<ArchStep, SearchError> {
        let found = match self.order {
            DartsOrder::First => gradients(session, valid, false)?,
            DartsOrder::Second => Self::unrolled(session, train, valid)?,
        };
        let rows = found.alphas.iter().map(|g| Ok(g.iter::<f64>()?.collect()));
        session.update_architecture(rows.collect::<Result<_, tch::TchError>>()?)?;
        Ok(ArchStep { score: found.score, curves: Vec::new() })
    }

    fn architecture_first(&self) -> bool {
        self.architecture_first
    }
}
