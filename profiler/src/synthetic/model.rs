//! Noise models by name.

use nasprof_base::suggest;

/// The disturbances of a synthetic device. With all fields zero or `None` there is no noise.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Model {
    /// Standard deviation of the logarithm of each sample, independent.
    pub sigma: f64,
    /// Share of samples with an exponential delay, and its mean relative to the sample.
    pub tail: Option<(f64, f64)>,
    /// Share of samples in a slower mode, and how much slower.
    pub bimodal: Option<(f64, f64)>,
    /// Common machine factor: standard deviation of its logarithm and correlation time in seconds
    /// (an Ornstein-Uhlenbeck process in virtual time).
    pub wander: Option<(f64, f64)>,
    /// Of the processor beside a GPU: standard deviation of the logarithm of the time of launches, and correlation time in seconds.
    pub processor_wander: Option<(f64, f64)>,
    /// Share of `wander`, `step` and `ramp` that affects the canary; layers are fully affected.
    pub canary_share: f64,
    /// A slow-down: its factor, and the virtual seconds at which it begins and ends.
    pub step: Option<(f64, f64, f64)>,
    /// Whether the device reports that a visit was within `step`.
    pub reports_throttling: bool,
    /// Linear slow-down: total share, and its duration in virtual seconds.
    pub ramp: Option<(f64, f64)>,
    /// An operation whose layers alone become slower: its name, the total share, and the duration in virtual seconds.
    pub drifting: Option<(&'static str, f64, f64)>,
    /// An operation whose layers are slower than usual: its name and the factor.
    pub heavy: Option<(&'static str, f64)>,
    /// Slow start: its initial share, and the time constant of its decay in seconds.
    pub warm_up: Option<(f64, f64)>,
    /// Number of slower runs at the start of a visit, and the share: other networks have displaced the weights from the
    /// caches.
    pub cold_runs: Option<(u32, f64)>,
    /// Layers that are slower by a share because their kind ran more than this many bytes ago ([`nasprof_graph::reuse`]).
    pub cold_beyond: Option<(u64, f64)>,
    /// Exponent of a factor for all layers of a network: the network's MACs divided by ten million, to this power.
    pub growth: f64,
    /// Probability that a run is preempted. This adds two milliseconds and a context switch.
    pub preemption: f64,
    /// Standard deviation of the logarithm of each session's level.
    pub session_sigma: f64,
    /// The timer counts in steps of this many nanoseconds; infinite: it always reads zero.
    pub timer_step_ns: f64,
    /// Whether the machine looks busy to the gate.
    pub busy: bool,
    /// Whether the device has no energy meter.
    pub meterless: bool,
    /// Whether it is a processor with a queue, such as a GPU.
    pub queue: bool,
    /// Name of an operation that does not run.
    pub fails: Option<&'static str>,
    /// How many networks its memory holds.
    pub networks: Option<usize>,
}

/// All named models: name, description, model.
const MODELS: [(&str, &str, Model); 31] = {
    const NONE: Model = Model {
        sigma: 0.0,
        tail: None,
        bimodal: None,
        wander: None,
        processor_wander: None,
        canary_share: 1.0,
        step: None,
        reports_throttling: false,
        ramp: None,
        drifting: None,
        heavy: None,
        warm_up: None,
        cold_runs: None,
        cold_beyond: None,
        growth: 0.0,
        preemption: 0.0,
        session_sigma: 0.0,
        timer_step_ns: 0.0,
        busy: false,
        meterless: false,
        queue: false,
        fails: None,
        networks: None,
    };
    [
        ("quiet", "hardly any noise", Model { sigma: 0.005, session_sigma: 0.002, ..NONE }),
        // Another board of the same kind, a tenth slower.
        (
            "quiet-slower",
            "like quiet, but 10 % slower",
            Model { sigma: 0.005, session_sigma: 0.002, ramp: Some((0.1, 1e-9)), ..NONE },
        ),
        ("noisy", "2 % noise in each sample", Model { sigma: 0.02, session_sigma: 0.005, ..NONE }),
        ("tail", "one sample in ten is delayed", Model { sigma: 0.01, tail: Some((0.1, 0.3)), ..NONE }),
        (
            "bimodal",
            "a third of the samples are 5 % slower",
            Model { sigma: 0.005, bimodal: Some((0.35, 0.05)), ..NONE },
        ),
        ("wander-fast", "a level that wanders within 50 ms", Model { sigma: 0.01, wander: Some((0.03, 0.05)), ..NONE }),
        (
            "wander",
            "a level that wanders within half a second",
            Model { sigma: 0.01, wander: Some((0.03, 0.5)), ..NONE },
        ),
        (
            "wander-slow",
            "a level that wanders within seconds",
            Model { sigma: 0.01, wander: Some((0.03, 5.0)), ..NONE },
        ),
        // The slow-down begins after the warm-up of half a second; earlier it would look like the usual level.
        (
            "throttle",
            "slowed down by a quarter for two seconds",
            Model { sigma: 0.01, step: Some((1.25, 1.0, 3.0)), ..NONE },
        ),
        (
            "throttle-partial",
            "like throttle, but the canary sees only part of it",
            Model { sigma: 0.01, step: Some((1.25, 1.0, 3.0)), canary_share: 0.7, ..NONE },
        ),
        // Slow-downs that the device reports: for a minute and a half, and for good.
        (
            "throttle-reported",
            "slowed down for 90 seconds, and reports it",
            Model { sigma: 0.01, step: Some((1.25, 1.0, 90.0)), reports_throttling: true, ..NONE },
        ),
        (
            "throttle-lasting",
            "slowed down permanently, and reports it",
            Model { sigma: 0.01, step: Some((1.25, 1.0, f64::INFINITY)), reports_throttling: true, ..NONE },
        ),
        ("ramp", "becomes 6 % slower within five seconds", Model { sigma: 0.01, ramp: Some((0.06, 5.0)), ..NONE }),
        // For a session of a few virtual seconds, most of which is warm-up.
        (
            "drift-together",
            "all layers become 60 % slower within ten seconds",
            Model { sigma: 0.01, ramp: Some((0.6, 10.0)), canary_share: 0.0, ..NONE },
        ),
        (
            "drift-one",
            "one layer takes five times as long after ten seconds",
            Model { sigma: 0.01, drifting: Some(("linear", 4.0, 10.0)), ..NONE },
        ),
        (
            "dominant",
            "one layer takes half of a network's time; the level wanders",
            Model { sigma: 0.01, wander: Some((0.03, 0.5)), heavy: Some(("linear", 100.0)), ..NONE },
        ),
        (
            "warm-up",
            "starts 30 % slower and warms up within seconds",
            Model { sigma: 0.005, warm_up: Some((0.3, 1.0)), ..NONE },
        ),
        (
            "cold-start",
            "the first three runs of a visit are slower",
            Model { sigma: 0.005, cold_runs: Some((3, 0.3)), ..NONE },
        ),
        (
            "caches",
            "slower where a kind of layer ran long ago",
            Model { sigma: 0.005, session_sigma: 0.002, cold_beyond: Some((1_500_000, 0.5)), ..NONE },
        ),
        (
            "crowded",
            "large networks take more than the sum of their layers",
            Model { sigma: 0.005, session_sigma: 0.002, growth: 0.1, ..NONE },
        ),
        ("preempted", "a third of the runs are preempted", Model { sigma: 0.01, preemption: 0.3, ..NONE }),
        ("sessions", "levels of processes differ by 5 %", Model { sigma: 0.005, session_sigma: 0.05, ..NONE }),
        ("coarse-timer", "a timer with steps of 1 us", Model { sigma: 0.01, timer_step_ns: 1000.0, ..NONE }),
        ("busy", "refused as too noisy", Model { sigma: 0.02, busy: true, ..NONE }),
        (
            "gpu",
            "a GPU: launches, marks and gaps between kernels cost time",
            Model { sigma: 0.002, session_sigma: 0.002, queue: true, ..NONE },
        ),
        (
            "gpu-wandering",
            "a GPU whose level differs from process to process by 2 %",
            Model { sigma: 0.002, session_sigma: 0.02, queue: true, ..NONE },
        ),
        (
            "gpu-preempted",
            "a GPU in a machine whose processor other programs use as well",
            Model { sigma: 0.002, session_sigma: 0.002, queue: true, preemption: 5e-4, ..NONE },
        ),
        (
            "gpu-shared-host",
            "a GPU in a machine whose processor becomes faster and slower by a fifth within a second",
            Model { sigma: 0.002, session_sigma: 0.002, queue: true, processor_wander: Some((0.2, 0.8)), ..NONE },
        ),
        ("no-meter", "no energy meter", Model { sigma: 0.005, meterless: true, ..NONE }),
        (
            "no-pool",
            "does not run global average pooling",
            Model { sigma: 0.005, fails: Some("global_avg_pool"), ..NONE },
        ),
        ("little-memory", "holds 6 networks at a time", Model { sigma: 0.005, networks: Some(6), ..NONE }),
    ]
};

/// The known names.
pub fn names() -> impl Iterator<Item = &'static str> {
    MODELS.iter().map(|(name, ..)| *name)
}

/// The description of a named device.
#[must_use]
pub fn description(name: &str) -> Option<&'static str> {
    MODELS.iter().find(|(known, ..)| *known == name).map(|(_, description, _)| *description)
}

impl Model {
    /// A model by name.
    ///
    /// # Errors
    /// An unknown name, with the nearest known one.
    pub fn named(name: &str) -> Result<Self, String> {
        // The name of this model in older journals and scripts.
        let name = if name == "throttle-told" { "throttle-reported" } else { name };
        MODELS.iter().find(|(known, ..)| *known == name).map(|(.., model)| *model).ok_or_else(|| {
            let nearest = suggest::nearest(name, names());
            format!("no synthetic device `{name}`{}", suggest::did_you_mean(nearest.as_deref()))
        })
    }
}
