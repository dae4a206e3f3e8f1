//! The board's input power from the output of `tegrastats`, for Jetson boards whose sensors are not readable.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::EnergyMeter;

const PROGRAM: &str = "usr/bin/tegrastats";
const INTERVAL: Duration = Duration::from_millis(100);
const INPUTS: [&str; 3] = ["VDD_IN", "POM_5V_IN", "VDD_5V_IN"];

/// Input rail and milliwatts in a line: `VDD_IN 4567mW/4512mW` (current and average); older systems omit the unit.
fn parse(line: &str) -> Option<(&str, f64)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    fields.windows(2).find_map(|pair| {
        let rail = INPUTS.into_iter().find(|input| *input == pair[0])?;
        let now = pair[1].split('/').next()?;
        let milliwatts: u32 = now.strip_suffix("mW").unwrap_or(now).parse().ok()?;
        Some((rail, f64::from(milliwatts)))
    })
}

/// Integrates power over time (trapezoids).
#[derive(Default)]
struct Sum {
    last: Option<(Instant, f64)>,
    microjoules: f64,
}

impl Sum {
    fn add(&mut self, now: Instant, milliwatts: f64) {
        if let Some((at, power)) = self.last {
            self.microjoules += (power + milliwatts) / 2.0 * 1e3 * now.duration_since(at).as_secs_f64();
        }
        self.last = Some((now, milliwatts));
    }

    /// Energy until `now`, assuming the last line's power since that line.
    fn until(&self, now: Instant) -> Option<f64> {
        let (at, power) = self.last?;
        Some(self.microjoules + power * 1e3 * now.duration_since(at).as_secs_f64())
    }
}

pub(super) struct Tegrastats {
    child: Child,
    rail: String,
    sum: Arc<Mutex<Sum>>,
    begun: f64,
}

impl Tegrastats {
    pub(super) fn find(root: &Path) -> Result<Self, String> {
        let program = root.join(PROGRAM);
        if !program.is_file() {
            return Err(format!("no {PROGRAM}"));
        }
        let interval = INTERVAL.as_millis().to_string();
        let mut command = Command::new(&program);
        command.args(["--interval", &interval]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|e| format!("{}: {e}", program.display()))?;
        let output = child.stdout.take().ok_or("it has no output")?;
        let mut meter = Self { child, rail: String::new(), sum: Arc::default(), begun: 0.0 };
        let mut lines = BufReader::new(output).lines();
        let first = lines.next().and_then(Result::ok).unwrap_or_default();
        let (rail, power) = parse(&first).ok_or_else(|| format!("no input rail in `{}`", first.trim()))?;
        rail.clone_into(&mut meter.rail);
        meter.sum.lock().unwrap_or_else(PoisonError::into_inner).add(Instant::now(), power);
        let sum = Arc::clone(&meter.sum);
        std::thread::spawn(move || {
            // The thread ends with the program, because its output ends.
            for line in lines.map_while(Result::ok) {
                if let Some((_, power)) = parse(&line) {
                    sum.lock().unwrap_or_else(PoisonError::into_inner).add(Instant::now(), power);
                }
            }
        });
        Ok(meter)
    }

    fn now(&self) -> Result<f64, String> {
        let sum = self.sum.lock().unwrap_or_else(PoisonError::into_inner);
        let (now, last) = (Instant::now(), sum.last.map(|(at, _)| at));
        // If the program stops printing, the power must not appear constant.
        if last.is_none_or(|at| now.duration_since(at) > 5 * INTERVAL) {
            return Err("tegrastats stopped printing".to_owned());
        }
        sum.until(now).ok_or_else(|| "tegrastats printed nothing".to_owned())
    }
}

impl Drop for Tegrastats {
    fn drop(&mut self) {
        // An error means that the program has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl EnergyMeter for Tegrastats {
    fn method(&self) -> String {
        format!("power of the rail {} from tegrastats, integrated", self.rail)
    }

    fn update(&self) -> Duration {
        INTERVAL
    }

    fn step_microjoules(&self, window: Duration) -> f64 {
        // It prints whole milliwatts, but the sensor's own step is about 40.
        40_000.0 * window.as_secs_f64()
    }

    fn begin(&mut self) -> Result<(), String> {
        self.begun = self.now()?;
        Ok(())
    }

    fn end(&mut self) -> Result<f64, String> {
        Ok(self.now()? - self.begun)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_new_and_old_boards() {
        let orin = "RAM 2847/7620MB (lfb 2x4MB) SWAP 0/3810MB CPU [1%@729,off] GR3D_FREQ 0% cpu@44.1C VDD_IN 4567mW/4512mW \
                    VDD_CPU_GPU_CV 482mW/482mW VDD_SOC 1407mW/1407mW";
        assert_eq!(parse(orin), Some(("VDD_IN", 4567.0)));
        assert_eq!(parse("RAM 1/2MB POM_5V_IN 2508/2470 POM_5V_GPU 0/0"), Some(("POM_5V_IN", 2508.0)));
        for bad in
            ["", "VDD_IN", "VDD_IN x/y", "VDD_IN -5mW/1mW", "RAM 1/2MB", "VDD_IN 99999999999mW/1mW", "XVDD_IN 1/1"]
        {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn power_is_summed_over_time() {
        let start = Instant::now();
        let mut sum = Sum::default();
        assert_eq!(sum.until(start), None);
        sum.add(start, 1000.0);
        sum.add(start + Duration::from_secs(1), 3000.0);
        assert_eq!(sum.microjoules, 2e6);
        assert_eq!(sum.until(start + Duration::from_secs(2)), Some(5e6));
    }
}
