//! Loss and error of a classifier, as NNabla-NAS computes them.

use tch::{Device, Kind, Reduction, TchError, Tensor};

use crate::error::SearchError;

/// The score of a network on some images.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Score {
    /// Mean loss.
    pub loss: f64,
    /// Number of images whose label does not have the largest logit; a tie is an error.
    pub wrong: usize,
    /// Number of images.
    pub images: usize,
}

impl Score {
    /// Combines both, weighted by their images.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let images = self.images + other.images;
        let sum = self.loss * self.images as f64 + other.loss * other.images as f64;
        Self { loss: if images == 0 { 0.0 } else { sum / images as f64 }, wrong: self.wrong + other.wrong, images }
    }

    /// Share of wrong images; 0 without images. Divided once, so that networks with equally many wrong images are equal,
    /// whatever their batches were.
    #[must_use]
    pub fn error(&self) -> f64 {
        self.wrong as f64 / self.images.max(1) as f64
    }

    /// Share of right images; 0 without images.
    #[must_use]
    pub fn accuracy(&self) -> f64 {
        (self.images - self.wrong) as f64 / self.images.max(1) as f64
    }
}

/// Maximum number of unread batches. With more of them a non-finite loss would be noticed late.
const MOST_UNREAD: usize = 64;

/// Scores of networks on some images, partly not yet read from the GPU. Reading a number makes the CPU wait for the GPU, so
/// results stay on the GPU and are read together.
#[derive(Debug, Default)]
pub struct Tally {
    read: Score,
    unread: Vec<Unread>,
}

#[derive(Debug)]
struct Unread {
    loss: Tensor,
    logits: Tensor,
    labels: Tensor,
    learning_rate: f64,
}

impl Tally {
    /// A tally of the mean loss of some images and their logits. On the CPU it is read at once.
    ///
    /// # Errors
    /// [`SearchError::Diverged`] with the learning rate, if the loss is read and not finite; labels that are not classes.
    pub fn of(loss: &Tensor, logits: &Tensor, labels: &Tensor, learning_rate: f64) -> Result<Self, SearchError> {
        let (loss, logits, labels) = (loss.f_detach()?, logits.f_detach()?, labels.shallow_clone());
        let mut one = Self { read: Score::default(), unread: vec![Unread { loss, logits, labels, learning_rate }] };
        if !one.unread[0].loss.device().is_cuda() {
            one.score()?;
        }
        Ok(one)
    }

    /// Combines both, weighted by their images.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.read = self.read.and(other.read);
        self.unread.extend(other.unread);
        self
    }

    /// Whether it has so many unread batches that it should be read now.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.unread.len() >= MOST_UNREAD
    }

    /// The score of the batches read so far.
    #[must_use]
    pub fn so_far(&self) -> Score {
        self.read
    }

    /// Reads the unread batches, and returns the score of all images.
    ///
    /// # Errors
    /// Those of [`Tally::of`].
    pub fn score(&mut self) -> Result<Score, SearchError> {
        let unread = std::mem::take(&mut self.unread);
        if unread.is_empty() {
            return Ok(self.read);
        }
        let _guard = tch::no_grad_guard();
        let all = |of: fn(&Unread) -> &Tensor| unread.iter().map(of).collect::<Vec<_>>();
        let losses = Tensor::f_stack(&all(|u| &u.loss), 0)?.f_to_kind(Kind::Double)?;
        let wrong = errors(&Tensor::f_cat(&all(|u| &u.logits), 0)?, &Tensor::f_cat(&all(|u| &u.labels), 0)?)?;
        let wrong = wrong.f_sum(Kind::Double)?.f_view([1])?;
        // One copy from a GPU, so that the CPU waits only once.
        let numbers = Tensor::f_cat(&[losses, wrong], 0)?.f_to_device(Device::Cpu)?;
        let numbers: Vec<f64> = Vec::try_from(numbers)?;
        let mut sum = Score::default();
        for (one, &loss) in unread.iter().zip(&numbers) {
            if !loss.is_finite() {
                let learning_rate = one.learning_rate;
                return Err(SearchError::Diverged { loss, learning_rate, epoch: None, checkpoint: None });
            }
            sum = sum.and(Score { loss, wrong: 0, images: one.labels.numel() });
        }
        // A count as a number of 64 bits is exact.
        sum.wrong = numbers[unread.len()] as usize;
        self.read = self.read.and(sum);
        Ok(self.read)
    }
}

/// `(1 - e) * cross entropy - e * mean log probability`, averaged over the batch. The labels are classes `(N)`, or class
/// probabilities `(N, C)`.
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
    errors(logits, labels)?.f_to_kind(Kind::Double)?.f_mean(Kind::Double)?.f_double_value(&[])
}

/// Whether each image is classified wrongly.
fn errors(logits: &Tensor, labels: &Tensor) -> Result<Tensor, TchError> {
    let own = logits.f_gather(1, &labels.f_unsqueeze(1)?, false)?;
    // An image is correct if only the label's own logit reaches its value.
    logits.f_ge_tensor(&own)?.f_sum_dim_intlist(1, false, Kind::Int64)?.f_ne(1)
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

    /// Read late or at once, in one part or two.
    #[test]
    fn a_tally_is_the_score_of_all_its_images() {
        let rows = Tensor::from_slice(&[1.0_f32, 0.0, 0.0, 1.0, 2.0, 1.0]).view([3, 2]);
        let labels = Tensor::from_slice(&[0_i64, 0, 1]);
        let loss = |from, count| {
            let part = |t: &Tensor| t.narrow(0, from, count);
            (cross_entropy(&part(&rows), &part(&labels), 0.0).unwrap(), part(&rows), part(&labels))
        };
        let unread = |from, count| {
            let (loss, logits, labels) = loss(from, count);
            Tally { read: Score::default(), unread: vec![Unread { loss, logits, labels, learning_rate: 0.1 }] }
        };
        let at_once = |from, count| {
            let (loss, logits, labels) = loss(from, count);
            Tally::of(&loss, &logits, &labels, 0.1).unwrap()
        };
        let whole = at_once(0, 3).so_far();
        assert_eq!((whole.images, whole.wrong, whole.error()), (3, 2, 2.0 / 3.0));
        assert_eq!(unread(0, 3).so_far(), Score::default(), "the control: nothing was read");
        for mut two in
            [unread(0, 2).and(unread(2, 1)), at_once(0, 2).and(unread(2, 1)), at_once(0, 2).and(at_once(2, 1))]
        {
            let score = two.score().unwrap();
            assert!((score.loss - whole.loss).abs() < 1e-6, "{score:?}");
            assert_eq!((score.wrong, score.images), (whole.wrong, whole.images));
            assert_eq!(two.score().unwrap(), score, "each image counts once");
        }
    }

    /// Noticed late, it still tells the learning rate of its own step.
    #[test]
    fn a_loss_that_is_no_number_is_an_error_when_it_is_read() {
        let (logits, labels) = (Tensor::from_slice(&[0.0_f32, 1.0]).view([1, 2]), Tensor::from_slice(&[0_i64]));
        let one = |loss: f32, learning_rate| Unread {
            loss: Tensor::from(loss),
            logits: logits.shallow_clone(),
            labels: labels.shallow_clone(),
            learning_rate,
        };
        let unread = vec![one(1.0, 0.1), one(f32::NAN, 0.2), one(2.0, 0.3)];
        let found = Tally { read: Score::default(), unread }.score().unwrap_err();
        assert!(matches!(found, SearchError::Diverged { learning_rate, .. } if learning_rate == 0.2), "{found}");
        assert!(Tally::of(&Tensor::from(f32::NAN), &logits, &labels, 0.1).is_err());
    }

    #[test]
    fn scores_add_up_by_images() {
        let a = Score { loss: 1.0, wrong: 15, images: 30 };
        let b = Score { loss: 2.0, wrong: 10, images: 10 };
        let both = a.and(b);
        assert_eq!(both, Score { loss: 1.25, wrong: 25, images: 40 });
        assert_eq!((both.error(), both.accuracy()), (0.625, 0.375));
        let nothing = Score::default().and(Score::default());
        assert_eq!((nothing, nothing.error(), nothing.accuracy()), (Score::default(), 0.0, 0.0));
    }

    /// The control is the mean of the batches' shares, in which rounding tells equal networks apart.
    #[test]
    fn equally_many_right_images_are_equally_accurate() {
        let batches =
            |wrong: &[usize]| wrong.iter().map(|&wrong| Score { loss: 1.0, wrong, images: 100 }).collect::<Vec<_>>();
        let (one, other) = (batches(&[73, 38, 13, 56, 53]), batches(&[13, 38, 53, 73, 56]));
        let whole = |batches: &[Score]| batches.iter().fold(Score::default(), |sum, &batch| sum.and(batch)).accuracy();
        assert_eq!(whole(&one), whole(&other));
        assert_eq!(whole(&one), 267.0 / 500.0);
        let mean = |batches: &[Score]| {
            let sum = batches
                .iter()
                .fold((0.0, 0.0), |(mean, n), b| ((mean * n + b.error() * 100.0) / (n + 100.0), n + 100.0));
            1.0 - sum.0
        };
        assert_ne!(mean(&one), mean(&other));
    }
}
