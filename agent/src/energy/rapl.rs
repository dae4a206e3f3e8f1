//! Intel's and AMD's energy counters (RAPL) through the powercap tree.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::EnergyMeter;

const FOLDER: &str = "sys/class/powercap";
/// The counter's unit is 2^-14 J or smaller, and it is updated about every millisecond (Intel SDM volume 3, 15.10.1).
const STEP_MICROJOULES: f64 = 61.0;
const UPDATE: Duration = Duration::from_millis(1);

/// One counter. It wraps to zero above its highest value.
struct Domain {
    name: String,
    counter: PathBuf,
    highest: u64,
    begun: u64,
}

/// All packages of the machine, and their memory if it has its own counter.
pub(super) struct Rapl {
    domains: Vec<Domain>,
}

impl Rapl {
    pub(super) fn find(root: &Path) -> Result<Self, String> {
        let entries = fs::read_dir(root.join(FOLDER)).map_err(|_| format!("no {FOLDER}"))?;
        // `intel-rapl-mmio` is skipped: it lists the same packages again.
        let zones = entries.flatten().filter(|e| e.file_name().to_string_lossy().starts_with("intel-rapl:"));
        let mut domains = Vec::new();
        for zone in zones.map(|entry| entry.path()) {
            let name = text(&zone.join("name"))?;
            // Cores are part of their package, and `psys` contains the packages.
            if name.starts_with("package") || name == "dram" {
                let highest = number(&zone.join("max_energy_range_uj"))?;
                let domain = Domain { name, counter: zone.join("energy_uj"), highest, begun: 0 };
                domain.read()?;
                domains.push(domain);
            }
        }
        domains.sort_by(|a, b| a.counter.cmp(&b.counter));
        if domains.is_empty() { Err("no package has a counter".to_owned()) } else { Ok(Self { domains }) }
    }
}

impl Domain {
    fn read(&self) -> Result<u64, String> {
        let value = number(&self.counter)?;
        if value <= self.highest {
            Ok(value)
        } else {
            Err(format!("{} counts {value}, above its highest value {}", self.name, self.highest))
        }
    }
}

impl EnergyMeter for Rapl {
    fn method(&self) -> String {
        let names: Vec<&str> = self.domains.iter().map(|d| d.name.as_str()).collect();
        format!("RAPL counters: {}", names.join(" + "))
    }

    fn update(&self) -> Duration {
        UPDATE
    }

    fn step_microjoules(&self, _window: Duration) -> f64 {
        STEP_MICROJOULES * self.domains.len() as f64
    }

    fn begin(&mut self) -> Result<(), String> {
        for domain in &mut self.domains {
            domain.begun = domain.read()?;
        }
        Ok(())
    }

    /// Sums the increments of all counters. A window lasts seconds and a counter takes at least a minute to wrap, so it
    /// wraps at most once.
    fn end(&mut self) -> Result<f64, String> {
        let mut sum = 0.0;
        for domain in &self.domains {
            let now = domain.read()?;
            let passed = if now >= domain.begun { now - domain.begun } else { domain.highest - domain.begun + now };
            sum += passed as f64;
        }
        Ok(sum)
    }
}

fn text(path: &Path) -> Result<String, String> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(e) if e.kind() == ErrorKind::PermissionDenied => {
            Err(format!("{} can be read by root only", path.display()))
        }
        Err(e) => Err(format!("{}: {e}", path.display())),
    }
}

fn number(path: &Path) -> Result<u64, String> {
    let text = text(path)?;
    text.parse().map_err(|_| format!("{}: `{text}` is not a number", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probes::tests::tree;

    fn zone(number: &str, name: &str, counter: u64) -> Vec<(String, String)> {
        let file = |file: &str, text: String| (format!("{FOLDER}/intel-rapl{number}/{file}"), text);
        vec![
            file("name", name.to_owned()),
            file("energy_uj", counter.to_string()),
            file("max_energy_range_uj", "1000000".to_owned()),
        ]
    }

    fn machine(zones: &[(&str, &str, u64)]) -> PathBuf {
        let files: Vec<(String, String)> = zones.iter().flat_map(|(n, name, c)| zone(n, name, *c)).collect();
        tree(&files.iter().map(|(p, t)| (p.as_str(), t.as_str())).collect::<Vec<_>>()).0
    }

    #[test]
    fn packages_and_memory_are_summed_once() {
        let zones = [
            (":0", "package-0", 100),
            (":0:0", "core", 1),
            (":0:1", "dram", 10),
            (":1", "psys", 7),
            ("-mmio:0", "package-0", 100),
        ];
        let root = machine(&zones);
        let mut meter = Rapl::find(&root).unwrap();
        assert_eq!(meter.method(), "RAPL counters: package-0 + dram");
        meter.begin().unwrap();
        for (zone, value) in [(":0", "1100"), (":0:0", "900"), (":0:1", "110"), (":1", "5000")] {
            fs::write(root.join(format!("{FOLDER}/intel-rapl{zone}/energy_uj")), value).unwrap();
        }
        assert_eq!(meter.end().unwrap(), 1100.0);
    }

    #[test]
    fn a_counter_that_went_round_is_followed() {
        let root = machine(&[(":0", "package-0", 999_900)]);
        let counter = root.join(FOLDER).join("intel-rapl:0/energy_uj");
        let mut meter = Rapl::find(&root).unwrap();
        meter.begin().unwrap();
        fs::write(&counter, "150").unwrap();
        assert_eq!(meter.end().unwrap(), 250.0);
        for bad in ["", "-1", "x", "1000001", "99999999999999999999"] {
            fs::write(&counter, bad).unwrap();
            assert!(meter.end().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_not_there_is_said() {
        assert!(Rapl::find(&machine(&[])).is_err());
        assert!(Rapl::find(&machine(&[(":0", "core", 1)])).err().unwrap().contains("no package"));
    }
}
