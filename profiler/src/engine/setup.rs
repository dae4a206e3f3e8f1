//! The setup of the agent for a session, and the numbers of sessions.

use super::budget::LEVEL_SESSIONS;
use crate::journal::{Header, Mode};
use crate::protocol::Setup;

/// The first session number after those that a measurement uses for timing.
#[must_use]
pub fn first_free_session(header: &Header) -> u32 {
    let level = if header.mode == Mode::InContext { LEVEL_SESSIONS } else { 0 };
    header.sessions.saturating_add(level)
}

/// The agent's setup for a session of a measurement.
#[must_use]
pub fn setup(header: &Header, session: u32) -> Setup {
    Setup {
        backend: header.backend.clone(),
        threads: header.threads,
        cores: header.cores.clone(),
        allocator: header.allocator,
        precision: header.precision,
        layout: header.layout,
        timing: header.timing,
        // Boards that share the work make the same plan, but load in different orders.
        seed: header.seed ^ header.shard.map_or(0, |shard| u64::from(shard.index) << 32),
        session,
        clocks: header.clocks.clone(),
        clock_copy: String::new(),
    }
}
