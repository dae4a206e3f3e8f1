//! Energy of a network or a layer. It runs until the meter's resolution no longer matters; the energy is divided by the
//! number of runs.
//!
//! A meter counts the whole processor package, board or GPU, including its idle power and other programs. The idle power is
//! therefore measured and stored separately; it is never subtracted.

use std::time::{Duration, Instant};

use crate::protocol::{Energy, EnergyWindow};

/// Number of windows; their spread shows how repeatable the result is.
const WINDOWS: usize = 5;
/// A window lasts at least this long …
const MIN_WINDOW: Duration = Duration::from_millis(200);
/// … and at least this many updates of the meter, so that the incomplete first and last one are at most 2 % each.
const WINDOW_UPDATES: u32 = 50;
/// A window must count at least this many of the meter's steps.
const MIN_STEPS: f64 = 20.0;
/// Maximum window length; a meter that needs more is too coarse.
const MAX_WINDOW: Duration = Duration::from_secs(20);

/// An energy meter.
pub trait EnergyMeter {
    /// What it counts and how, in a few words.
    fn method(&self) -> String;

    /// How often its reading changes.
    fn update(&self) -> Duration;

    /// Its resolution in microjoules for a window of this length.
    fn step_microjoules(&self, window: Duration) -> f64;

    /// Starts counting.
    ///
    /// # Errors
    /// If it cannot be read.
    fn begin(&mut self) -> Result<(), String>;

    /// Microjoules since [`EnergyMeter::begin`].
    ///
    /// # Errors
    /// If the meter cannot be read, or its readings are implausible.
    fn end(&mut self) -> Result<f64, String>;
}

/// Time, real or simulated.
pub trait Clock {
    /// Time since some moment.
    fn now(&self) -> Duration;

    /// Lets time pass with nothing running.
    fn idle(&self, time: Duration);
}

/// The real clock.
pub struct RealClock(Instant);

impl Default for RealClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for RealClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn idle(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// Measures the energy of one call. `run` makes the given number of calls and returns when they are done.
///
/// # Errors
/// If the meter fails or is too coarse, or `run` fails. Energy below the meter's resolution is an error, never zero.
pub fn measure(
    meter: &mut dyn EnergyMeter,
    clock: &dyn Clock,
    mut run: impl FnMut(u64) -> Result<(), String>,
) -> Result<Energy, String> {
    run(1)?;
    let mut length = MIN_WINDOW.max(meter.update() * WINDOW_UPDATES);
    let idle = window(meter, clock, |clock| {
        clock.idle(length);
        Ok(0)
    })?;
    let mut calls = calls_in(clock, length, &mut run)?;
    let mut windows = Vec::new();
    while windows.len() < WINDOWS {
        let seen = window(meter, clock, |_| {
            run(calls)?;
            Ok(calls)
        })?;
        let time = Duration::from_nanos(seen.nanoseconds);
        if seen.microjoules >= MIN_STEPS * meter.step_microjoules(time) {
            windows.push(seen);
        } else if length >= MAX_WINDOW {
            return Err(format!(
                "{} is too coarse: {length:?} gave {:.0} microjoules",
                meter.method(),
                seen.microjoules
            ));
        } else {
            // All windows must have the same length for their spread to be meaningful.
            windows.clear();
            length = (length * 2).min(MAX_WINDOW);
            calls = calls_in(clock, length, &mut run)?;
        }
    }
    let step = |w: &EnergyWindow| {
        let time = Duration::from_nanos(w.nanoseconds);
        // The first and the last update of a window may include energy from outside it.
        let edge = w.microjoules * meter.update().as_secs_f64() / time.as_secs_f64().max(1e-9);
        (meter.step_microjoules(time) + edge) / w.calls as f64
    };
    let resolution_microjoules = windows.iter().map(step).fold(0.0, f64::max);
    let idle_milliwatts = idle.microjoules / (idle.nanoseconds.max(1) as f64 / 1e6);
    Ok(Energy { method: meter.method(), idle_milliwatts, resolution_microjoules, windows })
}

/// The number of calls that fill a window.
fn calls_in(
    clock: &dyn Clock,
    length: Duration,
    run: &mut impl FnMut(u64) -> Result<(), String>,
) -> Result<u64, String> {
    let (start, mut calls, mut batch) = (clock.now(), 0_u64, 1);
    // A tenth of the window is enough to estimate the rate.
    while clock.now() - start < length / 10 {
        run(batch)?;
        calls += batch;
        batch *= 2;
        if calls > 1_000_000_000 {
            return Err("the clock does not advance".to_owned());
        }
    }
    let rate = calls as f64 / (clock.now() - start).as_secs_f64();
    Ok((rate * length.as_secs_f64()).ceil().max(1.0) as u64)
}

fn window(
    meter: &mut dyn EnergyMeter,
    clock: &dyn Clock,
    work: impl FnOnce(&dyn Clock) -> Result<u64, String>,
) -> Result<EnergyWindow, String> {
    meter.begin()?;
    let start = clock.now();
    let calls = work(clock)?;
    let time = clock.now() - start;
    let microjoules = meter.end()?;
    if !microjoules.is_finite() || microjoules < 0.0 {
        return Err(format!("{} counted {microjoules} microjoules", meter.method()));
    }
    Ok(EnergyWindow { calls, nanoseconds: u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), microjoules })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::rc::Rc;

    /// Simulated time in which a call takes 1 ms and 2 W, and idling 0.5 W.
    #[derive(Clone, Default)]
    struct World(Rc<(Cell<Duration>, Cell<f64>)>);

    impl World {
        fn pass(&self, time: Duration, watts: f64) {
            self.0.0.set(self.0.0.get() + time);
            self.0.1.set(self.0.1.get() + watts * time.as_secs_f64() * 1e6);
        }
    }

    impl Clock for World {
        fn now(&self) -> Duration {
            self.0.0.get()
        }
        fn idle(&self, time: Duration) {
            self.pass(time, 0.5);
        }
    }

    struct Meter {
        world: World,
        step: f64,
        begun: f64,
    }

    impl EnergyMeter for Meter {
        fn method(&self) -> String {
            "simulated".to_owned()
        }
        fn update(&self) -> Duration {
            Duration::from_millis(1)
        }
        fn step_microjoules(&self, _: Duration) -> f64 {
            self.step
        }
        fn begin(&mut self) -> Result<(), String> {
            self.begun = self.world.0.1.get();
            Ok(())
        }
        fn end(&mut self) -> Result<f64, String> {
            Ok(((self.world.0.1.get() - self.begun) / self.step).floor() * self.step)
        }
    }

    fn measured(step: f64) -> (Result<Energy, String>, Duration) {
        let world = World::default();
        let mut meter = Meter { world: world.clone(), step, begun: 0.0 };
        let energy = measure(&mut meter, &world, |calls| {
            (0..calls).for_each(|_| world.pass(Duration::from_millis(1), 2.0));
            Ok(())
        });
        (energy, world.now())
    }

    #[test]
    fn energy_per_call_and_idle_power_are_what_they_are() {
        let energy = measured(61.0).0.unwrap();
        assert_eq!(energy.windows.len(), WINDOWS);
        for window in &energy.windows {
            assert!((window.microjoules / window.calls as f64 / 2000.0 - 1.0).abs() < 0.001);
        }
        assert!((energy.idle_milliwatts / 500.0 - 1.0).abs() < 0.01, "{}", energy.idle_milliwatts);
        assert!(energy.resolution_microjoules < 0.02 * 2000.0);
    }

    /// A coarse meter needs long windows, and one that is too coarse gives no number at all.
    #[test]
    fn windows_grow_with_the_step_and_then_give_up() {
        let (fine, short) = measured(61.0);
        let (coarse, long) = measured(400_000.0);
        assert!(long > 10 * short);
        for energy in [fine, coarse] {
            for window in energy.unwrap().windows {
                assert!((window.microjoules / window.calls as f64 / 2000.0 - 1.0).abs() < 0.05);
            }
        }
        let error = measured(20_000_000.0).0.unwrap_err();
        assert!(error.contains("too coarse"), "{error}");
    }
}
