//! Errors as the user sees them, with exit codes and hints.

mod of_errors;

use std::fmt;

use crate::escape::block;
pub(crate) use crate::exit::{Exit, of_io};
use crate::kept::Kept;

/// An error as the user sees it: what is wrong, then a hint.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    /// What went wrong beside it.
    pub(crate) others: Vec<Self>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl fmt::Display) -> Self {
        Self { exit, message: message.to_string(), hint: None, others: Vec::new() }
    }

    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self::new(Exit::Usage, message)
    }

    pub(crate) fn internal(message: impl fmt::Display) -> Self {
        Self::new(Exit::Internal, message)
    }

    pub(crate) fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    /// A hint for what was lost, beside the one it has.
    pub(crate) fn hint_if_lost(self, more: &str) -> Self {
        match (self.exit, &self.hint) {
            (Exit::DeviceLost, Some(hint)) => {
                let hint = format!("{hint}; {more}");
                self.hint(hint)
            }
            _ => self,
        }
    }

    /// The user asked to stop, by Ctrl-C or a signal.
    pub(crate) fn interrupted(kept: Kept) -> Self {
        let (message, hint) = match kept {
            Kept::Journal => {
                ("interrupted; the measurement so far is kept", "the same command with --resume continues")
            }
            Kept::Epochs => (
                "interrupted; completed epochs are kept",
                "the same command with --resume continues from the last \
                    epoch",
            ),
            Kept::Networks => (
                "interrupted; the networks trained so far are kept",
                "the same command with --resume continues with the next network",
            ),
            Kept::Run => ("interrupted; the run is kept", "the same command with --resume continues"),
            Kept::Nothing => ("interrupted", "run the same command again"),
        };
        Self::new(Exit::DeviceLost, message).hint(hint)
    }

    /// A failure of a command that goes on with nothing: what cannot be resumed is not said to be.
    pub(crate) fn without_resuming(self) -> Self {
        match self.exit {
            Exit::DeviceLost => self.hint("run the same command again"),
            Exit::BrokenAgent => {
                self.hint("check the agent with `nasprof devices check`, then run the same command again")
            }
            _ => self,
        }
    }

    /// Two failures as one; the first decides the exit code.
    pub(crate) fn and(mut self, another: Self) -> Self {
        self.others.push(another);
        self
    }

    /// Puts what the message is about in front of it.
    pub(crate) fn context(mut self, what: impl fmt::Display) -> Self {
        let what = what.to_string();
        // Many errors name their file themselves.
        if !self.message.starts_with(&format!("{what}: ")) {
            self.message = format!("{what}: {}", self.message);
        }
        self
    }
}

/// As the terminal shows it: whatever the texts hold, only lines of ours begin with `error:` or `hint:`.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", block(&self.message))?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, "\nhint: {}", block(hint)))?;
        self.others.iter().try_for_each(|other| write!(f, "\n{other}"))
    }
}
