//! DARTS (Liu, Simonyan, Yang 2019): every candidate runs, weighted by the softmax of the alphas.

use nasprof_graph::Choice;
use nasprof_search::config::{DartsOrder, LASTING_EPOCHS};
use nasprof_search::selection::discretize;
use rand::Rng;
use serde_json::{Value, json};
use tch::{Kind, Tensor};

use super::{ArchStep, Searcher};
use crate::batch::{Gradients, MiniBatch, add, add_defined};
use crate::device::{copied, rows};
use crate::error::SearchError;
use crate::loss::Tally;
use crate::optimizer::{add_to_all, copy_to_all};
use crate::session::Session;
use crate::supernet::{Path, Phase};

/// Norm of the weight step in the difference quotient for the second derivative (the paper's appendix).
const QUOTIENT_STEP: f64 = 0.01;
/// The candidate that returns its input.
const SKIP: &str = "skip_connect";
/// Cells that halve the image: their skip connections from the cells before are convolutions.
const REDUCTION_CELL: &str = "reduce";

/// The searcher.
#[derive(Debug)]
pub struct Darts {
    order: DartsOrder,
    architecture_first: bool,
    stop_at_skips: Option<u32>,
    operation_dropout: f64,
    /// Epochs in a row at whose ends a cell had `stop_at_skips` skip connections.
    lasted: u32,
    /// Whether the architecture is no longer updated.
    stopped: bool,
}

/// Gradients of one loss.
struct Both {
    alphas: Vec<Vec<f64>>,
    weights: Gradients,
    tally: Tally,
}

impl Darts {
    /// A searcher of first or second order. The paper updates the architecture before the weights, the reference afterwards.
    #[must_use]
    pub fn new(order: DartsOrder, architecture_first: bool) -> Self {
        Self { order, architecture_first, stop_at_skips: None, operation_dropout: 0.0, lasted: 0, stopped: false }
    }

    /// Stops updating the architecture once a normal cell has had `skips` skip connections at the ends of
    /// [`LASTING_EPOCHS`] in a row (Liang et al. 2019, "DARTS+", arXiv 1909.06035).
    #[must_use]
    pub fn with_stop(self, skips: u32) -> Self {
        Self { stop_at_skips: Some(skips), ..self }
    }

    /// Drops skip connections in steps of the weights with this probability (Chen et al. 2019, "Progressive DARTS").
    #[must_use]
    pub fn with_operation_dropout(self, probability: f64) -> Self {
        Self { operation_dropout: probability, ..self }
    }

    /// The candidates' weights in one step of the weights: some skip connections are dropped, and the others are scaled up
    /// to keep the mean.
    fn dropped_out(&self, session: &mut Session<'_>, probabilities: Vec<Tensor>) -> Result<Vec<Tensor>, SearchError> {
        if self.operation_dropout == 0.0 {
            return Ok(probabilities);
        }
        let mut rng = session.random();
        let kept = 1.0 - self.operation_dropout;
        let masked = session.space().choices.iter().zip(&probabilities).map(|(choice, probabilities)| {
            let mut factor = |name: &String| match name.as_str() {
                SKIP => {
                    if rng.random_bool(kept) {
                        1.0 / kept
                    } else {
                        0.0
                    }
                }
                _ => 1.0,
            };
            let mask: Vec<f32> = choice.candidates.iter().map(|name| factor(name) as f32).collect();
            Ok(probabilities.f_mul(&Tensor::f_from_slice(&mask)?.f_to_device(probabilities.device())?)?)
        });
        masked.collect()
    }

    /// The maximum number of skip connections in a normal cell of the current discretised architecture.
    fn skips(session: &Session<'_>) -> u32 {
        let arch = discretize(session.regularizers().rule(), &session.distribution().probabilities());
        let mut cells = std::collections::BTreeMap::<&str, u32>::new();
        let is_skip = |&(choice, &selected): &(&Choice, &u16)| choice.candidates[usize::from(selected)] == SKIP;
        for (choice, _) in session.space().choices.iter().zip(&arch.0).filter(is_skip) {
            *cells.entry(choice.name.rsplit_once('/').map_or("", |(cell, _)| cell)).or_default() += 1;
        }
        cells.remove(REDUCTION_CELL);
        cells.into_values().max().unwrap_or(0)
    }

    /// `d L_valid(w - rate * d L_train(w, alpha) / dw, alpha) / d alpha`. A difference quotient in the direction of the
    /// validation gradient gives the second derivative. The weights are restored bit for bit.
    fn unrolled(session: &Session<'_>, train: &[MiniBatch], valid: &[MiniBatch]) -> Result<Both, SearchError> {
        let rate = session.learning_rate();
        let step = gradients(session, train, true)?.weights;
        let touched: Vec<Tensor> = step.keys().map(|&i| weight(session, i)).collect();
        let kept: Vec<Tensor> = touched.iter().map(copied).collect::<Result<_, _>>()?;
        let moved = |direction: &Gradients, by: f64| -> Result<(), SearchError> {
            let (weights, gradients): (Vec<_>, Vec<_>) =
                direction.iter().map(|(&i, gradient)| (weight(session, i), gradient.shallow_clone())).unzip();
            Ok(add_to_all(&weights, &gradients, by)?)
        };
        let put_back = || -> Result<(), SearchError> { Ok(copy_to_all(&touched, &kept)?) };
        // The loss scale for 16-bit floats also scales the gradients.
        let scale = session.numerics().scale();
        moved(&step, -rate / scale)?;
        let mut result = gradients(session, valid, true);
        put_back()?;
        if let Ok(unrolled) = &mut result {
            let squares = unrolled.weights.values().map(|g| g.f_square()?.f_sum(Kind::Double)?.f_view([1]));
            let squares = squares.collect::<Result<Vec<_>, tch::TchError>>()?;
            let norm = rows(&squares)?.concat().iter().sum::<f64>().sqrt();
            if norm > 0.0 {
                let by = QUOTIENT_STEP / norm;
                let at = |by: f64| -> Result<Vec<Vec<f64>>, SearchError> {
                    moved(&unrolled.weights, by)?;
                    let found = gradients(session, train, false);
                    put_back()?;
                    Ok(found?.alphas)
                };
                let (plus, minus) = (at(by)?.concat(), at(-by)?.concat());
                let alphas = unrolled.alphas.iter_mut().flatten();
                for ((alpha, plus), minus) in alphas.zip(plus).zip(minus) {
                    *alpha -= (plus - minus) * (rate / (2.0 * by * scale));
                }
            }
        }
        result
    }
}

fn weight(session: &Session<'_>, index: usize) -> Tensor {
    session.net().parameters().all()[index].tensor.shallow_clone()
}

/// Gradients of the mean loss of a batch with respect to the alphas, and with `of_weights` also to the weights. The
/// gradients of the alphas are read from the GPU once, after all mini-batches.
fn gradients(session: &Session<'_>, batch: &[MiniBatch], of_weights: bool) -> Result<Both, SearchError> {
    let probabilities = session.distribution().leaves(session.net().device())?;
    let sums: Vec<Tensor> = probabilities.iter().map(|p| p.f_detach()?.f_zeros_like()).collect::<Result<_, _>>()?;
    let mut weights = Gradients::new();
    let mut tally = Tally::default();
    let total = batch.iter().map(MiniBatch::len).sum::<usize>() as f64;
    for mini in batch {
        let one = session.loss(Path::Mixed(&probabilities), mini, Phase::Judge)?;
        tally = tally.and(one.tally);
        let mut inputs: Vec<Tensor> = probabilities.iter().map(Tensor::shallow_clone).collect();
        if of_weights {
            inputs.extend(one.parameters.iter().map(|&i| weight(session, i)));
        }
        let share = session.numerics().scaled(&one.loss, mini.len() as f64 / total)?;
        let mut found = Tensor::f_run_backward(&[share], &inputs, false, false)?.into_iter();
        // A choice that no node reads has no gradient.
        add_defined(&sums, found.by_ref().take(sums.len()))?;
        let of_parameters = one.parameters.iter().copied().zip(found).filter(|(_, g)| g.defined());
        add(&mut weights, of_parameters.collect())?;
    }
    let mut alphas = session.distribution().at_alphas(&rows(&sums)?);
    alphas.iter_mut().flatten().for_each(|g| *g /= session.numerics().scale());
    Ok(Both { alphas, weights, tally })
}

/// The same for the alphas only, recorded and replayed; `None` if that is off or not possible for this batch.
fn replayed(session: &mut Session<'_>, batch: &[MiniBatch]) -> Result<Option<Both>, SearchError> {
    let probabilities = session.distribution().leaves(session.net().device())?;
    let Some((gradient, tally)) = session.replayed_gradient(&probabilities, batch)? else { return Ok(None) };
    let alphas = session.distribution().at_alphas(&gradient);
    Ok(Some(Both { alphas, weights: Gradients::new(), tally }))
}

impl Searcher for Darts {
    fn train_step(&mut self, session: &mut Session<'_>, batch: &[MiniBatch]) -> Result<Tally, SearchError> {
        let probabilities = session.distribution().leaves(session.net().device())?;
        // The alphas need no gradient here.
        let probabilities: Vec<Tensor> = probabilities.iter().map(Tensor::detach).collect();
        let probabilities = self.dropped_out(session, probabilities)?;
        if let Some(tally) = session.replayed_step(&probabilities, batch)? {
            return Ok(tally);
        }
        let mut gradients = Gradients::new();
        let tally = session.weight_gradients(Path::Mixed(&probabilities), batch, &mut gradients)?;
        session.update_weights(gradients)?;
        Ok(tally)
    }

    fn arch_step(
        &mut self,
        session: &mut Session<'_>,
        train: &[MiniBatch],
        valid: &[MiniBatch],
    ) -> Result<ArchStep, SearchError> {
        if self.stopped {
            return Ok(ArchStep::default());
        }
        let found = match self.order {
            DartsOrder::First => match replayed(session, valid)? {
                Some(found) => found,
                None => gradients(session, valid, false)?,
            },
            DartsOrder::Second => Self::unrolled(session, train, valid)?,
        };
        session.update_architecture(found.alphas)?;
        let skips = self.stop_at_skips.map(|_| ("skip_connections".to_owned(), f64::from(Self::skips(session))));
        Ok(ArchStep { tally: found.tally, curves: skips.into_iter().collect() })
    }

    fn on_epoch_end(&mut self, session: &mut Session<'_>) -> Result<(), SearchError> {
        if let Some(most) = self.stop_at_skips {
            self.lasted = if Self::skips(session) >= most { self.lasted + 1 } else { 0 };
            self.stopped |= self.lasted >= LASTING_EPOCHS;
        }
        Ok(())
    }

    fn state(&self) -> Value {
        json!({ "stopped": self.stopped, "lasted": self.lasted })
    }

    /// Checkpoints of earlier versions have no state, or not all of it.
    fn restore(&mut self, state: &Value) -> Result<(), String> {
        self.stopped = state["stopped"].as_bool().unwrap_or(false);
        self.lasted = state["lasted"].as_u64().and_then(|epochs| u32::try_from(epochs).ok()).unwrap_or(0);
        Ok(())
    }

    fn architecture_first(&self) -> bool {
        self.architecture_first
    }
}
