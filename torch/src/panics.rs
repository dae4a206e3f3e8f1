//! Panics of the bindings as errors.

use std::panic::AssertUnwindSafe;

use nasprof_base::caught_with_reason;

/// The result of `run`, which calls libtorch.
///
/// The bindings' functions that take a number panic where libtorch fails, although they return errors: the number is released
/// before the error is read. So too little memory for one layer would end the program.
///
/// # Errors
/// The first line of libtorch's message, if `run` panics.
pub(crate) fn caught<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    caught_with_reason(AssertUnwindSafe(run)).map_err(|text| message(&text).to_owned())
}

/// libtorch's message in `called … value: Torch("the message\\nits stack trace")`.
fn message(panic: &str) -> &str {
    let text = panic.split_once("Torch(\"").map_or(panic, |(_, message)| message);
    text.split("\\n").next().and_then(|line| line.lines().next()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Tensor};

    use super::*;

    /// More memory than there is, asked for with a number and without one.
    #[test]
    fn too_little_memory_is_an_error_where_the_bindings_panic() {
        let options = (Kind::Float, Device::Cpu);
        let with_number = || Tensor::f_full([1 << 50], 0.5, options).map(drop);
        let panicked = caught(with_number).unwrap_err();
        assert!(panicked.contains("can't allocate memory") && !panicked.contains("\\n"), "{panicked}");
        // Controls: without a number the bindings return the error, and what succeeds is left alone.
        assert!(caught(|| Tensor::f_ones([1 << 50], options)).unwrap().is_err());
        assert_eq!(caught(|| 1), Ok(1));
    }
}
