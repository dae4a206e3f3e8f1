//! SynFlow (Tanaka et al., NeurIPS 2020; as a score of networks in Abdelfattah et al., ICLR 2021): the flow through the
//! network if all its weights are positive.

use nasprof_graph::Arch;
use tch::{Kind, Tensor};

use crate::error::SearchError;
use crate::supernet::{Path, Phase, Supernet};

/// Logarithm of the sum of |weight · gradient| over all weights. Weights are replaced by their absolute values, the input is
/// an image of ones, and there is no normalisation. The logarithm keeps the order. Without it, deep networks would leave the
/// range of floats.
pub(super) fn score(net: &Supernet, images: &Tensor) -> Result<f64, SearchError> {
    let parameters: Vec<usize> =
        (0..net.parameters().all().len()).filter(|&i| net.parameters().all()[i].trainable).collect();
    let tensors: Vec<&Tensor> = parameters.iter().map(|&i| &net.parameters().all()[i].tensor).collect();
    let kept = tch::no_grad(|| tensors.iter().map(|t| t.f_mul_scalar(1.0)).collect::<Result<Vec<_>, _>>())?;
    let positive = |tensor: &Tensor| tensor.shallow_clone().f_abs_().map(drop);
    tch::no_grad(|| tensors.iter().try_for_each(|t| positive(t)))?;
    let flow = flow(net, images, &parameters);
    tch::no_grad(|| tensors.iter().zip(&kept).try_for_each(|(t, kept)| t.shallow_clone().f_copy_(kept).map(drop)))?;
    Ok(flow?.ln())
}

fn flow(net: &Supernet, images: &Tensor, parameters: &[usize]) -> Result<f64, SearchError> {
    let mut size = images.size();
    size[0] = 1;
    let ones = Tensor::f_ones(size.as_slice(), (images.kind(), images.device()))?;
    let output = net.forward(&ones, Path::Selected(&Arch(Vec::new())), Phase::Linear)?;
    let sum = output.values[0].f_sum(images.kind())?;
    let mut flow = 0.0;
    for (i, gradient) in net.gradients(&sum, parameters)? {
        let tensor = &net.parameters().all()[i].tensor;
        flow += tch::no_grad(|| gradient.f_mul(tensor)?.f_abs()?.f_sum(Kind::Double)?.f_double_value(&[]))?;
    }
    Ok(flow)
}
