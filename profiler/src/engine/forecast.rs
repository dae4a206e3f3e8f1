//! Forecasts the duration of a measurement.

use nasprof_graph::runtime::Runtime;
use serde::Serialize;

use super::budget::{LEVEL_ROUNDS, LEVEL_SESSIONS};
use super::device_session::WARM_UP_MIN_NS;
use super::plan::{ANCHORS, sampled_networks};
use super::rounds::CHECKPOINTS;
use super::sizing::{network_visit_runs, warm_up_runs};

/// Predicted cost of measuring a space in context.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Forecast {
    /// Networks visited in every round; more if some layers are rare.
    pub networks: u64,
    /// Number of sessions.
    pub sessions: u32,
    /// Minimum and maximum number of rounds of a session.
    pub rounds: [u32; 2],
    /// Seconds for the minimum and for the maximum number of rounds.
    pub seconds: [f64; 2],
}

impl Forecast {
    /// Forecast, on a device without a queue, for a space with `networks` networks and `keys` layers to try, whose average network runs for
    /// `network_seconds`.
    #[must_use]
    pub fn new(runtime: Runtime, networks: u64, keys: usize, sessions: u32, network_seconds: f64) -> Self {
        let networks = networks.min(sampled_networks(runtime, false) as u64);
        let rounds = [CHECKPOINTS[0], CHECKPOINTS[CHECKPOINTS.len() - 1]];
        let run_ns = network_seconds * 1e9;
        // Each run is made twice, with and without timers between the layers.
        let runs = 2 * network_visit_runs(run_ns) + warm_up_runs(run_ns);
        let visit = f64::from(runs) * run_ns / 1e9;
        // The trial runs every layer alone twice; a run takes its average share of a network.
        let trials = 2.0 * keys as f64 * network_seconds / networks.max(1) as f64;
        let seconds = rounds.map(|rounds| {
            let warm_up = WARM_UP_MIN_NS as f64 / 1e9;
            let session = warm_up + f64::from(rounds) * networks as f64 * visit;
            // Anchor-only sessions run without timers between layers, so at most half as many runs.
            let level = warm_up + f64::from(LEVEL_ROUNDS) * networks.min(ANCHORS as u64) as f64 * visit;
            trials + f64::from(sessions) * session + f64::from(LEVEL_SESSIONS) * level
        });
        Self { networks, sessions, rounds, seconds }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_and_sessions_add_up() {
        // 5 ms: two pairs of runs fill the 20 ms of a visit, after five that warm up; three sessions of ten anchors.
        let forecast = Forecast::new(Runtime::TorchEager, 1_000_000, 0, 2, 5e-3);
        assert_eq!((forecast.networks, forecast.rounds), (45, [8, 40]));
        let level = 3.0 * (0.5 + 2.0 * 10.0 * 45e-3);
        assert!((forecast.seconds[0] - 2.0 * (0.5 + 8.0 * 45.0 * 45e-3) - level).abs() < 1e-9);
        assert!((forecast.seconds[1] - 2.0 * (0.5 + 40.0 * 45.0 * 45e-3) - level).abs() < 1e-9);
        // A slow network still runs twice each way, after two that warm up.
        let slow = Forecast::new(Runtime::TorchEager, 1, 0, 1, 1.0);
        assert!((slow.seconds[0] - (0.5 + 8.0 * 6.0) - 3.0 * (0.5 + 2.0 * 6.0)).abs() < 1e-9);
    }

    /// As many as the plan draws: a runtime that fuses needs fewer.
    #[test]
    fn networks_are_those_that_the_plan_draws() {
        for runtime in [Runtime::TorchEager, Runtime::OnnxRuntimeNchw16c] {
            let forecast = Forecast::new(runtime, 1_000_000, 0, 2, 5e-3);
            assert_eq!(forecast.networks, sampled_networks(runtime, false) as u64);
        }
        assert_eq!(Forecast::new(Runtime::OnnxRuntime, 1_000_000, 0, 2, 5e-3).networks, 30);
    }
}
