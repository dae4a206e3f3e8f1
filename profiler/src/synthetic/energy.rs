//! Energy of a synthetic device: every layer has its own power, counted by a meter with steps.

use std::cell::Cell;
use std::time::Duration;

use nasprof_graph::{Graph, LayerKey, Node};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::truth::{WHOLE_OVERHEAD_NS, hash, layer_truth_ns};
use crate::energy::{Clock, EnergyMeter, measure};
use crate::protocol::Energy;

/// Power with nothing running.
pub const IDLE_WATTS: f64 = 1.0;
/// Standard deviation of the power of a call, relative.
const POWER_NOISE: f64 = 0.02;
const STEP_MICROJOULES: f64 = 61.0;

/// True microjoules of a layer: its key determines a power between 2 and 6 watts.
#[must_use]
pub fn layer_truth_microjoules(graph: &Graph, node: &Node) -> f64 {
    let watts = 2.0 + 4.0 * hash(&format!("power of {}", LayerKey::of(graph, node).as_str()));
    watts * layer_truth_ns(graph, node) / 1e3
}

/// True microjoules of a network: its layers, and idle power in between.
#[must_use]
pub fn network_truth_microjoules(graph: &Graph) -> f64 {
    let layers: f64 = graph.layers().map(|(_, node)| layer_truth_microjoules(graph, node)).sum();
    layers + IDLE_WATTS * WHOLE_OVERHEAD_NS / 1e3
}

/// Simulated time, and the energy used so far.
#[derive(Default)]
struct World {
    nanoseconds: Cell<f64>,
    microjoules: Cell<f64>,
}

impl World {
    fn pass(&self, nanoseconds: f64, microjoules: f64) {
        self.nanoseconds.set(self.nanoseconds.get() + nanoseconds);
        self.microjoules.set(self.microjoules.get() + microjoules);
    }
}

impl Clock for World {
    fn now(&self) -> Duration {
        Duration::from_nanos(self.nanoseconds.get() as u64)
    }

    fn idle(&self, time: Duration) {
        let nanoseconds = time.as_nanos() as f64;
        self.pass(nanoseconds, IDLE_WATTS * nanoseconds / 1e3);
    }
}

struct Meter<'a> {
    world: &'a World,
    begun: f64,
}

impl Meter<'_> {
    fn count(&self) -> f64 {
        (self.world.microjoules.get() / STEP_MICROJOULES).floor() * STEP_MICROJOULES
    }
}

impl EnergyMeter for Meter<'_> {
    fn method(&self) -> String {
        "simulated counter".to_owned()
    }

    fn update(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn step_microjoules(&self, _window: Duration) -> f64 {
        STEP_MICROJOULES
    }

    fn begin(&mut self) -> Result<(), String> {
        self.begun = self.count();
        Ok(())
    }

    fn end(&mut self) -> Result<f64, String> {
        Ok(self.count() - self.begun)
    }
}

/// Measures a graph. The noise depends only on the seed and the graph, so that the order of requests does not matter.
pub(super) fn energy(graph: &Graph, seed: u64) -> Result<Energy, String> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ (hash(&graph.digest()) * 2_f64.powi(53)) as u64);
    let world = World::default();
    let nanoseconds = graph.layers().map(|(_, node)| layer_truth_ns(graph, node)).sum::<f64>() + WHOLE_OVERHEAD_NS;
    let truth = network_truth_microjoules(graph);
    let mut meter = Meter { world: &world, begun: 0.0 };
    measure(&mut meter, &world, |calls| {
        for _ in 0..calls {
            // Uniform noise of this width has the standard deviation [`POWER_NOISE`].
            let noise = 1.0 + POWER_NOISE * 3.0_f64.sqrt() * (2.0 * rng.random::<f64>() - 1.0);
            world.pass(nanoseconds, truth * noise);
        }
        Ok(())
    })
}
