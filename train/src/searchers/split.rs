//! Selects the choice to split a supernet by (few-shot NAS, Zhao et al., ICML 2021): the one whose candidates' gradients for
//! the shared weights differ most in direction (Hu et al., ICLR 2022, "Generalizing few-shot NAS with gradient matching").

use nasprof_graph::Arch;
use tch::Kind;

use crate::batch::{Gradients, MiniBatch};
use crate::error::SearchError;
use crate::session::Session;
use crate::supernet::Path;

/// The choice whose candidates' gradients agree least, averaged over some paths and over the pairs of its candidates. `None`
/// in a space without choices.
pub(super) fn choice_that_matters(
    session: &Session<'_>,
    paths: &[Arch],
    batch: &[MiniBatch],
) -> Result<Option<usize>, SearchError> {
    let mut least: Option<(f64, usize)> = None;
    for (at, choice) in session.space().choices.iter().enumerate().filter(|(_, c)| c.candidates.len() > 1) {
        let (mut sum, mut pairs) = (0.0, 0);
        for path in paths {
            let mut gradients = Vec::with_capacity(choice.candidates.len());
            for candidate in 0..choice.candidates.len() {
                let mut arch = path.clone();
                arch.0[at] = candidate as u16;
                let mut gradient = Gradients::new();
                session.weight_gradients(Path::Selected(&arch), batch, &mut gradient)?;
                gradients.push(gradient);
            }
            for (i, a) in gradients.iter().enumerate() {
                for b in &gradients[..i] {
                    sum += cosine(a, b)?;
                    pairs += 1;
                }
            }
        }
        let agreement = sum / f64::from(pairs.max(1));
        if least.is_none_or(|(other, _)| agreement < other) {
            least = Some((agreement, at));
        }
    }
    Ok(least.map(|(_, at)| at))
}

/// The cosine between two gradients over their common weights; 0 if one of them is zero there.
fn cosine(a: &Gradients, b: &Gradients) -> Result<f64, SearchError> {
    let (mut product, mut left, mut right) = (0.0, 0.0, 0.0);
    for (position, x) in a {
        let Some(y) = b.get(position) else { continue };
        let dot = |x: &tch::Tensor, y: &tch::Tensor| x.f_mul(y)?.f_sum(Kind::Double)?.f_double_value(&[]);
        product += dot(x, y)?;
        left += dot(x, x)?;
        right += dot(y, y)?;
    }
    let size = (left * right).sqrt();
    Ok(if size > 0.0 { product / size } else { 0.0 })
}
