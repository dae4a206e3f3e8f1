//! Power sensors of boards through hwmon: INA chips. On Jetson one rail measures the whole board.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::EnergyMeter;
use super::integral::{Integral, PowerSensor};

const FOLDER: &str = "sys/class/hwmon";
/// Names of rails that carry all the power of a board.
const INPUTS: [&str; 6] = ["VDD_IN", "POM_5V_IN", "VDD_5V_IN", "SYS5V", "VIN", "total"];
/// Resolution of an INA3221 in milliamperes, with the usual shunt of 5 milliohms.
const CURRENT_STEP: f64 = 8.0;
/// Averaging time of an INA chip that does not report it.
const UPDATE: Duration = Duration::from_millis(10);

/// Files whose product is a power in microwatts.
struct Rail {
    label: String,
    files: Vec<PathBuf>,
    step: f64,
    update: Duration,
}

impl PowerSensor for Rail {
    fn method(&self) -> String {
        format!("power of the rail {}", self.label)
    }

    fn update(&self) -> Duration {
        self.update
    }

    /// One step of the last file, in microwatts: of the power itself, or of the current at the present voltage.
    fn step_microwatts(&self) -> f64 {
        let others = self.files[..self.files.len() - 1].iter().filter_map(|f| number(f).ok());
        others.fold(self.step, |product, value| product * value)
    }

    fn read(&self) -> Result<f64, String> {
        self.files.iter().try_fold(1.0, |product, file| Ok(product * number(file)?))
    }
}

/// The sensor of the whole board.
pub(super) fn find(root: &Path) -> Result<Box<dyn EnergyMeter>, String> {
    let mut rails = rails(&root.join(FOLDER));
    let names: Vec<String> = rails.iter().map(|r| r.label.clone()).collect();
    let input = rails.iter().position(|rail| INPUTS.iter().any(|name| name.eq_ignore_ascii_case(&rail.label)));
    match (input, rails.len()) {
        (_, 0) => Err(format!("none below {FOLDER}")),
        // A board's only sensor is at its input. With several sensors, only a known name identifies the input.
        (Some(index), _) => open(rails.swap_remove(index)),
        (None, 1) => open(rails.swap_remove(0)),
        (None, _) => Err(format!("none of the rails is known to be the board's input: {}", names.join(", "))),
    }
}

fn open(rail: Rail) -> Result<Box<dyn EnergyMeter>, String> {
    rail.read()?;
    Ok(Box::new(Integral::new(rail)))
}

fn rails(folder: &Path) -> Vec<Rail> {
    let mut chips: Vec<PathBuf> = fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
    chips.sort();
    chips.iter().flat_map(|chip| rails_of(chip)).collect()
}

/// `powerN_input` in microwatts, or `inN_input` in millivolts times `currN_input` in milliamperes.
fn rails_of(chip: &Path) -> Vec<Rail> {
    let update =
        number(&chip.join("update_interval")).map_or(UPDATE, |ms| Duration::from_secs_f64(ms.clamp(1.0, 1e4) / 1e3));
    let text = |file: String| fs::read_to_string(chip.join(file)).map(|t| t.trim().to_owned()).ok();
    let rail = |label: Option<String>, files: Vec<PathBuf>, step: f64| {
        let there = files.iter().all(|file| file.exists());
        there.then(|| Rail { label: label.unwrap_or_else(|| "without a name".to_owned()), files, step, update })
    };
    let each = (1..=16).filter_map(|n| {
        let power = vec![chip.join(format!("power{n}_input"))];
        let product = vec![chip.join(format!("in{n}_input")), chip.join(format!("curr{n}_input"))];
        // Millivolts times milliamperes are microwatts too.
        rail(text(format!("power{n}_label")), power, 1.0)
            .or_else(|| rail(text(format!("in{n}_label")), product, CURRENT_STEP))
    });
    each.collect()
}

fn number(path: &Path) -> Result<f64, String> {
    let text = fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    match text.trim().parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
        _ => Err(format!("{}: `{}` is not a reading", path.display(), text.trim())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probes::tests::tree;

    #[test]
    fn the_input_of_a_jetson_is_volts_times_amperes() {
        let (root, _) = tree(&[
            ("sys/class/hwmon/hwmon1/in1_label", "VDD_CPU_GPU_CV"),
            ("sys/class/hwmon/hwmon1/in1_input", "5000"),
            ("sys/class/hwmon/hwmon1/curr1_input", "400"),
            ("sys/class/hwmon/hwmon1/in2_label", "VDD_IN"),
            ("sys/class/hwmon/hwmon1/in2_input", "5000"),
            ("sys/class/hwmon/hwmon1/curr2_input", "1200"),
        ]);
        let rails = rails(&root.join(FOLDER));
        let input = rails.iter().find(|r| r.label == "VDD_IN").unwrap();
        assert_eq!(input.read(), Ok(6e6));
        assert_eq!(input.step_microwatts(), 40_000.0);
        assert!(find(&root).unwrap().method().contains("VDD_IN"));
        fs::write(root.join("sys/class/hwmon/hwmon1/in2_label"), "VDD_SOC").unwrap();
        let reason = find(&root).err().unwrap();
        assert!(reason.contains("VDD_CPU_GPU_CV, VDD_SOC"), "{reason}");
    }

    #[test]
    fn a_single_sensor_and_none() {
        let (root, _) = tree(&[
            ("sys/class/hwmon/hwmon0/power1_input", "3500000"),
            ("sys/class/hwmon/hwmon0/update_interval", "35"),
        ]);
        assert_eq!(find(&root).unwrap().update(), Duration::from_millis(35));
        for bad in ["", "x", "-1", "nan", "inf"] {
            fs::write(root.join("sys/class/hwmon/hwmon0/power1_input"), bad).unwrap();
            assert!(find(&root).is_err(), "{bad}");
        }
        assert!(find(&tree(&[]).0).err().unwrap().contains("none below"));
    }
}
