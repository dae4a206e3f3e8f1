//! The host's side of measuring: the protocol that an agent speaks, the engine that decides what to measure next, the
//! journal that keeps what was observed, and synthetic devices in virtual time.

pub mod backend;
pub mod energy;
pub mod engine;
pub mod journal;
pub mod protocol;
pub mod synthetic;
