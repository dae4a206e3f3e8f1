//! Lines between the host and the supervisor on a board. They share the pipe with the agent's lines.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How often the host gives a sign of life.
pub const HEARTBEAT: Duration = Duration::from_secs(2);

/// Lines that begin so are between host and supervisor; all others are the agent's.
pub const MARK: &str = "{\"supervisor\":";
/// [`Order::Alive`] and [`Notice::Alive`] as they are sent.
pub const ALIVE: &str = "{\"supervisor\":\"alive\"}";

/// From the host to the supervisor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "supervisor", rename_all = "snake_case", deny_unknown_fields)]
pub enum Order {
    /// Starts a fresh agent; one that runs is ended first.
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
    /// First line: the board is ours.
    Ready {
        /// [`PROTOCOL_VERSION`](super::PROTOCOL_VERSION) of the agent.
        protocol: u32,
        /// Its package version.
        version: String,
        /// Processors that it may use.
        cores: usize,
    },
    /// First and last line: another run measures there.
    InUse {
        /// Who.
        owner: String,
        /// For how long; nothing where the board does not tell.
        seconds: Option<u64>,
    },
    /// A sign of life.
    Alive,
    /// The agent ended.
    Ended {
        /// Exit code or signal, in words.
        status: String,
        /// Last line of its error output.
        words: String,
    },
    /// A command ended.
    Ran {
        /// Number of the order.
        number: u64,
        /// Exit code; nothing if a signal ended it.
        status: Option<i32>,
        /// What it wrote, errors included.
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
