//! Processor clocks through sysfs: governor, boost, minimum and maximum frequency.

use std::fs;
use std::path::PathBuf;

use nasprof_profiler::protocol::Setting;

use super::{ClockControl, ClockError};

const CONTROL: &str = "cpufreq";
const CPUS: &str = "sys/devices/system/cpu";
/// Files with their value for "no boost". A machine has only one of them.
const BOOST: [(&str, &str); 2] = [("cpufreq/boost", "0"), ("intel_pstate/no_turbo", "1")];
const GOVERNOR: &str = "scaling_governor";
const LOWEST: &str = "scaling_min_freq";
const HIGHEST: &str = "scaling_max_freq";
/// Tolerance: drivers round frequencies to steps of the hardware.
const ROUNDING: f64 = 0.01;

/// The processors below a root folder (the real one, or a made-up tree in tests).
pub(super) struct CpuFrequency {
    cpus: PathBuf,
}

impl CpuFrequency {
    pub(super) fn new(root: impl Into<PathBuf>) -> Self {
        Self { cpus: root.into().join(CPUS) }
    }

    /// Numbers of the processors that have a frequency folder.
    fn processors(&self) -> Vec<u32> {
        let entries = fs::read_dir(&self.cpus).into_iter().flatten().flatten();
        let mut numbers: Vec<u32> = entries
            .filter_map(|entry| entry.file_name().to_str()?.strip_prefix("cpu")?.parse().ok())
            .filter(|number| self.cpus.join(format!("cpu{number}/cpufreq")).is_dir())
            .collect();
        numbers.sort_unstable();
        numbers
    }

    fn get(&self, name: &str) -> Result<String, ClockError> {
        let text = fs::read_to_string(self.cpus.join(name)).map_err(|e| wrong(name, e))?;
        Ok(text.trim().to_owned())
    }

    fn set(&self, name: &str, value: &str) -> Result<(), ClockError> {
        fs::write(self.cpus.join(name), value).map_err(|e| wrong(name, format!("cannot write `{value}`: {e}")))
    }

    fn frequency(&self, name: &str) -> Result<u64, ClockError> {
        let text = self.get(name)?;
        text.parse().map_err(|_| wrong(name, format!("`{text}` is not a frequency in kHz")))
    }

    /// The frequency to lock: the highest without boost.
    fn steady(&self, cpu: u32) -> Result<u64, ClockError> {
        let of = |file: &str| format!("cpu{cpu}/cpufreq/{file}");
        let limit = self.frequency(&of(HIGHEST))?;
        // Intel has a file for it; elsewhere the hardware's maximum follows the boost switch.
        let unboosted = [of("base_frequency"), of("cpuinfo_max_freq")];
        let unboosted = unboosted.iter().find(|name| self.cpus.join(name).exists());
        unboosted.map_or(Ok(limit), |name| Ok(limit.min(self.frequency(name)?)))
    }

    /// Whether [`Self::read`] can return this stored name: a damaged file must not cause writes to other files.
    fn knows(&self, name: &str) -> bool {
        BOOST.iter().any(|(file, _)| *file == name)
            || name.strip_prefix("cpu").and_then(|rest| rest.split_once("/cpufreq/")).is_some_and(|(number, file)| {
                number.parse::<u32>().is_ok() && [GOVERNOR, LOWEST, HIGHEST].contains(&file)
            })
    }
}

impl ClockControl for CpuFrequency {
    fn name(&self) -> &'static str {
        CONTROL
    }

    fn read(&mut self) -> Result<Vec<Setting>, ClockError> {
        let boost = BOOST.iter().map(|(name, _)| (*name).to_owned()).filter(|name| self.cpus.join(name).exists());
        let processors = self.processors();
        let knobs = processors.iter().flat_map(|cpu| {
            // They are restored in the same order.
            [GOVERNOR, HIGHEST, LOWEST].map(|file| format!("cpu{cpu}/cpufreq/{file}"))
        });
        // Without frequencies, boost alone does not give a steady clock.
        let names: Vec<String> = if processors.is_empty() { Vec::new() } else { boost.chain(knobs).collect() };
        names.into_iter().map(|name| Ok(setting(&name, self.get(&name)?))).collect()
    }

    fn lock(&mut self) -> Result<Vec<Setting>, ClockError> {
        let mut wanted = Vec::new();
        let mut set = |name: String, value: String| {
            self.set(&name, &value)?;
            wanted.push(setting(&name, value));
            Ok(())
        };
        for (name, value) in BOOST {
            if self.cpus.join(name).exists() {
                set(name.to_owned(), value.to_owned())?;
            }
        }
        for cpu in self.processors() {
            set(format!("cpu{cpu}/cpufreq/{GOVERNOR}"), "performance".to_owned())?;
            let steady = self.steady(cpu)?.to_string();
            set(format!("cpu{cpu}/cpufreq/{HIGHEST}"), steady.clone())?;
            set(format!("cpu{cpu}/cpufreq/{LOWEST}"), steady)?;
        }
        Ok(wanted)
    }

    fn differences(&mut self, wanted: &[Setting]) -> Vec<String> {
        let differs = |setting: &Setting| match self.get(&setting.name) {
            Ok(now) if near(&now, &setting.value) => None,
            Ok(now) => Some(format!("{} is `{now}`, not `{}`", setting.name, setting.value)),
            Err(error) => Some(error.to_string()),
        };
        wanted.iter().filter_map(differs).collect()
    }

    fn restore(&mut self, before: &[Setting]) -> Result<(), ClockError> {
        let known: Vec<Setting> = before.iter().filter(|s| self.knows(&s.name)).cloned().collect();
        // Minimum and maximum bound each other, so one may be accepted only after the other is restored. The final reading
        // decides.
        for _ in 0..2 {
            for setting in &known {
                let _ = self.set(&setting.name, &setting.value);
            }
        }
        let left = self.differences(&known);
        if left.is_empty() { Ok(()) } else { Err(ClockError::ReadBack(left)) }
    }
}

/// Whether two values are equal up to the rounding of frequencies.
fn near(now: &str, wanted: &str) -> bool {
    match (now.parse::<f64>(), wanted.parse::<f64>()) {
        (Ok(now), Ok(wanted)) => (now - wanted).abs() <= ROUNDING * wanted,
        _ => now == wanted,
    }
}

fn setting(name: &str, value: String) -> Setting {
    Setting { control: CONTROL.to_owned(), name: name.to_owned(), value }
}

fn wrong(name: &str, problem: impl ToString) -> ClockError {
    ClockError::Setting { name: name.to_owned(), problem: problem.to_string() }
}
