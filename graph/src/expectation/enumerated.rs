//! Exact expected values by enumeration of all architectures, for small spaces.

/// The cost of every architecture; the first choice changes fastest.
#[derive(Debug)]
pub(super) struct Enumerated {
    candidates: Vec<usize>,
    costs: Vec<f64>,
    /// Work space: the selections, and for each choice the probability of the selections before and after it.
    selected: Vec<usize>,
    before: Vec<f64>,
    after: Vec<f64>,
}

/// Most architectures that are enumerated.
const MAX_ARCHITECTURES: usize = 4096;

impl Enumerated {
    /// The number of architectures; `None` if there are too many.
    pub(super) fn count(candidates: impl IntoIterator<Item = usize>) -> Option<usize> {
        let product = candidates.into_iter().try_fold(1_usize, usize::checked_mul)?;
        (product <= MAX_ARCHITECTURES).then_some(product)
    }

    /// Computes the cost of every architecture. `None` if there are too many.
    pub(super) fn new<E>(
        candidates: Vec<usize>,
        mut cost: impl FnMut(&[u16]) -> Result<f64, E>,
    ) -> Result<Option<Self>, E> {
        let Some(count) = Self::count(candidates.iter().copied()) else {
            return Ok(None);
        };
        let mut arch = vec![0; candidates.len()];
        let mut costs = Vec::with_capacity(count);
        for mut number in 0..count {
            for (selected, &candidates) in arch.iter_mut().zip(&candidates) {
                *selected = (number % candidates) as u16;
                number /= candidates;
            }
            costs.push(cost(&arch)?);
        }
        let choices = candidates.len();
        let [before, after] = [vec![1.0; choices + 1], vec![1.0; choices + 1]];
        Ok(Some(Self { selected: vec![0; choices], candidates, costs, before, after }))
    }

    pub(super) fn networks(&self) -> usize {
        self.costs.len()
    }

    /// The expected value.
    pub(super) fn value(&self, probabilities: &[Vec<f64>]) -> f64 {
        let of = |(mut number, cost): (usize, &f64)| {
            let choices = self.candidates.iter().zip(probabilities);
            let p = choices.map(|(&candidates, p)| {
                let selected = number % candidates;
                number /= candidates;
                p[selected]
            });
            p.product::<f64>() * cost
        };
        self.costs.iter().enumerate().map(of).sum()
    }

    /// The expected value, and the conditional expected value for each candidate of each choice.
    pub(super) fn conditional(&mut self, probabilities: &[Vec<f64>], conditional: &mut [Vec<f64>]) -> f64 {
        conditional.iter_mut().for_each(|c| c.fill(0.0));
        let choices = self.candidates.len();
        let mut total = 0.0;
        for (mut number, cost) in self.costs.iter().enumerate() {
            for (i, &candidates) in self.candidates.iter().enumerate() {
                self.selected[i] = number % candidates;
                number /= candidates;
                self.before[i + 1] = self.before[i] * probabilities[i][self.selected[i]];
            }
            for i in (0..choices).rev() {
                self.after[i] = self.after[i + 1] * probabilities[i][self.selected[i]];
            }
            for i in 0..choices {
                conditional[i][self.selected[i]] += self.before[i] * self.after[i + 1] * cost;
            }
            total += self.before[choices] * cost;
        }
        total
    }
}
