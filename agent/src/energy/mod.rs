//! The energy meters of real machines; they implement [`EnergyMeter`](nasprof_profiler::energy::EnergyMeter).

mod hwmon;
mod integral;
mod rapl;
mod tegrastats;

use std::path::Path;

use nasprof_profiler::energy::EnergyMeter;

/// The meter of the machine below `root`: processor counters, else the board's input rail.
///
/// # Errors
/// If there is no readable meter; one reason for each kind.
pub fn find(root: &Path) -> Result<Box<dyn EnergyMeter>, String> {
    let counters = match rapl::Rapl::find(root) {
        Ok(meter) => return Ok(Box::new(meter)),
        Err(reason) => reason,
    };
    let sensors = match hwmon::find(root) {
        Ok(meter) => return Ok(meter),
        Err(reason) => reason,
    };
    match tegrastats::Tegrastats::find(root) {
        Ok(meter) => Ok(Box::new(meter)),
        Err(reason) => Err(format!(
            "this device has no energy meter: RAPL: {counters}; power sensors: {sensors}; tegrastats: {reason}"
        )),
    }
}
