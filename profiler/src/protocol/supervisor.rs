//! Lines between the host and the supervisor on a board. They share the pipe with the agent's lines.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Interval of the host's heartbeats.
pub const HEARTBEAT: Duration = Duration::from_secs(2);

/// Lines with this prefix go between host and supervisor; all other lines belong to the agent.
pub const MARK: &str = "{\"supervisor\":";
/// The line of [`Order::Alive`] and of [`Notice::Alive`].
pub const ALIVE: &str = "{\"supervisor\":\"alive\"}";

/// From the host to the supervisor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "supervisor", rename_all = "snake_case", deny_unknown_fields)]
pub enum Order {
    /// Starts a fresh agent, after ending a running one.
    Start,
    /// Ends the agent; answered by [`Notice::Ended`].
    Stop,
    /// The host is there; answered by [`Notice::Alive`].
    Alive,
    /// Runs a shell command; answered by [`Notice::Ran`].
    Run {
        /// Number of the order, which its answer repeats.
        number: u64,
        /// The command.
        command: String,
    },
}

/// From the supervisor to the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "supervisor", rename_all = "snake_case")]
pub enum Notice {
    /// First line: the supervisor is ready and holds the board's lock, if the host asked for it.
    Ready {
        /// [`PROTOCOL_VERSION`](super::PROTOCOL_VERSION) of the agent.
        protocol: u32,
        /// Its package version.
        version: String,
        /// Number of processors that it may use.
        cores: usize,
    },
    /// The only line: another run measures on the board.
    InUse {
        /// The run that measures, in words.
        owner: String,
        /// For how long, in seconds; null if the board does not say.
        seconds: Option<u64>,
    },
    /// Heartbeat.
    Alive,
    /// The agent ended.
    Ended {
        /// Exit code or signal, in words.
        status: String,
        /// Last line of its stderr.
        words: String,
    },
    /// A command ended.
    Ran {
        /// Number of the order.
        number: u64,
        /// Exit code; null if a signal ended it.
        status: Option<i32>,
        /// Its output, stderr included.
        output: String,
    },
    /// The order could not be carried out.
    Failed {
        /// Why.
        error: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_begin_with_the_mark_and_the_sign_of_life_is_the_known_one() {
        let orders = [Order::Start, Order::Stop, Order::Alive, Order::Run { number: 1, command: "x".to_owned() }];
        for order in orders {
            assert!(serde_json::to_string(&order).unwrap().starts_with(MARK));
        }
        assert_eq!(serde_json::to_string(&Order::Alive).unwrap(), ALIVE);
        assert_eq!(serde_json::to_string(&Notice::Alive).unwrap(), ALIVE);
        let ended = Notice::Ended { status: String::new(), words: String::new() };
        assert!(serde_json::to_string(&ended).unwrap().starts_with(MARK));
    }
}
