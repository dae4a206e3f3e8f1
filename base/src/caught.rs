//! Turns panics of other libraries into errors, without printing them.

use std::cell::Cell;
use std::panic::{self, UnwindSafe};
use std::sync::Once;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// The result of a parser that may panic on damaged input, or `None` if it did.
pub fn caught<T>(run: impl FnOnce() -> T + UnwindSafe) -> Option<T> {
    caught_with_reason(run).ok()
}

/// The result of a function of another library. All threads share the hook that prints panics: it is wrapped once, and
/// prints nothing in this thread while `run` runs.
///
/// # Errors
/// The text of its panic.
pub fn caught_with_reason<T>(run: impl FnOnce() -> T + UnwindSafe) -> Result<T, String> {
    static WRAPPED: Once = Once::new();
    WRAPPED.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                before(info);
            }
        }));
    });
    let outer = QUIET.replace(true);
    let result = panic::catch_unwind(run);
    QUIET.set(outer);
    result.map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref().copied());
        text.unwrap_or("a panic without a reason").to_owned()
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn caught_panics_are_silent() {
        static PRINTED: AtomicUsize = AtomicUsize::new(0);
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if info.payload_as_str().is_some_and(|text| text.contains("a panic of this test")) {
                PRINTED.fetch_add(1, Ordering::SeqCst);
            } else {
                before(info);
            }
        }));
        assert_eq!(caught(|| 1), Some(1));
        assert_eq!(
            caught(|| if true {
                panic!("a panic of this test")
            }),
            None
        );
        let number = 7;
        let reason = |text: &str| Err::<(), _>(text.to_owned());
        assert_eq!(caught_with_reason(|| panic!("a panic of this test: {number}")), reason("a panic of this test: 7"));
        assert_eq!(caught_with_reason(|| panic!("a panic of this test")), reason("a panic of this test"));
        assert_eq!(PRINTED.load(Ordering::SeqCst), 0);
        let panicked = caught(|| {
            let thread = |i| {
                std::thread::spawn(move || {
                    if i % 2 == 0 {
                        panic!("a panic of this test")
                    }
                })
            };
            let threads: Vec<_> = (0..4).map(thread).collect();
            threads.into_iter().filter_map(|thread| thread.join().err()).count()
        });
        assert_eq!((panicked, PRINTED.load(Ordering::SeqCst)), (Some(2), 2), "a control: other threads print");
    }
}
