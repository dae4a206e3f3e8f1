//! What a user hears on the way to a board.

use std::time::Duration;

use crate::board::LibraryOrigin;

/// A step on the way to a board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Milestone {
    /// The connection ended before the handshake was over, and is made again.
    TryingAgain {
        /// What happened.
        problem: String,
        /// After which pause.
        pause: Duration,
    },
    /// It is who it says it is, and knows who we are.
    LoggedIn {
        /// Host and port.
        address: String,
        /// `SHA256:…` of its key.
        fingerprint: String,
        /// The account.
        user: String,
    },
    /// It said what it is.
    Surveyed {
        /// As Rust names it.
        architecture: String,
        /// The work folder, absolute.
        folder: String,
        /// Free bytes there, where it tells.
        free_bytes: Option<u64>,
    },
    /// It has an agent.
    Installed {
        /// Its file.
        agent: String,
        /// Whether it was put there just now.
        uploaded: bool,
    },
    /// It has the library that the agent's back end loads.
    Library {
        /// Its file.
        library: String,
        /// How it came there.
        origin: LibraryOrigin,
    },
    /// The agent's supervisor runs and holds the board.
    Taken {
        /// Processors.
        cores: usize,
        /// Whether nobody else can take it.
        exclusive: bool,
    },
}
