//! The machine's level: the anchors of a LUT, measured again.

use std::path::Path;
use std::time::{Duration, Instant};

use nasprof_base::statistics::mean;
use nasprof_lut::{CurrentLevel, Estimator, Lut, Processes, WholeSession, current_level, level_now, read};
use nasprof_spaces::Space;

use super::context::check_context;
use super::whole::{measured, session};
use super::{print, print_json};
use crate::cli::ContextArgs;
use crate::failure::Failure;
use crate::interruption::Kept;
use crate::resolve::{self, at_batch};

/// Rounds of the anchors if nothing else is measured.
const LEVEL_ROUNDS: u32 = 27;
/// Processes that measure the current level: one would not show how much processes differ.
const PROCESSES: u32 = 2;
/// Maximum rounds in each of these processes.
const ROUNDS: u32 = 12;
/// Time limit for measuring the current level, once the device is connected.
const WITHIN: Duration = Duration::from_secs(10);
/// Seconds until a process has started and the machine is warm.
const START: f64 = 2.5;
/// Minimum runs of each anchor in a process: during loading and sizing, and in one round.
const RUNS: f64 = 12.0;
/// Fewest anchors that give the level a useful interval.
const FEWEST_ANCHORS: usize = 4;

/// Measures the current level of a LUT's device, in at most ten seconds. `space` is at the LUT's batch size.
pub(super) fn now(device: &str, settings: &[String], lut: &Lut, space: &Space) -> Result<CurrentLevel, Failure> {
    if lut.context.anchors.is_empty() {
        return Err(Failure::usage("the LUT has no anchors, so the current level cannot be measured")
            .hint("measure the space again to get a LUT with anchors"));
    }
    lut.check_context(&[("device", Some(device.to_owned()))])?;
    let file = resolve::device(device, settings)?;
    // Clocks are locked as for the LUT; changes to them are reported.
    let mut link = resolve::open(&file)?.locking_clocks(lut.context.header.clocks.is_some());
    let anchors: Vec<f64> =
        lut.context.anchors.iter().map(|anchor| mean(&anchor.sessions_ns).unwrap_or(0.0) / 1e9).collect();
    let (processes, anchors) = fitting(&anchors, WITHIN.as_secs_f64());
    let mut some = lut.clone();
    some.context.anchors.truncate(anchors);
    let session = WholeSession {
        processes: Processes::All(processes),
        timing: Some(Estimator::new(&some).timing()),
        deadline: Some(Instant::now() + WITHIN),
        ..session(1, ROUNDS, true)
    };
    let events = measured((&some, space), &[], session, (&file, &mut link), None, Kept::Nothing, "level")?;
    current_level(&events, &Estimator::new(&some))?.ok_or_else(|| Failure::internal("anchors without a level"))
}

/// How many processes, and how many of the anchors, fit into `within` seconds, given the seconds of each anchor. All
/// anchors in one process are better than some in two: the difference between processes is roughly known already.
fn fitting(anchors: &[f64], within: f64) -> (u32, usize) {
    let fits = |processes: u32, count: usize| {
        f64::from(processes) * (START + RUNS * anchors[..count].iter().sum::<f64>()) <= within
    };
    let all = anchors.len();
    if fits(PROCESSES, all) {
        return (PROCESSES, all);
    }
    let fewest = FEWEST_ANCHORS.min(all);
    (1, (fewest..=all).rev().find(|count| fits(1, *count)).unwrap_or(fewest))
}

/// Re-measures a LUT's anchors and prints the machine's level against it.
pub(super) fn check(
    device: &str,
    settings: &[String],
    lut: &Path,
    space: Option<&str>,
    as_json: bool,
) -> Result<(), Failure> {
    let lut = read(lut)?;
    let (space, identity) =
        at_batch(resolve::space_or(space, &lut.context.header.space, "the LUT")?, lut.context.header.batch)?;
    let context = ContextArgs::default();
    check_context(&lut, &context, &space.name, &identity)?;
    lut.check_context(&[("device", Some(device.to_owned()))])?;
    let file = resolve::device(device, settings)?;
    let mut link = resolve::open(&file)?;
    let events = measured(
        (&lut, &space),
        &[],
        session(1, LEVEL_ROUNDS, true),
        (&file, &mut link),
        None,
        Kept::Nothing,
        "level",
    )?;
    match level_now(&events, &Estimator::new(&lut))? {
        Some(level) if as_json => print_json(&level),
        Some(level) => {
            let [low, high] = level.interval;
            print(format!("level                {:.4} ({low:.4} to {high:.4}) of the LUT", level.level))
        }
        None => Err(Failure::usage("the LUT has no anchors")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_networks_get_fewer_processes_and_then_fewer_anchors() {
        assert_eq!(fitting(&[0.004; 10], 10.0), (2, 10));
        assert_eq!(fitting(&[0.05; 10], 10.0), (1, 10));
        assert_eq!(fitting(&[0.1; 10], 10.0), (1, 6));
        // If not even four fit, the limit is exceeded; two anchors are all there are.
        assert_eq!(fitting(&[2.0; 10], 10.0), (1, 4));
        assert_eq!(fitting(&[2.0; 2], 10.0), (1, 2));
    }
}
