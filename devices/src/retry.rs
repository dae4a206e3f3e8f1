//! Retries after a lost device.

use std::time::Duration;

use nasprof_profiler::engine::{EngineError, Recorder};
use nasprof_profiler::journal::Event;
use nasprof_profiler::protocol::DeviceError;

use crate::pauses::{Clock, Pauses, SystemClock};

/// Interval of the checks whether the user wants to stop.
const STEP: Duration = Duration::from_millis(100);

/// Runs `attempt` again when the device is lost: recorded events are replayed, and only the interrupted visit is measured
/// again. Gives up after `patience` without a new observation. `waiting` gets the reason and the pause.
///
/// # Errors
/// That of the last attempt.
pub fn retry<T>(
    patience: Duration,
    recorder: &mut Recorder,
    waiting: &mut dyn FnMut(&str, Duration),
    attempt: &mut dyn FnMut(&mut Recorder) -> Result<T, EngineError>,
) -> Result<T, EngineError> {
    retry_in(&SystemClock::new(), patience, recorder, waiting, attempt)
}

fn retry_in<T>(
    clock: &dyn Clock,
    patience: Duration,
    recorder: &mut Recorder,
    waiting: &mut dyn FnMut(&str, Duration),
    attempt: &mut dyn FnMut(&mut Recorder) -> Result<T, EngineError>,
) -> Result<T, EngineError> {
    let mut best = 0;
    let mut pauses = Pauses::within(patience, clock);
    loop {
        let lost = match attempt(recorder) {
            Err(EngineError::Device(DeviceError::Lost(problem))) => problem,
            result => return result,
        };
        let observed = observed(recorder);
        if observed > best {
            best = observed;
            pauses.restart(clock);
        }
        let Some(pause) = pauses.next(clock) else {
            return Err(EngineError::Device(DeviceError::Lost(lost)));
        };
        waiting(&lost, pause);
        let end = clock.now() + pause;
        loop {
            if recorder.is_interrupted() {
                return Err(EngineError::Interrupted);
            }
            let left = end.saturating_sub(clock.now());
            if left.is_zero() {
                break;
            }
            clock.sleep(left.min(STEP));
        }
        recorder.rewind();
    }
}

/// Number of events from the device. [`Event::Resumed`] does not count, because a device that always dies at the same place
/// makes no progress.
fn observed(recorder: &Recorder) -> usize {
    recorder.events().iter().filter(|event| !matches!(event, Event::Resumed)).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use crate::pauses::tests::MadeUp;

    const PATIENCE: Duration = Duration::from_millis(1500);

    fn lost<T>() -> Result<T, EngineError> {
        Err(EngineError::Device(DeviceError::Lost("cable".to_owned())))
    }

    fn recorder() -> Recorder {
        Recorder::new(Vec::new(), None, Arc::new(AtomicBool::new(false)))
    }

    /// Each attempt gets one event further; what was observed once is not observed again.
    #[test]
    fn every_event_is_observed_once_however_often_the_device_is_lost() {
        let (mut observed, mut waits) = (0, 0);
        let result = retry_in(&MadeUp::default(), PATIENCE, &mut recorder(), &mut |_, _| waits += 1, &mut |recorder| {
            for step in 0..3 {
                let fresh = observed == step;
                recorder.next(false, || {
                    observed += 1;
                    Ok(Event::Planned)
                })?;
                if fresh && step < 2 {
                    return lost();
                }
            }
            Ok(recorder.events().len())
        });
        assert_eq!((result.unwrap(), observed, waits), (3, 3, 2));
    }

    #[test]
    fn it_gives_up_without_progress_and_marks_of_resumption_are_none() {
        let mut attempts = 0;
        let result: Result<(), _> =
            retry_in(&MadeUp::default(), PATIENCE, &mut recorder(), &mut |_, _| {}, &mut |recorder| {
                attempts += 1;
                recorder.decide(Event::Resumed)?;
                lost()
            });
        assert!(matches!(result, Err(EngineError::Device(DeviceError::Lost(_)))));
        assert_eq!(attempts, 2);
    }

    #[test]
    fn no_patience_means_one_attempt_and_other_errors_are_not_tried_again() {
        let mut attempts = 0;
        let once: Result<(), _> =
            retry_in(&MadeUp::default(), Duration::ZERO, &mut recorder(), &mut |_, _| {}, &mut |_| {
                attempts += 1;
                lost()
            });
        let refused: Result<(), _> =
            retry_in(&MadeUp::default(), PATIENCE, &mut recorder(), &mut |_, _| {}, &mut |_| {
                attempts += 1;
                Err(DeviceError::Refused("no".to_owned()).into())
            });
        assert!(once.is_err() && refused.is_err());
        assert_eq!(attempts, 2);
    }

    #[test]
    fn the_user_can_stop_the_waiting() {
        let flag = Arc::new(AtomicBool::new(false));
        let mut recorder = Recorder::new(Vec::new(), None, Arc::clone(&flag));
        let mut stop = |_: &str, _| flag.store(true, std::sync::atomic::Ordering::Relaxed);
        let result: Result<(), _> =
            retry_in(&MadeUp::default(), Duration::from_secs(60), &mut recorder, &mut stop, &mut |_| lost());
        assert!(matches!(result, Err(EngineError::Interrupted)));
    }
}
