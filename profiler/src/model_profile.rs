//! The profile of a model: the times of its kernels and of a plain run. It comes from a measurement or from an imported
//! profile of another program.

use std::collections::BTreeMap;

use nasprof_base::statistics::{mean, mean_half_width};
use serde::{Deserialize, Serialize};

use crate::protocol::ModelKernel;

/// Version of the file's format.
pub const PROFILE_VERSION: u32 = 1;

/// A time in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ModelTime {
    /// Mean over sessions.
    pub ms: f64,
    /// 95 % interval of the mean, from the spread of the sessions; absent with one session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_ms: Option<[f64; 2]>,
}

impl ModelTime {
    /// Relative half-width of the interval.
    #[must_use]
    pub fn half_width(&self) -> Option<f64> {
        let [low, high] = self.interval_ms?;
        (self.ms > 0.0).then(|| (high - low) / 2.0 / self.ms)
    }
}

/// The measured model and its device; empty in files of older versions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSubject {
    /// The model file's name.
    pub model: String,
    /// The device's name.
    pub device: String,
    /// Back end; `command` or `imported` if no back end of nasprof measured it.
    pub backend: String,
    /// Number of threads, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<usize>,
}

/// A kernel, as reported by the runtime.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfiledKernel {
    /// Name of its node; it often includes the names of nodes fused into it.
    pub name: String,
    /// Its operator.
    pub operator: String,
    /// Execution provider that runs it; empty if the runtime has only one or does not report it.
    #[serde(default)]
    pub provider: String,
    /// Types and shapes of its inputs, if reported.
    #[serde(default)]
    pub inputs: Vec<String>,
    /// Types and shapes of its outputs, if reported.
    #[serde(default)]
    pub outputs: Vec<String>,
    /// Bytes of its parameters, if reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameter_bytes: Option<u64>,
}

impl From<ModelKernel> for ProfiledKernel {
    fn from(kernel: ModelKernel) -> Self {
        let ModelKernel { name, operator, provider, inputs, outputs, parameter_bytes } = kernel;
        Self { name, operator, provider, inputs, outputs, parameter_bytes: Some(parameter_bytes) }
    }
}

/// One kernel's part of the run time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KernelPart {
    /// The kernel.
    #[serde(flatten)]
    pub kernel: ProfiledKernel,
    /// Its time in a plain run: the measured time minus the cost of timing.
    #[serde(flatten)]
    pub time: ModelTime,
    /// Its share of the sum of all kernels.
    pub share: f64,
    /// Whether the import of a profile found that its time is implausible or a copy.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspicious: bool,
}

/// A measured model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelProfile {
    /// Version of the file's format; absent in the first files.
    #[serde(default = "first_version")]
    pub format_version: u32,
    /// The measured model and its device.
    #[serde(default)]
    pub subject: ModelSubject,
    /// Number of sessions, each a fresh process; 0 if unknown.
    #[serde(default)]
    pub sessions: usize,
    /// The device's facts.
    pub facts: BTreeMap<String, String>,
    /// The inputs as text.
    pub inputs: Vec<String>,
    /// The kernels in the order of execution; in an imported profile of another program, in the order of their names.
    pub kernels: Vec<KernelPart>,
    /// Names of kernels of the model that were not measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<String>,
    /// A plain run, if it was timed.
    pub whole: Option<ModelTime>,
    /// Sum of the measured kernel times, milliseconds.
    pub timed_sum_ms: f64,
    /// Cost of timing one kernel, nanoseconds. It is the same for all kernels and chosen so that they add up to a plain run.
    pub timer_ns: f64,
    /// Sum of the kernels' times divided by a plain run, minus one.
    pub sum_error: Option<f64>,
    /// Milliseconds to create a session.
    pub session_ms: Option<f64>,
    /// Milliseconds of the first run.
    pub first_ms: Option<f64>,
    /// Peak memory in bytes, minus that of the process without the model.
    pub peak_bytes: Option<u64>,
}

fn first_version() -> u32 {
    1
}

/// Mean times of one session, nanoseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct ProfiledSession {
    /// Measured time of each kernel.
    pub kernels: Vec<f64>,
    /// Time of a plain run, if it was timed.
    pub whole: Option<f64>,
}

impl ModelProfile {
    /// Milliseconds of all kernels together.
    #[must_use]
    pub fn sum_ms(&self) -> f64 {
        self.kernels.iter().map(|kernel| kernel.time.ms).sum()
    }

    /// The profile of kernels that all sessions timed. The cost of timing is subtracted only if plain runs were timed too.
    #[must_use]
    pub fn of(
        kernels: Vec<ProfiledKernel>,
        facts: BTreeMap<String, String>,
        inputs: Vec<String>,
        sessions: &[ProfiledSession],
    ) -> Self {
        let wholes: Option<Vec<f64>> = sessions.iter().map(|session| session.whole).collect();
        let whole = wholes.filter(|wholes| !wholes.is_empty()).map(|wholes| time(&wholes));
        // The cost of timing is estimated per session, because the machine's speed differs between sessions.
        let part = |session: &ProfiledSession| match session.whole.filter(|_| whole.is_some()) {
            Some(whole) => without_timer(&session.kernels, whole),
            None => (0.0, session.kernels.clone()),
        };
        let parts: Vec<(f64, Vec<f64>)> = sessions.iter().map(part).collect();
        let kernel_time = |k: usize| time(&parts.iter().map(|(_, kernels)| kernels[k]).collect::<Vec<_>>());
        let times: Vec<ModelTime> = (0..kernels.len()).map(kernel_time).collect();
        let sum: f64 = times.iter().map(|t| t.ms).sum();
        let timed: Vec<f64> = sessions.iter().map(|s| s.kernels.iter().sum::<f64>()).collect();
        let timers: Vec<f64> = parts.iter().map(|(timer, _)| *timer).collect();
        // If all kernels are below the timer's resolution, their times and shares are zero.
        let share = |time: ModelTime| if sum > 0.0 { time.ms / sum } else { 0.0 };
        let part = |(kernel, time)| KernelPart { kernel, time, share: share(time), suspicious: false };
        Self {
            format_version: PROFILE_VERSION,
            subject: ModelSubject::default(),
            sessions: sessions.len(),
            facts,
            inputs,
            kernels: kernels.into_iter().zip(times).map(part).collect(),
            failed: Vec::new(),
            whole,
            timed_sum_ms: mean(&timed).unwrap_or(0.0) / 1e6,
            timer_ns: mean(&timers).unwrap_or(0.0),
            sum_error: whole.map(|whole| sum / whole.ms - 1.0),
            session_ms: None,
            first_ms: None,
            peak_bytes: None,
        }
    }
}

/// The cost of timing one kernel, and the kernel times without it. The same cost is subtracted from each kernel, so that
/// they add up to the whole; no kernel falls below a tenth of its measured time. If the measured sum is not above the whole,
/// nothing is changed: the rest belongs to no kernel.
fn without_timer(kernels: &[f64], whole: f64) -> (f64, Vec<f64>) {
    let less = |timer: f64| kernels.iter().map(|&ns| (ns - timer).max(0.1 * ns)).collect::<Vec<f64>>();
    let (mut low, mut high) = (0.0, kernels.iter().copied().fold(0.0, f64::max));
    if kernels.iter().sum::<f64>() <= whole {
        return (0.0, kernels.to_vec());
    }
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if less(middle).iter().sum::<f64>() > whole { low = middle } else { high = middle }
    }
    (high, less(high))
}

fn time(sessions_ns: &[f64]) -> ModelTime {
    let center = mean(sessions_ns).unwrap_or(0.0);
    let interval = |half: f64| [(center - half).max(0.0) / 1e6, (center + half) / 1e6];
    ModelTime { ms: center / 1e6, interval_ms: mean_half_width(sessions_ns).map(interval) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel(name: &str) -> ProfiledKernel {
        ProfiledKernel {
            name: name.to_owned(),
            operator: "Conv".to_owned(),
            provider: String::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            parameter_bytes: None,
        }
    }

    #[test]
    fn nothing_is_taken_off_where_no_plain_run_was_timed() {
        let of = |whole: Option<f64>| {
            let session = |more: f64| ProfiledSession { kernels: vec![30e6 + more, 10e6 + more], whole };
            let kernels = vec![kernel("a"), kernel("b")];
            ModelProfile::of(kernels, BTreeMap::new(), Vec::new(), &[session(0.0), session(2e6), session(4e6)])
        };
        let alone = of(None);
        assert_eq!((alone.whole, alone.sum_error, alone.timer_ns), (None, None, 0.0));
        let low = |profile: &ModelProfile| profile.kernels[0].time.interval_ms.map(|interval| interval[0]);
        assert!((alone.kernels[0].time.ms - 32.0).abs() < 1e-9 && low(&alone).is_some_and(|low| low < 32.0));
        // The control.
        let with = of(Some(40e6));
        assert!(with.timer_ns > 0.0 && with.sum_error.unwrap().abs() < 1e-6, "{with:?}");
    }

    /// One session has no spread, and a plain zero no share: neither becomes a number that looks like one.
    #[test]
    fn what_is_not_known_is_absent() {
        let of = |ns: f64, sessions: usize| {
            let session = ProfiledSession { kernels: vec![ns], whole: Some(40e6) };
            ModelProfile::of(vec![kernel("a")], BTreeMap::new(), Vec::new(), &vec![session; sessions])
        };
        assert_eq!(of(30e6, 1).kernels[0].time.interval_ms, None);
        assert_eq!(of(0.0, 3).kernels[0].share, 0.0);
        // The control.
        assert!(of(30e6, 3).kernels[0].time.interval_ms.is_some());
        assert_eq!(of(30e6, 3).kernels[0].share, 1.0);
    }

    #[test]
    fn what_timing_takes_is_the_same_for_all_kernels() {
        let truth = [40.0, 10.0, 5.0];
        let timed: Vec<f64> = truth.iter().map(|ns| ns + 2.0).collect();
        let (timer, kernels) = without_timer(&timed, 55.0);
        assert!((timer - 2.0).abs() < 1e-6);
        for (found, expected) in kernels.iter().zip(truth) {
            assert!((found - expected).abs() < 1e-6);
        }
        // A control: nothing is taken off what is too small already.
        assert_eq!(without_timer(&truth, 60.0), (0.0, truth.to_vec()));
        // No kernel becomes nothing.
        assert!(without_timer(&[1.0, 100.0], 50.0).1[0] >= 0.1);
    }
}
