//! The exit codes of the program.

use std::io;

/// Exit codes of the program; part of its interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// A fault of the program or its surroundings.
    Internal = 1,
    /// Usage or bad input.
    Usage = 2,
    /// Measured, but networks are less certain than was asked for.
    NotConverged = 3,
    /// The machine was too noisy to be measured.
    Noisy = 4,
    /// The device was lost, or the run was interrupted; it can be resumed.
    DeviceLost = 5,
    /// The context is another one.
    ContextChanged = 6,
    /// The agent broke the protocol.
    BrokenAgent = 7,
}

/// A disk that is full or broken is no fault of who typed the command.
pub(crate) fn of_io(error: &io::Error) -> Exit {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull, WriteZero};
    const EIO: i32 = 5;
    match error.kind() {
        StorageFull | QuotaExceeded | FileTooLarge | WriteZero => Exit::Internal,
        _ if error.raw_os_error() == Some(EIO) => Exit::Internal,
        _ => Exit::Usage,
    }
}
