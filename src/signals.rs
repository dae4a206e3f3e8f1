//! Signal handlers.

use nix::sys::signal::{SigHandler, Signal, signal};

/// A file beyond the limit of its size is an error of the write, which says which file, and no silent death. The programs that
/// this one starts inherit it.
pub(crate) fn large_files_are_errors() {
    // SAFETY: the signal is ignored, so there is no handler that could do what a handler must not.
    #[expect(unsafe_code, reason = "a system call; no handler of ours runs")]
    // It can fail for no signal that exists; then all is as it was.
    let _ = unsafe { signal(Signal::SIGXFSZ, SigHandler::SigIgn) };
}
