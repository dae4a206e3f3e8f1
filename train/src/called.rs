//! Calls of our own C++, which catches what libtorch throws.

use std::ffi::{CStr, c_char};

use tch::{TchError, Tensor};

/// Maximum length of an error message, in bytes; libtorch appends a C++ stack trace to its messages.
const WORDS: usize = 1024;

/// An opaque `at::Tensor`.
#[repr(C)]
pub(crate) struct CTensor {
    _opaque: [u8; 0],
}

/// Calls a function that writes the reason of a failure into a text of this capacity. `failed` tells a failure by what the
/// function returned.
pub(crate) fn called<T>(
    call: impl FnOnce(*mut c_char, usize) -> T,
    failed: impl FnOnce(&T) -> bool,
) -> Result<T, TchError> {
    let mut words: [c_char; WORDS] = [0; WORDS];
    let returned = call(words.as_mut_ptr(), WORDS);
    if !failed(&returned) {
        return Ok(returned);
    }
    #[expect(unsafe_code, reason = "a text that ends with a zero, in an array that lives through the call")]
    let text = unsafe { CStr::from_ptr(words.as_ptr()) };
    Err(TchError::Torch(text.to_string_lossy().into_owned()))
}

/// The tensor that a function made; null is a failure.
pub(crate) fn made(call: impl FnOnce(*mut c_char, usize) -> *mut CTensor) -> Result<Tensor, TchError> {
    let made = called(call, |made| made.is_null())?;
    #[expect(unsafe_code, reason = "a new tensor of libtorch, which nobody else owns")]
    Ok(unsafe { Tensor::from_ptr(made.cast()) })
}
