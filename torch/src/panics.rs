//! Panics of the bindings as errors.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

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

/// As [`caught`], for a program of its own: panics that are not libtorch's go on, and print what they always print.
///
/// # Errors
/// The first line of libtorch's message, if `run` panics with one.
pub fn caught_of_libtorch<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    thread_local! {
        static CATCHES: Cell<bool> = const { Cell::new(false) };
    }
    static WRAPPED: Once = Once::new();
    WRAPPED.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !(CATCHES.get() && info.payload_as_str().is_some_and(|text| text.contains(OF_LIBTORCH))) {
                before(info);
            }
        }));
    });
    let outer = CATCHES.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(run));
    CATCHES.set(outer);
    result.map_err(|panic| match panic.downcast_ref::<String>().filter(|text| text.contains(OF_LIBTORCH)) {
        Some(text) => message(text).to_owned(),
        None => panic::resume_unwind(panic),
    })
}

/// How the bindings' panics show an error of libtorch.
const OF_LIBTORCH: &str = "Torch(\"";

/// libtorch's message in `called … value: Torch("the message\\nits stack trace")`.
fn message(panic: &str) -> &str {
    let text = panic.split_once(OF_LIBTORCH).map_or(panic, |(_, message)| message);
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
        assert_eq!(caught_of_libtorch(with_number).unwrap_err(), panicked);
        assert_eq!(caught_of_libtorch(|| 1), Ok(1));
        let own = panic::catch_unwind(|| caught_of_libtorch(|| panic!("a panic of this test")));
        assert_eq!(own.unwrap_err().downcast_ref(), Some(&"a panic of this test"));
    }
}
