//! Covariance of the Jacobian (Mellor et al., 2020, first version of "Neural architecture search without training";
//! `jacob_cov` in Abdelfattah et al., ICLR 2021): how differently the output reacts to each image of a batch.

use nasprof_graph::Arch;
use tch::{Device, Kind, Tensor};

use crate::error::SearchError;
use crate::supernet::{Path, Phase, Supernet};

/// Added to eigenvalues, as in the paper.
const SMALL: f64 = 1e-5;

/// `- sum(log(v + k) + 1 / (v + k))` over the eigenvalues `v` of the correlation of the images' gradients.
pub(super) fn score(net: &Supernet, images: &Tensor) -> Result<f64, SearchError> {
    let inputs = images.f_detach()?.f_mul_scalar(1.0)?.f_set_requires_grad(true)?;
    let output = net.forward(&inputs, Path::Selected(&Arch(Vec::new())), Phase::Judge)?;
    let sum = output.values[0].f_sum(Kind::Float)?;
    let gradients = Tensor::f_run_backward(&[&sum], &[&inputs], false, false)?;
    let _guard = tch::no_grad_guard();
    let Some(gradient) = gradients.into_iter().next().filter(Tensor::defined) else { return Ok(f64::NAN) };
    let rows = gradient.f_reshape([images.size()[0], -1])?.f_to_kind(Kind::Double)?;
    let centred = rows.f_sub(&rows.f_mean_dim(1, true, Kind::Double)?)?;
    let norms = centred.f_square()?.f_sum_dim_intlist(1, true, Kind::Double)?.f_sqrt()?;
    if norms.f_min()?.f_double_value(&[])? <= 0.0 {
        return Ok(f64::NAN);
    }
    let unit = centred.f_div(&norms)?;
    let correlation = unit.f_mm(&unit.f_transpose(0, 1)?)?;
    let values = correlation.f_to_device(Device::Cpu)?.f_linalg_eigvalsh("L")?.f_clamp_min(0.0)?.f_add_scalar(SMALL)?;
    let terms = values.f_log()?.f_add(&values.f_reciprocal()?)?;
    Ok(-terms.f_sum(Kind::Double)?.f_double_value(&[])?)
}
