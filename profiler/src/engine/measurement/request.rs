//! The request for a measurement, and its progress.

use std::time::Instant;

use nasprof_spaces::Space;

use super::super::Gate;
use super::super::session_plan::Progress;
use crate::journal::Header;

/// What to measure and how.
pub struct Measurement<'a> {
    /// The space, at the batch size of the header.
    pub space: &'a Space,
    /// The request.
    pub header: Header,
    /// How to treat a busy machine.
    pub gate: Gate,
    /// When the measurement must be finished.
    pub deadline: Option<Instant>,
}

/// Progress of a measurement, for the display.
#[derive(Debug, Clone, PartialEq)]
pub enum Stage {
    /// Layers tried alone: done, total.
    Trial(usize, usize),
    /// Planned networks, keys that they cover, keys that do not run.
    Planned(usize, usize, usize),
    /// Energy measurements: done, total.
    Energy(usize, usize),
    /// Within a session: its number, number of sessions, progress.
    Session(u32, u32, Progress),
    /// Within an anchor-only session: its number, number of such sessions, progress.
    Level(u32, u32, Progress),
}
