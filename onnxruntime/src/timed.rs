//! What is timed: plain runs as a whole, and in turn with them runs of a second session that times its kernels.

use std::fs;
use std::path::Path;
use std::time::Instant;

use nasprof_agent::timer;
use nasprof_agent::usage::counters;
use nasprof_onnx::profile::{Profile, read_profile};
use nasprof_profiler::protocol::{Run, Visit, VisitRequest};
use ort::session::Session as OrtSession;

use crate::session::Options;

/// Profiled runs that are averaged for one: kernels are timed in whole microseconds only.
const AVERAGED: usize = 2;
/// Those are rounded down: half a microsecond is lost on average.
const LOST_NS: f64 = 500.0;

/// A network or model that is open.
pub(crate) trait Timed {
    /// One plain run.
    fn run(&mut self) -> Result<(), String>;

    /// A session of the same that times its kernels.
    fn profiled(&self, options: &Options<'_>, folder: &Path) -> Result<OrtSession, String>;

    /// One run of such a session.
    fn run_profiled(&self, session: &mut OrtSession) -> Result<(), String>;

    /// Nanoseconds of each layer in each run of its profile.
    fn times(&self, profile: &Profile) -> Result<Vec<Vec<f64>>, String>;
}

/// Ends a session that timed its kernels, and reads what it wrote.
pub(crate) fn ended(mut session: OrtSession) -> Result<Profile, String> {
    let file = session.end_profiling().map_err(|e| e.to_string())?;
    let bytes = fs::read(&file).map_err(|e| format!("the profile {file}: {e}"))?;
    let _ = fs::remove_file(&file);
    read_profile(&bytes).map_err(|e| format!("the profile {file} {e}"))
}

/// Nanoseconds of each of `count` layers in each run; `layer` gives the layer of a kernel.
pub(crate) fn kernel_ns(profile: &Profile, count: usize, layer: impl Fn(usize) -> Option<usize>) -> Vec<Vec<f64>> {
    let run = |run: &nasprof_onnx::profile::ProfiledRun| {
        let mut ns = vec![0.0; count];
        for &(node, us) in &run.kernels {
            if let Some(layer) = layer(node) {
                ns[layer] += us as f64 * 1e3 + LOST_NS;
            }
        }
        ns
    };
    profile.runs.iter().map(run).collect()
}

/// One visit.
pub(crate) fn visit(
    timed: &mut dyn Timed,
    request: &VisitRequest,
    options: &Options<'_>,
    folder: &Path,
) -> Result<Visit, String> {
    let threads = options.setup.threads;
    let mut profiled = (request.layer_runs > 0).then(|| timed.profiled(options, folder)).transpose()?;
    for _ in 0..request.warm_up_runs {
        timed.run()?;
        if let Some(session) = &mut profiled {
            timed.run_profiled(session)?;
        }
    }
    let mut whole = Vec::new();
    let mut disturbed = Vec::new();
    for i in 0..request.layer_runs.max(request.whole_runs) {
        if let Some(session) = profiled.as_mut().filter(|_| i < request.layer_runs) {
            let before = counters(threads);
            for _ in 0..AVERAGED {
                timed.run_profiled(session)?;
            }
            disturbed.push(counters(threads).since(before));
        }
        if i < request.whole_runs {
            let before = counters(threads);
            let start = Instant::now();
            for _ in 0..request.repeat.max(1) {
                timed.run()?;
            }
            let ns = vec![timer::nanoseconds(start)];
            let (switches, faults) = counters(threads).since(before);
            whole.push(Run { ns, switches, faults });
        }
    }
    let mut times = match profiled {
        Some(session) => timed.times(&ended(session)?)?,
        None => Vec::new(),
    };
    // The first runs allocate, and warm the caches up.
    let wanted = AVERAGED * disturbed.len();
    if times.len() < wanted {
        return Err(format!("the profile holds {} of {wanted} runs", times.len()));
    }
    let times = times.split_off(times.len() - wanted);
    let layers = times.chunks(AVERAGED).zip(disturbed).map(|(runs, (switches, faults))| {
        let mean = |layer: usize| runs.iter().map(|run| run[layer]).sum::<f64>() / runs.len() as f64;
        Run { ns: (0..runs[0].len()).map(|layer| mean(layer) as u64).collect(), switches, faults }
    });
    Ok(Visit {
        sequence: request.sequence,
        workload: request.workload,
        layers: layers.collect(),
        whole,
        queued: None,
        conditions: None,
    })
}
