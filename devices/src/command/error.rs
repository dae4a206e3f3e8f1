//! Why a device's command gave nothing.

use thiserror::Error;

use crate::error::LinkError;

/// A command that measured nothing.
#[derive(Debug, Error)]
pub enum CommandError {
    /// The device cannot be reached, or nothing can be run there.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// There is no such program.
    #[error("`{0}` is not there, or may not be run")]
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
    /// It did not end.
    #[error("`{program}` did not end within {seconds} s and was killed{}", said(.words))]
    Deadline {
        /// The program.
        program: String,
        /// How long it had.
        seconds: u64,
        /// The last line that it printed.
        words: String,
    },
    /// It prints without end.
    #[error("`{program}` printed more than {most} bytes")]
    Printed {
        /// The program.
        program: String,
        /// What is taken.
        most: u64,
    },
    /// A file of it cannot be used.
    #[error("`{program}` {problem}")]
    Output {
        /// The program.
        program: String,
        /// Which, and why.
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
