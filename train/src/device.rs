//! Copies of tensors to a GPU and back.

use std::ffi::{c_char, c_int};

use tch::{Device, TchError, Tensor};

use crate::called::{CTensor, made};

#[expect(unsafe_code, reason = "functions of our own device.cpp; they catch what libtorch throws")]
unsafe extern "C" {
    fn nasprof_upload(tensor: *const CTensor, index: c_int, words: *mut c_char, capacity: usize) -> *mut CTensor;
    fn nasprof_channels_last(tensor: *const CTensor, words: *mut c_char, capacity: usize) -> *mut CTensor;
}

/// An error of libtorch, with what it could not do.
fn about(what: &str, error: &TchError) -> TchError {
    TchError::Torch(format!("libtorch cannot {what}: {error}"))
}

/// Converts a 4D tensor to the channels-last memory layout; leaves others unchanged.
pub(crate) fn channels_last(tensor: &Tensor) -> Result<Tensor, TchError> {
    if tensor.dim() != 4 {
        return Ok(tensor.shallow_clone());
    }
    made(|words, capacity| {
        #[expect(unsafe_code, reason = "the tensor lives through the call")]
        unsafe {
            nasprof_channels_last(tensor.as_ptr().cast(), words, capacity)
        }
    })
    .map_err(|error| about("lay a tensor out with channels last", &error))
}

/// Copies a CPU tensor to a device. For a GPU the copy uses pinned memory, so that the CPU does not wait for earlier work of
/// the GPU.
pub(crate) fn upload(tensor: &Tensor, device: Device) -> Result<Tensor, TchError> {
    match device {
        Device::Cpu => Ok(tensor.shallow_clone()),
        Device::Cuda(index) => {
            let index = c_int::try_from(index).unwrap_or(c_int::MAX);
            made(|words, capacity| {
                #[expect(
                    unsafe_code,
                    reason = "the tensor lives through the call; the copy's source is kept until it is done"
                )]
                unsafe {
                    nasprof_upload(tensor.as_ptr().cast(), index, words, capacity)
                }
            })
            .map_err(|error| about("copy a batch to the GPU", &error))
        }
        other => tensor.f_to_device(other),
    }
}

/// A copy in memory of its own, with the same layout; autograd does not record it. Unlike `Tensor::copy`, which panics, it
/// reports a GPU that no longer works.
pub(crate) fn copied(tensor: &Tensor) -> Result<Tensor, TchError> {
    let tensor = tensor.f_detach()?;
    let mut copy = tensor.f_empty_like()?;
    copy.f_copy_(&tensor)?;
    Ok(copy)
}

/// The values of some vectors, read in one copy.
pub(crate) fn rows(vectors: &[Tensor]) -> Result<Vec<Vec<f64>>, TchError> {
    if vectors.is_empty() {
        return Ok(Vec::new());
    }
    let flat = Tensor::f_cat(vectors, 0)?.f_to_device(Device::Cpu)?.f_to_kind(tch::Kind::Double)?;
    let mut numbers = flat.f_detach()?.iter::<f64>()?.collect::<Vec<_>>().into_iter();
    Ok(vectors.iter().map(|vector| numbers.by_ref().take(vector.numel()).collect()).collect())
}

/// Copies vectors to a device in one copy. Each becomes a leaf tensor that requires gradients.
pub(crate) fn leaves(vectors: &[Vec<f32>], device: Device) -> Result<Vec<Tensor>, TchError> {
    if vectors.is_empty() {
        return Ok(Vec::new());
    }
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

    /// Without the reason, neither too little memory nor a lost GPU could be told from a mistake of ours.
    #[test]
    fn what_libtorch_refuses_is_told_with_its_reason() {
        let refused = upload(&Tensor::from_slice(&[1.0]), Device::Cuda(99)).unwrap_err().to_string();
        let reason = refused.split_once("libtorch cannot copy a batch to the GPU: ").expect("what failed").1;
        assert!(reason.len() > 10 && !reason.contains("unknown exception"), "{refused}");
        let undefined = Tensor::new();
        assert!(copied(&undefined).is_err());
    }

    #[test]
    fn a_copy_has_its_own_memory_and_the_same_layout() {
        let images = channels_last(&Tensor::arange(24, (tch::Kind::Float, Device::Cpu)).view([1, 2, 3, 4])).unwrap();
        let mut copy = copied(&images).unwrap();
        assert_eq!((&copy, copy.stride()), (&images, images.stride()));
        let _ = copy.zero_();
        assert_ne!(copy, images);
    }
}
