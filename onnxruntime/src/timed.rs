//! Timing of plain runs as a whole, and of runs of a second session that times its kernels.

use std::fs;
use std::path::Path;
use std::time::Instant;

use nasprof_agent::timer;
use nasprof_agent::usage::counters;
use nasprof_onnx::profile::{Profile, read_profile};
use nasprof_profiler::protocol::{Run, Visit, VisitRequest};
use ort::session::Session as OrtSession;

use crate::session::Options;

/// Kernel times are whole microseconds, rounded down, so half a microsecond is lost on average.
const LOST_NS: f64 = 500.0;

/// An open network or model.
pub(crate) trait Timed {
    /// One plain run.
    fn run(&mut self) -> Result<(), String>;

    /// Opens a session of the same network or model that times its kernels.
    fn profiled(&self, options: &Options<'_>, folder: &Path) -> Result<OrtSession, String>;

    /// One run of such a session.
    fn run_profiled(&self, session: &mut OrtSession) -> Result<(), String>;

    /// Nanoseconds of each layer in each run of its profile.
    fn times(&self, profile: &Profile) -> Result<Vec<Vec<f64>>, String>;
}

/// Ends a session that timed its kernels, and reads its profile.
pub(crate) fn ended(mut session: OrtSession) -> Result<Profile, String> {
    let file = session.end_profiling().map_err(|e| e.to_string())?;
    let bytes = fs::read(&file).map_err(|e| format!("the profile {file}: {e}"))?;
    let _ = fs::remove_file(&file);
    read_profile(&bytes).map_err(|e| format!("the profile {file} {e}"))
}

/// Nanoseconds of each of `count` layers in each run; `layer` returns the layer of a kernel.
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

/// A function that opens the session of a visit that times the kernels.
pub(crate) type Open<'a> = dyn Fn(&dyn Timed) -> Result<OrtSession, String> + 'a;

/// One visit: plain runs, then runs that time the kernels. They do not alternate: two sessions of one network have separate
/// copies of its weights and values, which displace each other in the caches. Alternating plain runs were up to a fifth
/// slower than those of a network by itself, by different amounts for different networks. LUTs calibrated with them
/// predicted new networks to 2 %; now they do to 0.3 %.
pub(crate) fn visit(
    timed: &mut dyn Timed,
    request: &VisitRequest,
    threads: usize,
    open: &Open<'_>,
) -> Result<Visit, String> {
    let whole = whole_runs(timed, request, threads)?;
    let layers = if request.layer_runs > 0 { layer_runs(timed, request, threads, open)? } else { Vec::new() };
    let (sequence, workload) = (request.sequence, request.workload);
    Ok(Visit { sequence, workload, layers, whole, queued: None, conditions: None })
}

/// Plain runs.
fn whole_runs(timed: &mut dyn Timed, request: &VisitRequest, threads: usize) -> Result<Vec<Run>, String> {
    for _ in 0..request.warm_up_runs {
        timed.run()?;
    }
    let one = |_| {
        let before = counters(threads);
        let start = Instant::now();
        for _ in 0..request.repeat.max(1) {
            timed.run()?;
        }
        let ns = vec![timer::nanoseconds(start)];
        let (switches, faults) = counters(threads).since(before);
        Ok(Run { ns, switches, faults })
    };
    (0..request.whole_runs).map(one).collect()
}

/// Runs of a separate session that times each kernel.
fn layer_runs(timed: &dyn Timed, request: &VisitRequest, threads: usize, open: &Open<'_>) -> Result<Vec<Run>, String> {
    let mut session = open(timed)?;
    // The first runs allocate memory and warm the caches.
    for _ in 0..request.warm_up_runs {
        timed.run_profiled(&mut session)?;
    }
    let one = |_| {
        let before = counters(threads);
        timed.run_profiled(&mut session)?;
        Ok(counters(threads).since(before))
    };
    let disturbed = (0..request.layer_runs).map(one).collect::<Result<Vec<_>, String>>()?;
    let times = timed.times(&ended(session)?)?;
    let untimed = times.len().checked_sub(disturbed.len());
    let untimed = untimed.ok_or_else(|| format!("the profile holds {} of {} runs", times.len(), disturbed.len()))?;
    let run = |(ns, (switches, faults)): (&Vec<f64>, (u64, u64))| Run {
        ns: ns.iter().map(|&ns| ns as u64).collect(),
        switches,
        faults,
    };
    Ok(times[untimed..].iter().zip(disturbed).map(run).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts plain runs; there is nothing that could be opened.
    #[derive(Default)]
    struct Counted {
        plain: usize,
    }

    impl Timed for Counted {
        fn run(&mut self) -> Result<(), String> {
            self.plain += 1;
            Ok(())
        }

        fn profiled(&self, _: &Options<'_>, _: &Path) -> Result<OrtSession, String> {
            unreachable!("the test opens")
        }

        fn run_profiled(&self, _: &mut OrtSession) -> Result<(), String> {
            unreachable!("nothing was opened")
        }

        fn times(&self, _: &Profile) -> Result<Vec<Vec<f64>>, String> {
            unreachable!("nothing was profiled")
        }
    }

    fn request(layer_runs: u32) -> VisitRequest {
        VisitRequest {
            sequence: 3,
            workload: 7,
            warm_up_runs: 5,
            layer_runs,
            whole_runs: 6,
            repeat: 2,
            timings: Vec::new(),
        }
    }

    /// Plain runs are those of a network by itself: all are over before there is a second session of it.
    #[test]
    fn plain_runs_do_not_share_the_caches_with_a_session_that_times_kernels() {
        let mut network = Counted::default();
        let opened = std::cell::Cell::new(0);
        let open = |_: &dyn Timed| {
            opened.set(opened.get() + 1);
            Err("opened".to_owned())
        };
        assert_eq!(visit(&mut network, &request(6), 1, &open).unwrap_err(), "opened");
        assert_eq!((network.plain, opened.get()), (5 + 6 * 2, 1));
        // Control: where no layers are asked for, none is opened.
        let plain = visit(&mut network, &request(0), 1, &open).unwrap();
        assert_eq!((plain.whole.len(), plain.layers.len(), opened.get()), (6, 0, 1));
        assert_eq!((plain.sequence, plain.workload), (3, 7));
    }
}
