//! Loss and error of a classifier, as NNabla-NAS computes them.

use tch::{Kind, Reduction, TchError, Tensor};

/// How a network did on some images.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Score {
    /// Mean loss.
    pub loss: f64,
    /// Share of images whose class is not the one with the largest logit; a tie is an error.
    pub error: f64,
    /// Images.
    pub images: usize,
}

impl Score {
    /// Both together, each image counted once.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let images = self.images + other.images;
        let mean = |a: f64, b: f64| {
            if images == 0 { 0.0 } else { (a * self.images as f64 + b * other.images as f64) / images as f64 }
        };
        Self { loss: mean(self.loss, other.loss), error: mean(self.error, other.error), images }
    }
}

/// `(1 - e) * cross entropy - e * mean log probability`, the mean over the batch.
///
/// # Errors
/// If the labels are not classes of the logits.
pub fn cross_entropy(logits: &Tensor, labels: &Tensor, smoothing: f64) -> Result<Tensor, TchError> {
    logits.f_cross_entropy_loss(labels, None::<&Tensor>, Reduction::Mean, -100, smoothing)
}

/// Share of errors.
///
/// # Errors
/// If the labels are not classes of the logits.
pub fn error_rate(logits: &Tensor, labels: &Tensor) -> Result<f64, TchError> {
    let own = logits.f_gather(1, &labels.f_unsqueeze(1)?, false)?;
    // Only the class's own logit is as large as itself.
    let rivals = logits.f_ge_tensor(&own)?.f_sum_dim_intlist(1, false, Kind::Int64)?;
    rivals.f_ne(1)?.f_to_kind(Kind::Double)?.f_mean(Kind::Double)?.f_double_value(&[])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Measured on the reference: logits (1, 2, 3), label 2.
    #[test]
    fn losses_of_the_reference() {
        let (logits, label) = (Tensor::from_slice(&[1.0, 2.0, 3.0]).view([1, 3]), Tensor::from_slice(&[2_i64]));
        let loss = |smoothing| cross_entropy(&logits, &label, smoothing).unwrap().double_value(&[]);
        assert!((loss(0.1) - 0.507_605_9).abs() < 1e-6);
        assert!((loss(0.0) - 0.407_606_0).abs() < 1e-6);
    }

    #[test]
    fn a_tie_is_an_error() {
        let labels = Tensor::from_slice(&[0_i64, 1, 1, 2]);
        let rows = [1.0, 1.0, 1.0, 0.0, 2.0, 1.0, 3.0, 2.0, 1.0, 0.0, 1.0, 2.0];
        let logits = Tensor::from_slice(&rows).view([4, 3]);
        assert!((error_rate(&logits, &labels).unwrap() - 0.5).abs() < 1e-12);
        assert!(error_rate(&logits, &Tensor::from_slice(&[0_i64, 1, 1, 3])).is_err());
    }

    #[test]
    fn scores_add_up_by_images() {
        let a = Score { loss: 1.0, error: 0.5, images: 30 };
        let b = Score { loss: 2.0, error: 1.0, images: 10 };
        assert_eq!(a.and(b), Score { loss: 1.25, error: 0.625, images: 40 });
        assert_eq!(Score::default().and(Score::default()), Score::default());
    }
}
