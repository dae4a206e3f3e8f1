//! Steps on the way to a board, to show to the user.

use std::time::Duration;

use crate::board::LibraryOrigin;

/// A step on the way to a board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Milestone {
    /// The connection ended before the handshake was over; a retry follows.
    TryingAgain {
        /// The error.
        problem: String,
        /// The pause before the retry.
        pause: Duration,
    },
    /// The host key is verified, and the login succeeded.
    LoggedIn {
        /// Host and port.
        address: String,
        /// `SHA256:…` of its key.
        fingerprint: String,
        /// The account.
        user: String,
    },
    /// The board was surveyed.
    Surveyed {
        /// The architecture, as Rust names it.
        architecture: String,
        /// The work folder, absolute.
        folder: String,
        /// Free bytes there, if reported.
        free_bytes: Option<u64>,
    },
    /// The board has an agent.
    Installed {
        /// Its file.
        agent: String,
        /// Whether it was uploaded just now.
        uploaded: bool,
    },
    /// The board has the library that the agent's back end loads.
    Library {
        /// Its file.
        library: String,
        /// Where the library comes from.
        origin: LibraryOrigin,
    },
    /// The agent's supervisor runs and, if `exclusive`, holds the board.
    Taken {
        /// Number of processors.
        cores: usize,
        /// Whether no other run can take the board.
        exclusive: bool,
    },
}
