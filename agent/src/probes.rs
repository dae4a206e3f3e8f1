//! Probes of the machine: facts that identify it, and its state with three values (ok, bad, not observable).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nasprof_profiler::protocol::{Probe, Probes};

use crate::busy::Watch;

/// Limits of the gate (docs/trust.md), in percent.
const MAX_PRESSURE: f64 = 5.0;
const MAX_STEAL: f64 = 1.0;
const MAX_FOREIGN: f64 = 10.0;
/// Limit in Celsius; device files of boards that throttle earlier set their own.
const MAX_TEMPERATURE: f64 = 85.0;
/// Minimum interval between two readings of the processor counters.
const WINDOW: Duration = Duration::from_millis(500);

/// Reads probes below a root folder (the real one, or a made-up tree in tests).
pub struct Reader {
    root: PathBuf,
    last: Option<(Instant, Ticks)>,
    throttles: Option<u64>,
    /// `None` for a made-up machine, which has no processes here.
    watch: Option<Watch>,
}

impl Default for Reader {
    fn default() -> Self {
        Self::new("/")
    }
}

impl Reader {
    /// A reader of the tree below `root`.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        let watch = (root == Path::new("/")).then(Watch::new);
        Self { root, last: None, throttles: None, watch }
    }

    /// The current state. Shares of processor time cover the time since the last call; the first call waits half a second.
    ///
    /// The load average is recorded but never judged: it still includes a build that ended a minute ago. Pressure over ten
    /// seconds and the share of time used by others describe the present.
    pub fn read(&mut self) -> Probes {
        let limit = |value: Option<f64>, max: f64| match value {
            Some(v) if v <= max => Probe::Ok(v),
            Some(v) => Probe::Bad(v),
            None => Probe::NotObservable,
        };
        let (foreign, steal) = self.processor_shares();
        let foreign = limit(foreign, MAX_FOREIGN);
        let pressure = limit(self.pressure(), MAX_PRESSURE);
        let busy = self.watch.as_mut().map_or_else(Vec::new, Watch::since_last_look);
        let is_busy = matches!(foreign, Probe::Bad(_)) || matches!(pressure, Probe::Bad(_));
        let throttled = self.throttle_delta();
        Probes {
            values: BTreeMap::from([
                ("pressure_percent".to_owned(), pressure),
                ("steal_percent".to_owned(), limit(steal, MAX_STEAL)),
                ("foreign_percent".to_owned(), foreign),
                ("temperature_celsius".to_owned(), limit(self.temperature(), MAX_TEMPERATURE)),
                ("throttle_events".to_owned(), limit(throttled, 0.0)),
                ("frequency_mhz".to_owned(), limit(self.frequency(), f64::INFINITY)),
                ("load_average".to_owned(), limit(self.load_average(), f64::INFINITY)),
            ]),
            busy: if is_busy { busy } else { Vec::new() },
        }
    }

    fn text(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.root.join(path)).ok()
    }

    fn number(&self, path: &Path) -> Option<f64> {
        fs::read_to_string(path).ok()?.trim().parse().ok()
    }

    /// `some avg10` of the pressure stall information, in percent.
    fn pressure(&self) -> Option<f64> {
        self.text("proc/pressure/cpu")?
            .lines()
            .find(|l| l.starts_with("some"))?
            .split_whitespace()
            .find_map(|field| field.strip_prefix("avg10=")?.parse().ok())
    }

    /// Not read by sysinfo, which returns 0 if it cannot read it. The zones and clocks below are not read by sysinfo either,
    /// because it omits unreadable ones.
    fn load_average(&self) -> Option<f64> {
        self.text("proc/loadavg")?.split_whitespace().next()?.parse().ok()
    }

    /// Percent of all processor time used by other processes, and stolen by the hypervisor. Read from the counters, because
    /// sysinfo reports neither steal nor this process's share.
    fn processor_shares(&mut self) -> (Option<f64>, Option<f64>) {
        if self.last.is_none() {
            self.last = Ticks::read(self).map(|t| (Instant::now(), t));
            if let Some(watch) = &mut self.watch {
                watch.look();
            }
        }
        let Some((at, before)) = self.last else { return (None, None) };
        if let Some(rest) = WINDOW.checked_sub(at.elapsed()) {
            std::thread::sleep(rest);
        }
        let now = Ticks::read(self);
        self.last = now.map(|now| (Instant::now(), now));
        let Some(passed) = now.and_then(|now| now.since(&before)) else { return (None, None) };
        if passed.total == 0 {
            return (None, None);
        }
        let share = |ticks: u64| Some(100.0 * ticks as f64 / passed.total as f64);
        (share(passed.busy.saturating_sub(passed.own)), share(passed.steal))
    }

    /// The hottest thermal zone.
    fn temperature(&self) -> Option<f64> {
        entries(&self.root.join("sys/class/thermal"), "thermal_zone")
            .filter_map(|zone| self.number(&zone.join("temp")))
            .map(|millidegrees| millidegrees / 1000.0)
            .reduce(f64::max)
    }

    /// The slowest core's clock.
    fn frequency(&self) -> Option<f64> {
        entries(&self.root.join("sys/devices/system/cpu"), "cpu")
            .filter_map(|cpu| self.number(&cpu.join("cpufreq/scaling_cur_freq")))
            .map(|kilohertz| kilohertz / 1000.0)
            .reduce(f64::min)
    }

    /// Number of thermal throttle events since the last call. `None` if the count decreased, as it does when a core goes
    /// offline: the number of events is then unknown.
    fn throttle_delta(&mut self) -> Option<f64> {
        let now: u64 = entries(&self.root.join("sys/devices/system/cpu"), "cpu")
            .filter_map(|cpu| self.number(&cpu.join("thermal_throttle/core_throttle_count")))
            .map(|count| count as u64)
            .reduce(u64::saturating_add)?;
        let before = self.throttles.replace(now).unwrap_or(now);
        Some(now.checked_sub(before)? as f64)
    }
}

/// Folders below `folder` named `prefix` and a number.
fn entries(folder: &Path, prefix: &'static str) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(folder).into_iter().flatten().filter_map(move |entry| {
        let entry = entry.ok()?;
        let number = entry.file_name().to_str()?.strip_prefix(prefix)?.to_owned();
        number.chars().all(|c| c.is_ascii_digit()).then(|| entry.path())
    })
}

/// Clock ticks of `/proc/stat` and of this process.
#[derive(Clone, Copy)]
struct Ticks {
    total: u64,
    /// Each counter of the machine.
    each: [u64; 8],
    busy: u64,
    steal: u64,
    own: u64,
}

impl Ticks {
    fn read(reader: &Reader) -> Option<Self> {
        let stat = reader.text("proc/stat")?;
        let fields: Vec<u64> = stat.lines().next()?.split_whitespace().skip(1).filter_map(|f| f.parse().ok()).collect();
        // Guest time is already part of user time.
        let own = reader.text("proc/self/stat").and_then(|text| {
            let after_name: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
            after_name.get(11)?.parse::<u64>().ok()?.checked_add(after_name.get(12)?.parse::<u64>().ok()?)
        });
        Self::of(*fields.first_chunk::<8>()?, own.unwrap_or(0))
    }

    fn of(each: [u64; 8], own: u64) -> Option<Self> {
        let [user, nice, system, _idle, _iowait, irq, softirq, steal] = each;
        let sum = |all: &[u64]| all.iter().try_fold(0, |sum: u64, &ticks| sum.checked_add(ticks));
        Some(Self { total: sum(&each)?, each, busy: sum(&[user, nice, system, irq, softirq])?, steal, own })
    }

    /// The ticks since `before`. `None` if a counter ran backwards: the difference would be meaningless. Counters of idle
    /// and waiting time may do so (proc(5)), and all of them in a migrated container.
    fn since(&self, before: &Self) -> Option<Self> {
        let mut passed = [0; 8];
        for (passed, (now, before)) in passed.iter_mut().zip(self.each.iter().zip(&before.each)) {
            *passed = now.checked_sub(*before)?;
        }
        Self::of(passed, self.own.checked_sub(before.own)?)
    }
}

/// Facts that make numbers comparable. If they differ between sessions of a LUT, the context has changed.
pub fn machine_facts() -> BTreeMap<String, String> {
    let read = |path: &str| fs::read_to_string(path).ok().map(|s| s.trim().to_owned());
    // The kernel's name, even if sysinfo has a nicer one: existing LUTs have it in their context. On ARM the kernel often
    // has none.
    let named = read("/proc/cpuinfo").and_then(|text| {
        let line = text.lines().find(|l| l.starts_with("model name") || l.starts_with("Model"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    let processor = named.or_else(processor_brand);
    let cores = std::thread::available_parallelism().map(|n| n.to_string());
    let unknown = || "not observable".to_owned();
    BTreeMap::from([
        ("architecture".to_owned(), std::env::consts::ARCH.to_owned()),
        ("processor".to_owned(), processor.unwrap_or_else(unknown)),
        ("cores".to_owned(), cores.unwrap_or_else(|_| unknown())),
        ("kernel".to_owned(), sysinfo::System::kernel_version().unwrap_or_else(|_| unknown())),
        ("governor".to_owned(), read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").unwrap_or_else(unknown)),
        (
            "boost".to_owned(),
            read("/sys/devices/system/cpu/cpufreq/boost")
                .or_else(|| read("/sys/devices/system/cpu/intel_pstate/no_turbo").map(|v| format!("no_turbo={v}")))
                .unwrap_or_else(unknown),
        ),
        (
            "huge_pages".to_owned(),
            read("/sys/kernel/mm/transparent_hugepage/enabled").map_or_else(unknown, |text| {
                text.split(['[', ']']).nth(1).map_or_else(|| text.clone(), ToOwned::to_owned)
            }),
        ),
        (
            "clock_source".to_owned(),
            read("/sys/devices/system/clocksource/clocksource0/current_clocksource").unwrap_or_else(unknown),
        ),
    ])
}

/// The processor's brand as sysinfo determines it.
fn processor_brand() -> Option<String> {
    let mut system = sysinfo::System::new().ok()?;
    system.refresh_cpu_list(sysinfo::CpuRefreshKind::nothing());
    system.cpus().first().map(|cpu| cpu.brand().to_owned()).filter(|brand| !brand.is_empty())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A made-up machine, and a reader of it.
    pub(crate) fn tree(files: &[(&str, &str)]) -> (PathBuf, Reader) {
        let root = nasprof_testkit::machine::tree(files);
        (root.clone(), Reader::new(root))
    }

    #[test]
    fn an_empty_machine_shows_nothing_rather_than_ok() {
        let (_, mut reader) = tree(&[]);
        assert!(reader.read().values.values().all(|p| *p == Probe::NotObservable));
    }

    #[test]
    fn pressure_and_temperature_are_judged() {
        let files = [
            ("proc/pressure/cpu", "some avg10=12.50 avg60=0.00 avg300=0.13 total=17\nfull avg10=0.00"),
            ("sys/class/thermal/thermal_zone0/temp", "45000\n"),
            ("sys/class/thermal/thermal_zone1/temp", "91000\n"),
        ];
        let (root, mut reader) = tree(&files);
        let probes = reader.read().values;
        assert_eq!(probes["pressure_percent"], Probe::Bad(12.5));
        assert_eq!(probes["temperature_celsius"], Probe::Bad(91.0));
        fs::write(root.join("proc/pressure/cpu"), "some avg10=0.50").unwrap();
        assert_eq!(reader.read().values["pressure_percent"], Probe::Ok(0.5));
        fs::write(root.join("proc/pressure/cpu"), "garbage").unwrap();
        assert_eq!(reader.read().values["pressure_percent"], Probe::NotObservable);
    }

    #[test]
    fn throttling_is_a_change_of_the_count() {
        let path = "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count";
        let (root, mut reader) = tree(&[(path, "7")]);
        assert_eq!(reader.read().values["throttle_events"], Probe::Ok(0.0));
        fs::write(root.join(path), "9").unwrap();
        assert_eq!(reader.read().values["throttle_events"], Probe::Bad(2.0));
        assert_eq!(reader.read().values["throttle_events"], Probe::Ok(0.0));
    }

    #[test]
    fn foreign_time_and_steal_are_shares_since_the_last_reading() {
        let (root, mut reader) = tree(&[("proc/stat", "cpu 100 0 0 900 0 0 0 0 0 0")]);
        reader.read();
        fs::write(root.join("proc/stat"), "cpu 150 0 0 1000 0 0 0 50 0 0").unwrap();
        let probes = reader.read().values;
        assert_eq!(probes["foreign_percent"], Probe::Bad(25.0));
        assert_eq!(probes["steal_percent"], Probe::Bad(25.0));
    }

    /// Moves each counter of the machine, the process's own, and a count of throttle events one step back. The control moves
    /// them one step forward.
    #[test]
    fn a_counter_that_runs_backwards_is_not_observable() {
        let counters = |at: usize, value: u64| {
            let mut all = [1000_u64; 8];
            all[at] = value;
            format!("cpu {} 0 0", all.map(|ticks| ticks.to_string()).join(" "))
        };
        for at in 0..8 {
            for (value, observable) in [(1001, true), (999, false), (0, false), (u64::MAX, false)] {
                let (root, mut reader) = tree(&[("proc/stat", &counters(at, 1000))]);
                reader.read();
                fs::write(root.join("proc/stat"), counters(at, value)).unwrap();
                let probes = reader.read().values;
                for name in ["foreign_percent", "steal_percent"] {
                    let seen = probes[name] != Probe::NotObservable;
                    assert_eq!(seen, observable, "{name}: {at} is {value}: {probes:?}");
                }
                // What comes after is compared with what is there now.
                if value < u64::MAX {
                    fs::write(root.join("proc/stat"), counters(at, value + 100)).unwrap();
                    assert_ne!(reader.read().values["foreign_percent"], Probe::NotObservable);
                }
            }
        }
        let own = |ticks: u64| format!("1 (a b) S 0 0 0 0 0 0 0 0 0 0 {ticks} 0 0 0");
        for (ticks, expected) in [(15, Probe::Ok(0.0)), (9, Probe::NotObservable)] {
            let (root, mut reader) = tree(&[("proc/stat", &counters(0, 1000)), ("proc/self/stat", &own(10))]);
            reader.read();
            fs::write(root.join("proc/stat"), counters(0, 1005)).unwrap();
            fs::write(root.join("proc/self/stat"), own(ticks)).unwrap();
            assert_eq!(reader.read().values["foreign_percent"], expected);
        }
        let path = "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count";
        let (root, mut reader) = tree(&[(path, "7")]);
        reader.read();
        fs::write(root.join(path), "6").unwrap();
        assert_eq!(reader.read().values["throttle_events"], Probe::NotObservable);
        fs::write(root.join(path), "8").unwrap();
        assert_eq!(reader.read().values["throttle_events"], Probe::Bad(2.0));
    }
}
