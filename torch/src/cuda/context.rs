//! Settings of libtorch that hold for the whole process.

use std::ffi::c_int;

use tch::TchError;

#[expect(unsafe_code, reason = "functions of our own context.cpp; they catch what libtorch throws")]
unsafe extern "C" {
    fn nasprof_allow_tf32(allow: c_int) -> c_int;
    fn nasprof_make_deterministic() -> c_int;
}

fn check(failed: c_int, what: &str) -> Result<(), TchError> {
    if failed == 0 { Ok(()) } else { Err(TchError::Torch(format!("libtorch cannot {what}"))) }
}

/// Whether GPUs may round the factors of convolutions and matrix products to 10 bits of mantissa (TensorFloat-32). By
/// itself libtorch allows it in convolutions only.
///
/// # Errors
/// If libtorch refuses.
pub fn allow_tf32(allow: bool) -> Result<(), TchError> {
    #[expect(unsafe_code, reason = "takes a number")]
    check(unsafe { nasprof_allow_tf32(c_int::from(allow)) }, "set the precision")
}

/// From now on only algorithms that give the same bits each time; what has none is refused when it runs.
///
/// # Errors
/// If libtorch refuses.
pub fn make_deterministic() -> Result<(), TchError> {
    #[expect(unsafe_code, reason = "takes nothing")]
    check(unsafe { nasprof_make_deterministic() }, "be made deterministic")
}
