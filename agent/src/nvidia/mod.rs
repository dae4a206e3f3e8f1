//! NVIDIA GPUs through their driver (NVML): state, throttling, other processes, energy, clock control.
//!
//! The driver's library is loaded when a GPU is requested; without it the agent still starts and measures everything else.
//! The code uses the trait [`Gpu`], so tests need no GPU.

mod clocks;
mod energy;
#[cfg(test)]
mod fake;
mod hidden;
mod library;
mod processes;
mod visible;

use std::collections::BTreeMap;
use std::rc::Rc;

use nasprof_profiler::protocol::{Conditions, Probe, ThrottleReason};

pub use clocks::GpuClocks;
pub use energy::GpuEnergy;
pub use hidden::HiddenGpu;
pub use processes::foreign;

/// The driver's reasons for a clock below the requested one, with their bits (NVML, `nvmlClocksEventReasons`). Idle (0x1),
/// clocks set by the user (0x2) and display clocks (0x100) are not throttling.
const THROTTLE_REASONS: [(u64, ThrottleReason); 6] = [
    (0x4, ThrottleReason::PowerCap),
    (0x8, ThrottleReason::HardwareSlowdown),
    (0x10, ThrottleReason::SyncBoost),
    (0x20, ThrottleReason::SoftwareThermal),
    (0x40, ThrottleReason::HardwareThermal),
    (0x80, ThrottleReason::PowerBrake),
];
/// Limit in Celsius if the driver reports none.
const MAX_TEMPERATURE: f64 = 85.0;
/// A GPU less than this many degrees below its slowdown temperature is too hot to measure.
const TEMPERATURE_MARGIN: f64 = 5.0;
const MEBIBYTE: f64 = (1u64 << 20) as f64;

/// One GPU through its driver. `None`: this GPU does not report the value.
pub trait Gpu {
    /// Its bus address, as `domain:bus:device.function`.
    fn bus_id(&self) -> Option<String>;
    /// Facts that identify it, such as name, driver, memory.
    fn facts(&self) -> BTreeMap<String, String>;
    /// Current clock of the multiprocessors.
    fn clock_mhz(&self) -> Option<u32>;
    /// Bits of the reasons for the current clock.
    fn clock_reasons(&self) -> Option<u64>;
    /// Current temperature in Celsius.
    fn temperature(&self) -> Option<f64>;
    /// Temperature in Celsius at which the driver slows the GPU down.
    fn slowdown_temperature(&self) -> Option<f64>;
    /// Processes that compute on it, including this one; of a divided GPU, those on this process's slice.
    fn processes(&self) -> Option<Vec<GpuProcess>>;
    /// Percent of the recent past in which a kernel ran; a divided GPU does not report it.
    fn busy_percent(&self) -> Option<f64>;
    /// Whether it is divided into slices (MIG). Its energy counter then covers all slices together.
    fn is_divided(&self) -> bool;
    /// Energy in millijoules since the driver was loaded.
    fn energy_millijoules(&self) -> Option<u64>;
    /// Highest clock that can be held: the GPU's default clock without boost; without one, its maximum clock.
    fn steady_clock_mhz(&self) -> Option<u32>;
    /// Locks the clock.
    ///
    /// # Errors
    /// If the driver refuses, for example because that needs root.
    fn lock_clock(&self, mhz: u32) -> Result<(), String>;
    /// Unlocks the clock.
    ///
    /// # Errors
    /// Those of [`Gpu::lock_clock`].
    fn reset_clock(&self) -> Result<(), String>;
}

/// A process that computes on a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GpuProcess {
    /// Its number.
    pub pid: u32,
    /// Bytes of GPU memory that it uses, including the driver's and the libraries' share; not available in some driver
    /// modes.
    pub bytes: Option<u64>,
}

/// A GPU by its number, through the driver's library.
///
/// # Errors
/// If there is no driver or no such GPU.
pub fn open(index: u32) -> Result<Rc<dyn Gpu>, String> {
    library::DriverGpu::open(index).map(|gpu| Rc::new(gpu) as _)
}

/// A GPU by its bus address in CUDA's format. `uuid` is CUDA's for the part that this process uses: of a divided GPU, that
/// of the slice, as `MIG-…`.
///
/// # Errors
/// If the driver's library cannot be used, or shows no GPU at this address.
pub fn at(place: &str, uuid: Option<String>) -> Result<Rc<dyn Gpu>, String> {
    let here = |gpu: &library::DriverGpu| gpu.bus_id().is_some_and(|bus_id| same_place(&bus_id, place));
    let gpu = library::DriverGpu::all()?.into_iter().find(here);
    gpu.map(|gpu| Rc::new(gpu.with_slice(uuid)) as _)
        .ok_or_else(|| format!("the driver shows no GPU at {place}, where CUDA has one"))
}

/// The GPU with this CUDA number in this process; `CUDA_VISIBLE_DEVICES` may select and reorder GPUs.
///
/// # Errors
/// If there is no driver or no such GPU, or CUDA's order is unknown.
pub fn numbered(index: u32) -> Result<Rc<dyn Gpu>, String> {
    let gpus = library::DriverGpu::all()?;
    let listed: Vec<visible::Listed> = gpus.iter().map(library::DriverGpu::listed).collect();
    let variable = |name| std::env::var(name).ok();
    let (chosen, order) = (variable("CUDA_VISIBLE_DEVICES"), variable("CUDA_DEVICE_ORDER"));
    open(visible::numbered(index, chosen.as_deref(), order.as_deref(), &listed)?)
}

/// Whether two strings are the same bus address; the driver writes the domain with more digits than CUDA.
#[must_use]
pub fn same_place(a: &str, b: &str) -> bool {
    let parts = |name: &str| {
        let (domain, place) = name.split_once(':')?;
        Some((u32::from_str_radix(domain, 16).ok()?, place.to_ascii_lowercase()))
    };
    parts(a).is_some() && parts(a) == parts(b)
}

/// The GPU's state with three values, for the gate; `own` is this process, which computes on the GPU. The memory of this
/// process is recorded but never judged.
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
    let foreign = processes.as_ref().and_then(|all| processes::others(all, own)).map(|others| others as f64);
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

    /// In a container the driver lists this process under its number outside.
    #[test]
    fn our_process_under_another_number_is_not_foreign() {
        let foreign = |pids: &[u32]| {
            let processes = Some(pids.iter().map(|&pid| process(pid)).collect());
            probes(&FakeGpu { processes, ..FakeGpu::default() }, OWN)["gpu_foreign_processes"].clone()
        };
        // One process may be ours, or ours may be hidden.
        assert_eq!(foreign(&[4711]), Probe::NotObservable);
        assert_eq!(foreign(&[]), Probe::NotObservable);
        assert_eq!(foreign(&[4711, 4712]), Probe::Bad(1.0));
        // Controls: with our number in the list all others are foreign.
        assert_eq!(foreign(&[4711, OWN]), Probe::Bad(1.0));
        assert_eq!(foreign(&[OWN]), Probe::Ok(0.0));
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
