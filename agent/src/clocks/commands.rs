//! Clock control by shell commands of a device file, for accounts that may run only these commands as root.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use nasprof_profiler::protocol::{ClockCommands, Setting};

use super::cpufreq::CpuFrequency;
use super::{ClockControl, ClockError};

const CONTROL: &str = "commands";
/// Name of the setting that stores the restoring command, so that a later holder needs no device file.
const RESTORE: &str = "restore";
const SET: &str = "set";

/// The commands; their effect is checked by the processors' clocks, if these are visible.
pub(super) struct Commands {
    root: PathBuf,
    commands: ClockCommands,
}

impl Commands {
    pub(super) fn new(root: impl Into<PathBuf>, commands: &ClockCommands) -> Self {
        Self { root: root.into(), commands: commands.clone() }
    }

    /// Visible governors and frequencies, as settings of this control.
    fn shown(&self) -> Result<Vec<Setting>, ClockError> {
        let settings = CpuFrequency::new(&self.root).read()?;
        Ok(settings.into_iter().map(|s| Setting { control: CONTROL.to_owned(), ..s }).collect())
    }
}

fn setting(name: &str, value: &str) -> Setting {
    Setting { control: CONTROL.to_owned(), name: name.to_owned(), value: value.to_owned() }
}

/// Runs a command of the device file with the device's shell.
fn run(command: &str) -> Result<(), ClockError> {
    let wrong = |problem: String| ClockError::Setting { name: format!("`{command}`"), problem };
    let output = Command::new("sh").args(["-c", command]).stdin(Stdio::null()).output();
    let output = output.map_err(|e| wrong(e.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or_default().to_owned();
    Err(wrong(format!("{} {words}", output.status)))
}

/// Whether every processor has a fixed frequency or the governor `performance`.
fn is_steady(settings: &[Setting]) -> bool {
    let values =
        |file: &str| settings.iter().filter(|s| s.name.ends_with(file)).map(|s| s.value.as_str()).collect::<Vec<_>>();
    let (lowest, highest, governors) = (values("_min_freq"), values("_max_freq"), values("_governor"));
    lowest == highest || governors.iter().all(|governor| *governor == "performance")
}

impl ClockControl for Commands {
    fn name(&self) -> &'static str {
        CONTROL
    }

    fn read(&mut self) -> Result<Vec<Setting>, ClockError> {
        let shown = self.shown()?;
        run(&self.commands.store)?;
        Ok(std::iter::once(setting(RESTORE, &self.commands.restore)).chain(shown).collect())
    }

    fn lock(&mut self) -> Result<Vec<Setting>, ClockError> {
        run(&self.commands.set)?;
        let now = self.shown()?;
        if !is_steady(&now) {
            let problem = format!("`{}` ran, but the processors' clocks still vary", self.commands.set);
            return Err(ClockError::ReadBack(vec![problem]));
        }
        Ok(std::iter::once(setting(SET, &self.commands.set)).chain(now).collect())
    }

    fn differences(&mut self, wanted: &[Setting]) -> Vec<String> {
        let visible: Vec<Setting> =
            wanted.iter().filter(|s| ![SET, RESTORE].contains(&s.name.as_str())).cloned().collect();
        CpuFrequency::new(&self.root).differences(&visible)
    }

    fn restore(&mut self, before: &[Setting]) -> Result<(), ClockError> {
        let Some(command) = before.iter().find(|s| s.name == RESTORE) else { return Ok(()) };
        run(&command.value)?;
        let left = self.differences(before);
        if left.is_empty() { Ok(()) } else { Err(ClockError::ReadBack(left)) }
    }
}
