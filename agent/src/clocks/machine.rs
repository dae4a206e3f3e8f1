//! All clock controls of one device.

use std::collections::BTreeSet;
use std::path::Path;

use nasprof_profiler::protocol::{ClockRequest, Setting, Stored};

use super::commands::Commands;
use super::cpufreq::CpuFrequency;
use super::jetson::{JetsonClocks, PowerMode};
use super::store::state_folder;
use super::{ClockControl, ClockError};
use crate::nvidia::{self, GpuClocks};

/// The clocks of a device.
pub struct Machine {
    root: String,
    controls: Vec<Box<dyn ClockControl>>,
}

impl Machine {
    /// The controls of the device below `root` that the request needs.
    ///
    /// # Errors
    /// If a GPU is requested and cannot be reached.
    pub fn of(root: &Path, request: &ClockRequest) -> Result<Self, ClockError> {
        let jetson = JetsonClocks::new(root, &state_folder(root));
        // The power mode bounds the clocks, so it is set and restored first.
        let mut controls: Vec<Box<dyn ClockControl>> = vec![Box::new(PowerMode::new(root, request.power_mode.clone()))];
        if let Some(commands) = &request.commands {
            controls.push(Box::new(Commands::new(root, commands)));
        } else if jetson.is_there() {
            // `jetson_clocks` sets the processors' clocks too.
            controls.push(Box::new(jetson));
        } else {
            controls.push(Box::new(CpuFrequency::new(root)));
        }
        if let Some(index) = request.gpu {
            let wrong = |problem| ClockError::Setting { name: format!("clock of GPU {index}"), problem };
            let gpu = nvidia::numbered(index).map_err(wrong)?;
            controls.push(Box::new(GpuClocks::new(gpu, index)));
        }
        Ok(Self { root: root.display().to_string(), controls })
    }

    /// All current settings, ready to be restored.
    ///
    /// # Errors
    /// If there is no setting, or one cannot be read.
    pub fn read(&mut self) -> Result<Vec<Setting>, ClockError> {
        let mut settings = Vec::new();
        for control in &mut self.controls {
            settings.extend(control.read()?);
        }
        if settings.is_empty() { Err(ClockError::Nothing { root: self.root.clone() }) } else { Ok(settings) }
    }

    /// Sets all clocks and reads them back. On failure the caller must restore them.
    ///
    /// # Errors
    /// If a setting cannot be written, or another value is read back.
    pub fn lock(&mut self) -> Result<Vec<Setting>, ClockError> {
        let mut wanted = Vec::new();
        for control in &mut self.controls {
            wanted.extend(control.lock()?);
        }
        let left = self.differences(&wanted);
        if left.is_empty() { Ok(wanted) } else { Err(ClockError::ReadBack(left)) }
    }

    /// Current differences from the settings that were set.
    pub fn differences(&mut self, wanted: &[Setting]) -> Vec<String> {
        let each = self.controls.iter_mut().map(|control| {
            let own = own(wanted, control.name());
            control.differences(&own)
        });
        each.flatten().collect()
    }

    /// Restores as many stored settings as possible; after a reboot only those that survive one. Returns whether any had to
    /// be changed.
    ///
    /// # Errors
    /// All settings that are not restored, in one error.
    pub fn restore(&mut self, stored: &Stored, rebooted: bool) -> Result<bool, ClockError> {
        let mut left = Vec::new();
        let mut changed = false;
        for control in self.controls.iter_mut().filter(|c| !rebooted || c.survives_reboot()) {
            let before = own(&stored.settings, control.name());
            changed |= !control.differences(&before).is_empty();
            match control.restore(&before) {
                Ok(()) => {}
                Err(ClockError::ReadBack(differences)) => left.extend(differences),
                Err(error) => left.push(error.to_string()),
            }
        }
        if left.is_empty() { Ok(changed) } else { Err(ClockError::ReadBack(left)) }
    }
}

fn own(settings: &[Setting], control: &str) -> Vec<Setting> {
    settings.iter().filter(|s| s.control == control).cloned().collect()
}

/// A short description of settings, for a LUT's context. Equal settings of several processors appear once.
#[must_use]
pub(super) fn describe(settings: &[Setting]) -> String {
    let leaf = |s: &Setting| format!("{}={}", s.name.rsplit('/').next().unwrap_or_default(), s.value);
    settings.iter().map(leaf).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(" ")
}
