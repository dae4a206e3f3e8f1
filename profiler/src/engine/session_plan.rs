//! The plan of a session, and its progress messages.

use std::collections::BTreeMap;
use std::time::Instant;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::{Gate, Workload};
use crate::journal::Mode;
use crate::protocol::{Setup, Timing};

/// The plan of a session.
#[derive(Debug, Clone)]
pub struct SessionPlan {
    /// All workloads.
    pub workloads: Vec<Workload>,
    /// Where layers are timed.
    pub mode: Mode,
    /// Target half-width: of the sampled networks if layers are timed inside them, else of each layer or network.
    pub ci: f64,
    /// Whether the target is about each whole network's own time ([`super::WholeRounds`]), and not about networks or layers
    /// relative to each other, from which the level of their rounds is divided out.
    pub own_times: bool,
    /// The only latency of a processor with a queue to measure; `None`: all that it has.
    pub timing: Option<Timing>,
    /// Whether networks that the device refuses to load are left out. Otherwise the first one is an error.
    pub leaves_out: bool,
    /// Number of such sessions in the LUT, including this one. The target applies to all of them together.
    pub sessions: u32,
    /// Minimum number of rounds, even if the intervals are narrow enough.
    pub min_rounds: u32,
    /// Maximum number of rounds.
    pub max_rounds: u32,
    /// How to treat a busy machine.
    pub gate: Gate,
    /// When to stop measuring, by the clock of the recorder.
    pub deadline: Option<Instant>,
    /// The agent's setup.
    pub setup: Setup,
    /// Facts that the device must still have, in a later or resumed session of the same context.
    pub expected: Option<BTreeMap<String, String>>,
}

impl SessionPlan {
    /// The plan with its workloads in this session's own order. The order of loading determines which memory blocks a
    /// network reuses later, and this changes its layers by several percent. Sessions with the same order would agree with
    /// each other, but not with other sessions.
    pub(super) fn in_loading_order(&self) -> Self {
        let mut plan = self.clone();
        plan.workloads.shuffle(&mut order(&self.setup, 0));
        plan
    }
}

/// Random numbers for the order of a round (counted from 1) or of loading. Each has its own stream, so that neighbouring
/// seeds do not share orders.
pub(super) fn order(setup: &Setup, round: u32) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(setup.seed);
    rng.set_stream(u64::from(setup.session) << 32 | u64::from(round));
    rng
}

/// Progress of a session, for the display.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    /// The machine is busy; the text describes it.
    Waiting(String),
    /// Workloads are being loaded: done, total.
    Loading(usize, usize),
    /// The machine warms up.
    WarmingUp,
    /// A visit ended.
    Visit {
        /// Its round, from 1.
        round: u32,
        /// Maximum number of rounds of the session.
        max_rounds: u32,
        /// Number of visits of this round so far.
        done: usize,
        /// Number of visits of a round.
        all: usize,
        /// The visited workload, in words.
        what: String,
    },
    /// A canary ran: its time over the session's usual, minus one.
    Canary(f64),
    /// A round ended: round, converged keys, keys.
    Round(u32, usize, usize),
}
