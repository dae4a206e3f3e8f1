//! Numbers on their way to a GPU and back.

use tch::{Device, TchError, Tensor};

/// A tensor of the CPU on a device. To a GPU it goes through memory that the GPU reads by itself, so that the processor
/// does not wait until the GPU has done what it was given before.
pub(crate) fn upload(tensor: &Tensor, device: Device) -> Result<Tensor, TchError> {
    match device {
        Device::Cpu => Ok(tensor.shallow_clone()),
        // The allocator of such memory keeps it until the copy is done.
        gpu => tensor.f_pin_memory(gpu)?.f_internal_to_copy((tensor.kind(), gpu), true),
    }
}

/// The numbers of some vectors, read in one copy.
pub(crate) fn rows(vectors: &[Tensor]) -> Result<Vec<Vec<f64>>, TchError> {
    if vectors.is_empty() {
        return Ok(Vec::new());
    }
    let flat = Tensor::f_cat(vectors, 0)?.f_to_device(Device::Cpu)?.f_to_kind(tch::Kind::Double)?;
    let mut numbers = flat.f_detach()?.iter::<f64>()?.collect::<Vec<_>>().into_iter();
    Ok(vectors.iter().map(|vector| numbers.by_ref().take(vector.numel()).collect()).collect())
}

/// Vectors of one tensor on a device each, which all go there in one copy; gradients can be taken with respect to them.
pub(crate) fn leaves(vectors: &[Vec<f32>], device: Device) -> Result<Vec<Tensor>, TchError> {
    let flat = upload(&Tensor::f_from_slice(&vectors.concat())?, device)?;
    let mut start = 0;
    let mut leaf = |vector: &Vec<f32>| {
        let part = flat.f_narrow(0, start, vector.len() as i64)?;
        start += vector.len() as i64;
        part.f_detach()?.f_set_requires_grad(true)
    };
    vectors.iter().map(&mut leaf).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_come_back_as_they_went() {
        let vectors = vec![vec![1.0, 2.0], vec![3.0], vec![-4.0, 0.5, 6.0]];
        let there = leaves(&vectors, Device::Cpu).unwrap();
        let back: Vec<Vec<f32>> =
            rows(&there).unwrap().into_iter().map(|row| row.into_iter().map(|v| v as f32).collect()).collect();
        assert_eq!(back, vectors);
        assert!(rows(&[]).unwrap().is_empty());
        // Each has a gradient of its own, although they share their memory.
        let loss = (&there[0] * 2.0).sum(tch::Kind::Float) + (&there[2] * 3.0).sum(tch::Kind::Float);
        let found = Tensor::run_backward(&[loss], &[&there[0], &there[2]], false, false);
        assert_eq!(rows(&found).unwrap(), [vec![2.0, 2.0], vec![3.0, 3.0, 3.0]]);
    }
}
