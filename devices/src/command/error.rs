//! Errors of a device's command.

use thiserror::Error;

use crate::error::LinkError;

/// A command that returned no measurement.
#[derive(Debug, Error)]
pub enum CommandError {
    /// The device cannot be reached, or nothing can be run there.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The program does not exist.
    #[error("`{0}` does not exist, or is not executable")]
    NoProgram(String),
    /// It ended with an error.
    #[error("`{program}` failed with {}{}", ending(.status), said(.words))]
    Failed {
        /// The program.
        program: String,
        /// Its exit code.
        status: u32,
        /// The last line that it printed.
        words: String,
    },
    /// It did not end before the deadline.
    #[error("`{program}` timed out after {seconds} s and was killed{}", said(.words))]
    Deadline {
        /// The program.
        program: String,
        /// The deadline in seconds.
        seconds: u64,
        /// The last line that it printed.
        words: String,
    },
    /// It printed too much.
    #[error("`{program}` printed more than {most} bytes")]
    Printed {
        /// The program.
        program: String,
        /// Maximum number of bytes.
        most: u64,
    },
    /// One of its output files is unusable.
    #[error("`{program}` {problem}")]
    Output {
        /// The program.
        program: String,
        /// The file and the reason.
        problem: String,
    },
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}

fn ending(status: &u32) -> String {
    match status.checked_sub(128) {
        Some(signal @ 1..=64) => format!("signal {signal}"),
        _ => format!("exit code {status}"),
    }
}

fn said(words: &str) -> String {
    if words.is_empty() { String::new() } else { format!(": {words}") }
}
