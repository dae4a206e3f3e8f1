//! What a session measures and how, and what it tells of its progress.

use std::collections::BTreeMap;
use std::time::Instant;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::{Gate, Workload};
use crate::journal::Mode;
use crate::protocol::Setup;

/// What a session measures and how.
#[derive(Debug, Clone)]
pub struct SessionPlan {
    /// All workloads.
    pub workloads: Vec<Workload>,
    /// Where layers are timed.
    pub mode: Mode,
    /// Wanted half-width: of the sampled networks where layers are timed inside them, else of each layer or network.
    pub ci: f64,
    /// Sessions like it that the LUT is made of, itself included: what is wanted is of all of them together.
    pub sessions: u32,
    /// Fewest rounds, whatever the intervals say.
    pub min_rounds: u32,
    /// Most rounds.
    pub max_rounds: u32,
    /// How a busy machine is treated.
    pub gate: Gate,
    /// When to stop measuring; virtual devices know no such time.
    pub deadline: Option<Instant>,
    /// What the agent sets up.
    pub setup: Setup,
    /// Facts that the device must still have (a resumed or second session of one context).
    pub expected: Option<BTreeMap<String, String>>,
}

impl SessionPlan {
    /// The plan with its workloads in this session's own order. What is loaded when decides which blocks of memory a network
    /// gets back later, and layers of the same networks differ by several percent with that: sessions that loaded alike
    /// would agree with each other and not with a third.
    pub(super) fn in_loading_order(&self) -> Self {
        let mut plan = self.clone();
        plan.workloads.shuffle(&mut order(&self.setup, 0));
        plan
    }
}

/// Random numbers for the order of a round, from 1, or of loading: a stream of its own for each, since neighbouring seeds
/// must not share orders.
pub(super) fn order(setup: &Setup, round: u32) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(setup.seed);
    rng.set_stream(u64::from(setup.session) << 32 | u64::from(round));
    rng
}

/// What a session tells the display.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    /// The machine is busy; the text says how.
    Waiting(String),
    /// Workloads are being loaded: done, of how many.
    Loading(usize, usize),
    /// The machine warms up.
    WarmingUp,
    /// A visit ended.
    Visit {
        /// Its round, from 1.
        round: u32,
        /// Most rounds of the session.
        max_rounds: u32,
        /// Visits of this round so far.
        done: usize,
        /// Visits of a round.
        all: usize,
        /// What was visited, in words.
        what: String,
    },
    /// A canary ran: its time over the session's usual, minus one.
    Canary(f64),
    /// A round ended: round, converged keys, keys.
    Round(u32, usize, usize),
}
