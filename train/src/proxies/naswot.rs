//! NASWOT (Mellor et al., ICML 2021, "Neural architecture search without training"): how differently the images of a batch
//! switch the network's rectifiers.

use nasprof_graph::{Arch, Op};
use tch::{Device, Kind, Tensor};

use crate::error::SearchError;
use crate::supernet::{Path, Phase, Supernet};

/// Logarithm of the determinant of the kernel of Hamming distances: entry `(i, j)` counts the rectifiers in which images `i`
/// and `j` agree.
pub(super) fn score(net: &Supernet, images: &Tensor) -> Result<f64, SearchError> {
    let _guard = tch::no_grad_guard();
    let count = images.size()[0];
    let mut kernel = Tensor::f_zeros([count, count], (Kind::Double, images.device()))?;
    net.forward_watched(images, Path::Selected(&Arch(Vec::new())), Phase::Judge, &mut |op, value| {
        if !matches!(op, Op::Relu | Op::Relu6 | Op::LeakyRelu { .. } | Op::Hswish) {
            return Ok(());
        }
        let on = value.f_reshape([count, -1])?.f_gt(0.0)?.f_to_kind(Kind::Double)?;
        let off = on.f_neg()?.f_add_scalar(1.0)?;
        kernel = kernel.f_add(&on.f_mm(&on.f_transpose(0, 1)?)?)?.f_add(&off.f_mm(&off.f_transpose(0, 1)?)?)?;
        Ok(())
    })?;
    let (sign, logarithm) = kernel.f_to_device(Device::Cpu)?.f_slogdet()?;
    Ok(if sign.f_double_value(&[])? > 0.0 { logarithm.f_double_value(&[])? } else { f64::NAN })
}
