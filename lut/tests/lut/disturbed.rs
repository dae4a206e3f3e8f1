//! A process in which the machine was disturbed does not count for the networks that it timed.

use std::sync::Arc;
use std::time::Duration;

use nasprof_lut::{Estimator, Lut, Processes, Validation, WholeSession, holdout_networks, measure_whole, validate};
use nasprof_profiler::engine::{Gate, Recorder};
use nasprof_profiler::protocol::{Device, DeviceError};
use nasprof_profiler::synthetic::{Model, SyntheticDevice};
use nasprof_spaces::Space;
use nasprof_testkit::luts::synthetic_lut;

/// Times three new networks in one process for each slow-down.
fn validated(space: &Space, lut: &Lut, slow_downs: &[f64]) -> Validation {
    let networks = holdout_networks(space, lut, 3, 5).unwrap().networks;
    let session = WholeSession {
        processes: Processes::All(slow_downs.len() as u32),
        ci: None,
        timing: None,
        max_rounds: 12,
        seed: 1,
        gate: Gate { patience: Duration::ZERO, allow_noisy: true },
        deadline: None,
    };
    let quiet = Model::named("quiet").unwrap();
    let mut slow_downs = slow_downs.iter();
    let mut connect = || -> Result<Box<dyn Device>, DeviceError> {
        // At once and for good.
        let ramp = Some((*slow_downs.next().unwrap(), 1e-9));
        Ok(Box::new(SyntheticDevice::new("quiet", Model { ramp, ..quiet })))
    };
    let mut recorder = Recorder::new(Vec::new(), None, Arc::default());
    measure_whole((lut, space), &networks, session, &mut recorder, &mut connect, &mut |_, _, _| ()).unwrap();
    validate(recorder.events(), space, &Estimator::new(lut), None, 1).unwrap()
}

#[test]
fn a_process_that_ran_the_anchors_much_slower_does_not_count() {
    let space = Space::builtin("mobilenet-cifar10").unwrap();
    let lut = synthetic_lut(&space, "quiet", 0);
    let usual = validated(&space, &lut, &[0.0; 5]);
    let off = |other: &Validation| {
        let ratio = |(a, b): (&nasprof_lut::ValidationRow, &nasprof_lut::ValidationRow)| a.measured_ms / b.measured_ms;
        let ratios = other.rows.iter().zip(&usual.rows).map(ratio);
        ratios.map(|ratio| (ratio - 1.0).abs()).fold(0.0, f64::max)
    };
    assert_eq!(usual.disturbed_processes, 0);
    let disturbed = validated(&space, &lut, &[0.0, 0.0, 0.3, 0.0, 0.2]);
    assert_eq!(disturbed.disturbed_processes, 2);
    assert!(off(&disturbed) < 0.01, "{}", off(&disturbed));
    assert!(disturbed.rows.iter().all(|row| row.processes_ms.len() == 3));
    assert!((disturbed.level.unwrap() / usual.level.unwrap() - 1.0).abs() < 0.01);
    // Controls: processes that differ as they usually do all count, and so does each of two, of which none is the median.
    let wandering = validated(&space, &lut, &[0.0, 0.04, 0.0, 0.06, 0.02]);
    assert!(wandering.disturbed_processes == 0 && off(&wandering) > 0.02, "{}", off(&wandering));
    let two = validated(&space, &lut, &[0.0, 0.3]);
    assert!(two.disturbed_processes == 0 && off(&two) > 0.1, "{}", off(&two));
}
