//! Expressivity and progressivity of AZ-NAS (Lee and Ham, CVPR 2024): the number of directions that feature maps spread
//! into, and whether it rises towards the output.
//!
//! The paper uses the output of each block. A graph has no blocks, so this code uses the output of each normalisation. It
//! leaves out the paper's third part, trainability; the fourth, complexity, is the number of MACs.

use nasprof_graph::{Arch, Op};
use tch::{Device, Kind, TchError, Tensor};

use crate::error::SearchError;
use crate::supernet::{Path, Phase, Supernet};

/// For each normalisation, in order from the input: the entropy of the principal components of its output channels.
pub(super) fn entropies(net: &Supernet, images: &Tensor) -> Result<Vec<f64>, SearchError> {
    let _guard = tch::no_grad_guard();
    let mut entropies = Vec::new();
    net.forward_watched(images, Path::Selected(&Arch(Vec::new())), Phase::Judge, &mut |op, value| {
        if matches!(op, Op::BatchNorm { .. }) && value.dim() == 4 {
            entropies.push(entropy(value)?);
        }
        Ok(())
    })?;
    Ok(entropies)
}

/// Entropy of the eigenvalues of the channel covariance, normalised to sum 1.
fn entropy(value: &Tensor) -> Result<f64, TchError> {
    let channels = value.size()[1];
    let rows = value.f_permute([0, 2, 3, 1])?.f_reshape([-1, channels])?.f_to_kind(Kind::Double)?;
    let centred = rows.f_sub(&rows.f_mean_dim(0, true, Kind::Double)?)?;
    let covariance = centred.f_transpose(0, 1)?.f_mm(&centred)?.f_div_scalar(rows.size()[0] as f64)?;
    let values = covariance.f_to_device(Device::Cpu)?.f_linalg_eigvalsh("L")?.f_clamp_min(0.0)?;
    let shares = values.f_div(&values.f_sum(Kind::Double)?)?;
    let terms = shares.f_mul(&shares.f_add_scalar(1e-8)?.f_log()?)?;
    Ok(-terms.f_sum(Kind::Double)?.f_double_value(&[])?)
}

/// The smallest rise from one layer to the next; NaN for fewer than two layers.
pub(super) fn least_rise(entropies: &[f64]) -> f64 {
    let rises = entropies.windows(2).map(|pair| pair[1] - pair[0]);
    rises.reduce(f64::min).unwrap_or(f64::NAN)
}
