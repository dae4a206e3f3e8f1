//! Samples a noise model while virtual time passes.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::Model;

/// Delay of a preempted run.
const PREEMPTION_NS: f64 = 2e6;

/// The disturbances of one timed run.
#[derive(Clone, Copy)]
pub(super) struct RunState {
    pub(super) preempted: bool,
    pub(super) slow_mode: bool,
}

pub(super) struct Noise {
    model: Model,
    rng: ChaCha8Rng,
    /// Virtual nanoseconds since the session began.
    now: f64,
    wander: f64,
    processor: f64,
    session: f64,
}

impl Noise {
    pub(super) fn new(model: Model, mut rng: ChaCha8Rng) -> Self {
        let session = model.session_sigma * normal(&mut rng);
        let wander = model.wander.map_or(0.0, |(sigma, _)| sigma * normal(&mut rng));
        let processor = model.processor_wander.map_or(0.0, |(sigma, _)| sigma * normal(&mut rng));
        Self { model, rng, now: 0.0, wander, processor, session }
    }

    /// Whether the model's slow-down is active now.
    pub(super) fn is_in_step(&self) -> bool {
        self.model.step.is_some_and(|(_, from, to)| (from..to).contains(&(self.now / 1e9)))
    }

    /// Current factor of the layers that drift alone.
    pub(super) fn own_drift(&self) -> f64 {
        self.model.drifting.map_or(1.0, |(_, total, over)| 1.0 + total * (self.now / 1e9 / over).min(1.0))
    }

    /// Current factor of launches on the processor beside a GPU.
    pub(super) fn processor(&self) -> f64 {
        self.processor.exp()
    }

    /// Lets time pass with nothing running.
    pub(super) fn rest(&mut self, ns: f64) {
        self.advance(ns);
    }

    /// Lets the time of an untimed run pass.
    pub(super) fn pass(&mut self, truth_ns: f64) {
        let factor = self.common(1.0).exp();
        self.advance(truth_ns * factor);
    }

    /// Starts a timed run.
    pub(super) fn begin(&mut self) -> RunState {
        RunState {
            preempted: self.rng.random::<f64>() < self.model.preemption,
            slow_mode: self.model.bimodal.is_some_and(|(share, _)| self.rng.random::<f64>() < share),
        }
    }

    /// Measured nanoseconds for true ones; that time passes.
    pub(super) fn sample(&mut self, truth_ns: f64, run: RunState) -> u64 {
        let mut time = truth_ns * (self.common(1.0) + self.model.sigma * normal(&mut self.rng)).exp();
        if run.slow_mode {
            time *= 1.0 + self.model.bimodal.map_or(0.0, |(_, gap)| gap);
        }
        if let Some((share, mean)) = self.model.tail
            && self.rng.random::<f64>() < share
        {
            time += truth_ns * mean * -(1.0 - self.rng.random::<f64>()).ln();
        }
        if run.preempted {
            time += PREEMPTION_NS;
        }
        self.advance(time);
        self.read(time)
    }

    pub(super) fn canary(&mut self, truth_ns: f64) -> u64 {
        let time = truth_ns * (self.common(self.model.canary_share) + 0.003 * normal(&mut self.rng)).exp();
        self.advance(time);
        self.read(time)
    }

    fn read(&self, time: f64) -> u64 {
        let step = self.model.timer_step_ns;
        let shown = if step > 0.0 { (time / step).floor() * step } else { time };
        if shown.is_finite() { shown as u64 } else { 0 }
    }

    /// Logarithm of the machine's current common factor. Only `share` of it counts, except for the session level, which
    /// counts fully.
    fn common(&self, share: f64) -> f64 {
        let seconds = self.now / 1e9;
        let mut log = self.wander;
        if let Some((factor, ..)) = self.model.step
            && self.is_in_step()
        {
            log += factor.ln();
        }
        if let Some((total, over)) = self.model.ramp {
            log += (total * (seconds / over).min(1.0)).ln_1p();
        }
        if let Some((excess, tau)) = self.model.warm_up {
            log += (excess * (-seconds / tau).exp()).ln_1p();
        }
        self.session + share * log
    }

    fn advance(&mut self, ns: f64) {
        self.now += ns;
        for (model, level) in
            [(self.model.wander, &mut self.wander), (self.model.processor_wander, &mut self.processor)]
        {
            if let Some((sigma, tau)) = model {
                let keep = (-ns / 1e9 / tau).exp();
                *level = keep * *level + sigma * (1.0 - keep * keep).sqrt() * normal(&mut self.rng);
            }
        }
    }
}

/// Draws a number from the standard normal distribution (Box and Muller 1958).
pub fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    radius * (2.0 * std::f64::consts::PI * rng.random::<f64>()).cos()
}
