//! Settings of libtorch for the whole process.

use std::ffi::c_int;

use tch::{Device, Kind, TchError};

#[expect(unsafe_code, reason = "functions of our own context.cpp; they catch what libtorch throws")]
unsafe extern "C" {
    fn nasprof_allow_tf32(allow: c_int) -> c_int;
    fn nasprof_make_deterministic() -> c_int;
    fn nasprof_autocast(cuda: c_int, kind: c_int) -> c_int;
    fn nasprof_forget_casts();
}

fn check(failed: c_int, what: &str) -> Result<(), TchError> {
    if failed == 0 { Ok(()) } else { Err(TchError::Torch(format!("libtorch cannot {what}"))) }
}

/// Sets whether GPUs may round the operands of convolutions and matrix products to 10 bits of mantissa (TensorFloat-32).
/// libtorch's default allows it only in convolutions.
///
/// # Errors
/// If libtorch refuses.
pub fn allow_tf32(allow: bool) -> Result<(), TchError> {
    #[expect(unsafe_code, reason = "takes a number")]
    check(unsafe { nasprof_allow_tf32(c_int::from(allow)) }, "set the precision")
}

/// Allows only algorithms with bitwise reproducible results from now on. An operation without such an algorithm is an error
/// when it runs.
///
/// # Errors
/// If libtorch refuses.
pub fn make_deterministic() -> Result<(), TchError> {
    #[expect(unsafe_code, reason = "takes nothing")]
    check(unsafe { nasprof_make_deterministic() }, "be made deterministic")
}

/// While this exists, this thread's operations on a device use 16-bit floats where this is fast and safe, like PyTorch's
/// autocast. It is for forward passes; backward passes use the same types automatically.
#[derive(Debug)]
pub struct Autocast {
    cuda: c_int,
    before: c_int,
}

impl Autocast {
    /// Casts to bfloat16 or float16; any other kind switches casting off.
    #[must_use]
    pub fn to(kind: Kind, device: Device) -> Self {
        let cuda = c_int::from(device.is_cuda());
        let number = match kind {
            Kind::BFloat16 => 1,
            Kind::Half => 2,
            _ => 0,
        };
        #[expect(unsafe_code, reason = "takes numbers")]
        let before = unsafe { nasprof_autocast(cuda, number) };
        Self { cuda, before }
    }
}

impl Drop for Autocast {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "takes numbers, or nothing")]
        unsafe {
            nasprof_autocast(self.cuda, self.before);
            if self.before == 0 {
                nasprof_forget_casts();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tch::Tensor;

    use super::*;

    #[test]
    fn casts_last_as_long_as_they_are_asked_for() {
        let x = Tensor::ones([2, 2], (Kind::Float, Device::Cpu));
        let kind = || x.matmul(&x).kind();
        assert_eq!(kind(), Kind::Float);
        {
            let _casts = Autocast::to(Kind::BFloat16, Device::Cpu);
            assert_eq!(kind(), Kind::BFloat16);
            {
                let _none = Autocast::to(Kind::Float, Device::Cpu);
                assert_eq!(kind(), Kind::Float);
            }
            assert_eq!(kind(), Kind::BFloat16);
        }
        assert_eq!(kind(), Kind::Float);
    }
}
