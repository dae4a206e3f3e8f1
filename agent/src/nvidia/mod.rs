//! NVIDIA GPUs through their driver (NVML): state, throttling, foreign processes, energy, clock control.
//!
//! The driver's library is loaded when a GPU is requested; without it the agent starts and measures everything else.
//! Decisions are made on the trait [`Gpu`], so tests need no GPU.

mod clocks;
mod energy;
#[cfg(test)]
mod fake;
mod library;
mod processes;
mod visible;

use std::collections::BTreeMap;
use std::rc::Rc;

use nasprof_profiler::protocol::{Conditions, Probe, ThrottleReason};

pub use clocks::GpuClocks;
pub use energy::GpuEnergy;
pub use processes::foreign;

/// Reasons of the driver that mean a clock below what was asked for, with their bit (NVML, `nvmlClocksEventReasons`).
/// Idle (0x1), clocks set by the user (0x2) and display clocks (0x100) are none.
const THROTTLE_REASONS: [(u64, ThrottleReason); 6] = [
    (0x4, ThrottleReason::PowerCap),
    (0x8, ThrottleReason::HardwareSlowdown),
    (0x10, ThrottleReason::SyncBoost),
    (0x20, ThrottleReason::SoftwareThermal),
    (0x40, ThrottleReason::HardwareThermal),
    (0x80, ThrottleReason::PowerBrake),
];
/// Celsius, where the driver names no limit of its own.
const MAX_TEMPERATURE: f64 = 85.0;
/// A GPU this close to its slowdown temperature is too hot to be measured.
const TEMPERATURE_MARGIN: f64 = 5.0;
const MEBIBYTE: f64 = (1u64 << 20) as f64;

/// What the driver shows and sets of one GPU. `None`: this GPU does not show it.
pub trait Gpu {
    /// Its place on the bus, as `domain:bus:device.function`.
    fn bus_id(&self) -> Option<String>;
    /// Facts that identify it: name, driver, memory …
    fn facts(&self) -> BTreeMap<String, String>;
    /// Clock of the multiprocessors now.
    fn clock_mhz(&self) -> Option<u32>;
    /// Bits of why the clock is what it is.
    fn clock_reasons(&self) -> Option<u64>;
    /// Celsius now.
    fn temperature(&self) -> Option<f64>;
    /// Celsius at which the driver slows down.
    fn slowdown_temperature(&self) -> Option<f64>;
    /// Processes that compute on it, this one among them.
    fn processes(&self) -> Option<Vec<GpuProcess>>;
    /// Percent of the last moments in which some kernel ran.
    fn busy_percent(&self) -> Option<f64>;
    /// Whether it is divided into slices (MIG): then its counters are those of all slices together.
    fn is_divided(&self) -> bool;
    /// Millijoules since the driver was loaded.
    fn energy_millijoules(&self) -> Option<u64>;
    /// Highest clock that can be held: the default one of the GPU, without boost.
    fn steady_clock_mhz(&self) -> Option<u32>;
    /// Holds the clock.
    ///
    /// # Errors
    /// If the driver refuses, for example because that needs root.
    fn lock_clock(&self, mhz: u32) -> Result<(), String>;
    /// Lets it go.
    ///
    /// # Errors
    /// As [`Gpu::lock_clock`].
    fn reset_clock(&self) -> Result<(), String>;
}

/// A process that computes on a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GpuProcess {
    /// Its number.
    pub pid: u32,
    /// Bytes of the GPU's memory that it holds, with the driver's and the libraries' own share; some modes of the driver
    /// do not tell.
    pub bytes: Option<u64>,
}

/// A GPU by its number, through the driver's library.
///
/// # Errors
/// If there is no driver or no such GPU.
pub fn open(index: u32) -> Result<Rc<dyn Gpu>, String> {
    library::DriverGpu::open(index).map(|gpu| Rc::new(gpu) as _)
}

/// A GPU by its place on the bus, as CUDA names it.
///
/// # Errors
/// If there is no driver, or it shows no GPU there.
pub fn at(place: &str) -> Result<Rc<dyn Gpu>, String> {
    let here = |gpu: &library::DriverGpu| gpu.bus_id().is_some_and(|bus_id| same_place(&bus_id, place));
    let gpu = library::DriverGpu::all()?.into_iter().find(here);
    gpu.map(|gpu| Rc::new(gpu) as _).ok_or_else(|| format!("the driver shows no GPU at {place}, where CUDA has one"))
}

/// The GPU that CUDA gives a number to in this process: `CUDA_VISIBLE_DEVICES` may choose some, and order them.
///
/// # Errors
/// If there is no driver or no such GPU, or CUDA's order cannot be told.
pub fn numbered(index: u32) -> Result<Rc<dyn Gpu>, String> {
    let gpus = library::DriverGpu::all()?;
    let listed: Vec<visible::Listed> = gpus.iter().map(library::DriverGpu::listed).collect();
    let variable = |name| std::env::var(name).ok();
    let (chosen, order) = (variable("CUDA_VISIBLE_DEVICES"), variable("CUDA_DEVICE_ORDER"));
    open(visible::numbered(index, chosen.as_deref(), order.as_deref(), &listed)?)
}

/// Whether two names are of one place on the bus; the driver writes the domain with more digits than CUDA.
#[must_use]
pub fn same_place(a: &str, b: &str) -> bool {
    let parts = |name: &str| {
        let (domain, place) = name.split_once(':')?;
        Some((u32::from_str_radix(domain, 16).ok()?, place.to_ascii_lowercase()))
    };
    parts(a).is_some() && parts(a) == parts(b)
}

/// The GPU's state with three values, for the gate; `own` is this process. How much memory it holds is recorded and never
/// judged.
#[must_use]
pub fn probes(gpu: &dyn Gpu, own: u32) -> BTreeMap<String, Probe> {
    let limit = |value: Option<f64>, max: f64| match value {
        Some(v) if v <= max => Probe::Ok(v),
        Some(v) => Probe::Bad(v),
        None => Probe::NotObservable,
    };
    let hottest = gpu.slowdown_temperature().map_or(MAX_TEMPERATURE, |t| t - TEMPERATURE_MARGIN);
    let throttled = gpu.clock_reasons().map(|bits| reasons(bits).count() as f64);
    let clock = gpu.clock_mhz().map(f64::from);
    let processes = gpu.processes();
    let foreign = processes.as_ref().map(|all| all.iter().filter(|p| p.pid != own).count() as f64);
    let memory = processes.as_ref().and_then(|all| all.iter().find(|p| p.pid == own)?.bytes);
    BTreeMap::from([
        ("gpu_temperature_celsius".to_owned(), limit(gpu.temperature(), hottest)),
        ("gpu_throttle_reasons".to_owned(), limit(throttled, 0.0)),
        ("gpu_foreign_processes".to_owned(), limit(foreign, 0.0)),
        ("gpu_process_memory_mib".to_owned(), limit(memory.map(|bytes| bytes as f64 / MEBIBYTE), f64::INFINITY)),
        ("gpu_clock_mhz".to_owned(), limit(clock, f64::INFINITY)),
    ])
}

/// The GPU's state beside a visit.
#[must_use]
pub fn conditions(gpu: &dyn Gpu) -> Conditions {
    Conditions { clock_mhz: gpu.clock_mhz(), throttled: gpu.clock_reasons().map(|bits| reasons(bits).collect()) }
}

fn reasons(bits: u64) -> impl Iterator<Item = ThrottleReason> {
    THROTTLE_REASONS.into_iter().filter(move |(bit, _)| bits & bit != 0).map(|(_, reason)| reason)
}

#[cfg(test)]
mod tests {
    use super::fake::{FakeGpu, OWN};
    use super::*;

    #[test]
    fn a_quiet_gpu_passes_and_each_trouble_is_seen() {
        let gpu = FakeGpu::default();
        assert!(!probes(&gpu, OWN).values().any(|p| matches!(p, Probe::Bad(_))));
        let bad = |change: fn(&mut FakeGpu), probe: &str, value: f64| {
            let mut gpu = FakeGpu::default();
            change(&mut gpu);
            assert_eq!(probes(&gpu, OWN)[probe], Probe::Bad(value), "{probe}");
        };
        bad(|gpu| gpu.temperature = Some(89.0), "gpu_temperature_celsius", 89.0);
        bad(|gpu| gpu.reasons = Some(0x1 | 0x4 | 0x40), "gpu_throttle_reasons", 2.0);
        bad(
            |gpu| gpu.processes = Some(vec![process(OWN + 1), process(OWN), process(OWN + 2)]),
            "gpu_foreign_processes",
            2.0,
        );
    }

    fn process(pid: u32) -> GpuProcess {
        GpuProcess { pid, bytes: Some(u64::from(pid) << 20) }
    }

    #[test]
    fn the_memory_of_this_process_is_told_from_that_of_others() {
        let memory = |processes: Option<Vec<GpuProcess>>| {
            let gpu = FakeGpu { processes, ..FakeGpu::default() };
            probes(&gpu, OWN)["gpu_process_memory_mib"].clone()
        };
        assert_eq!(memory(Some(vec![process(OWN + 1), process(OWN)])), Probe::Ok(f64::from(OWN)));
        // Not listed is not zero: the driver may count processes of another name space.
        assert_eq!(memory(Some(vec![process(OWN + 1)])), Probe::NotObservable);
        assert_eq!(memory(Some(vec![GpuProcess { pid: OWN, bytes: None }])), Probe::NotObservable);
        assert_eq!(memory(None), Probe::NotObservable);
    }

    /// Idle, and a clock that the user has locked, are no throttling.
    #[test]
    fn a_low_clock_for_good_reasons_is_fine() {
        let gpu = FakeGpu { reasons: Some(0x1 | 0x2 | 0x100), ..FakeGpu::default() };
        assert_eq!(probes(&gpu, OWN)["gpu_throttle_reasons"], Probe::Ok(0.0));
        assert_eq!(conditions(&gpu).throttled, Some(Vec::new()));
    }

    #[test]
    fn places_on_the_bus_are_compared_by_meaning() {
        assert!(same_place("00000000:65:00.0", "0000:65:00.0") && same_place("0000:AF:00.0", "0000:af:00.0"));
        for (a, b) in [("0000:65:00.0", "0000:66:00.0"), ("0001:65:00.0", "0000:65:00.0"), ("", ""), ("x", "x")] {
            assert!(!same_place(a, b), "{a} {b}");
        }
    }

    #[test]
    fn what_a_gpu_does_not_show_is_not_ok() {
        let gpu = FakeGpu {
            temperature: None,
            reasons: None,
            processes: None,
            clock: std::cell::Cell::new(None),
            ..FakeGpu::default()
        };
        assert!(probes(&gpu, OWN).values().all(|p| *p == Probe::NotObservable));
        assert_eq!(conditions(&gpu), Conditions { clock_mhz: None, throttled: None });
    }
}
