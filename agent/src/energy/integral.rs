//! Energy from power: a thread samples the power, and the samples are integrated over time (trapezoids).

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::EnergyMeter;

/// A power sensor.
pub(super) trait PowerSensor: Send + Sync + 'static {
    /// What it measures, in a few words.
    fn method(&self) -> String;
    /// How often its reading changes.
    fn update(&self) -> Duration;
    /// Its resolution in microwatts.
    fn step_microwatts(&self) -> f64;
    /// Current power in microwatts.
    fn read(&self) -> Result<f64, String>;
}

/// The integrating thread, and a sender that stops it when dropped.
struct Running {
    stop: Sender<()>,
    thread: JoinHandle<Result<f64, String>>,
}

/// Integrates a sensor over a window.
pub(super) struct Integral<S> {
    sensor: std::sync::Arc<S>,
    running: Option<Running>,
}

impl<S: PowerSensor> Integral<S> {
    pub(super) fn new(sensor: S) -> Self {
        Self { sensor: std::sync::Arc::new(sensor), running: None }
    }
}

impl<S: PowerSensor> EnergyMeter for Integral<S> {
    fn method(&self) -> String {
        format!("{}, sampled and integrated", self.sensor.method())
    }

    fn update(&self) -> Duration {
        self.sensor.update()
    }

    fn step_microjoules(&self, window: Duration) -> f64 {
        self.sensor.step_microwatts() * window.as_secs_f64()
    }

    fn begin(&mut self) -> Result<(), String> {
        let sensor = std::sync::Arc::clone(&self.sensor);
        let (stop, stopped) = channel::<()>();
        let start = Instant::now();
        let first = sensor.read()?;
        let thread = std::thread::spawn(move || {
            let (mut at, mut power, mut sum) = (start, first, 0.0);
            loop {
                let end = !matches!(stopped.recv_timeout(sensor.update()), Err(RecvTimeoutError::Timeout));
                let (now, next) = (Instant::now(), sensor.read()?);
                sum += (power + next) / 2.0 * now.duration_since(at).as_secs_f64();
                (at, power) = (now, next);
                if end {
                    return Ok(sum);
                }
            }
        });
        self.running = Some(Running { stop, thread });
        Ok(())
    }

    fn end(&mut self) -> Result<f64, String> {
        let Running { stop, thread } = self.running.take().ok_or("the meter was not started")?;
        drop(stop);
        thread.join().map_err(|_| "the thread that reads the power ended".to_owned())?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Constant(Result<f64, String>);

    impl PowerSensor for Constant {
        fn method(&self) -> String {
            "constant".to_owned()
        }
        fn update(&self) -> Duration {
            Duration::from_millis(1)
        }
        fn step_microwatts(&self) -> f64 {
            1000.0
        }
        fn read(&self) -> Result<f64, String> {
            self.0.clone()
        }
    }

    #[test]
    fn constant_power_gives_power_times_time() {
        let mut meter = Integral::new(Constant(Ok(2e6)));
        let before = Instant::now();
        meter.begin().unwrap();
        let begun = Instant::now();
        std::thread::sleep(Duration::from_millis(20));
        let least = begun.elapsed();
        let energy = meter.end().unwrap();
        let most = before.elapsed();
        assert!(energy >= 2e6 * least.as_secs_f64() * 0.999 && energy <= 2e6 * most.as_secs_f64(), "{energy}");
        assert!(meter.end().is_err(), "ended twice");
    }

    #[test]
    fn a_sensor_that_fails_is_an_error() {
        assert_eq!(Integral::new(Constant(Err("gone".to_owned()))).begin(), Err("gone".to_owned()));
    }
}
