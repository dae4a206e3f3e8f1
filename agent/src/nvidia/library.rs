//! The driver's library.

use std::collections::BTreeMap;
use std::rc::Rc;

use nvml_wrapper::Nvml;
use nvml_wrapper::enum_wrappers::device::{Clock, ClockId, TemperatureSensor, TemperatureThreshold};
use nvml_wrapper::enums::device::{GpuLockedClocksSetting, UsedGpuMemory};
use nvml_wrapper::error::NvmlError;

use super::visible::Listed;
use super::{Gpu, GpuProcess};

/// One GPU, by its number, and the UUID of its slice (MIG) that this process uses.
pub(super) struct DriverGpu {
    nvml: Rc<Nvml>,
    index: u32,
    slice: Option<String>,
}

impl DriverGpu {
    pub(super) fn open(index: u32) -> Result<Self, String> {
        let missing = |e: NvmlError| {
            format!(
                "the NVIDIA driver's library libnvidia-ml.so.1 cannot be used ({e}); is the driver installed? A container \
                 needs NVIDIA_DRIVER_CAPABILITIES=compute,utility"
            )
        };
        let nvml = Nvml::init().map_err(missing)?;
        let count = nvml.device_count().map_err(|e| e.to_string())?;
        if index >= count {
            return Err(format!("no GPU {index}: the driver has {count}"));
        }
        Ok(Self { nvml: Rc::new(nvml), index, slice: None })
    }

    pub(super) fn with_slice(self, slice: Option<String>) -> Self {
        Self { slice, ..self }
    }

    /// All GPUs of the machine.
    pub(super) fn all() -> Result<Vec<Self>, String> {
        let Self { nvml, .. } = Self::open(0)?;
        let count = nvml.device_count().map_err(|e| e.to_string())?;
        Ok((0..count).map(|index| Self { nvml: Rc::clone(&nvml), index, slice: None }).collect())
    }

    pub(super) fn listed(&self) -> Listed {
        let slices = self.get(|device| {
            let count = device.mig_device_count()?;
            Ok((0..count).filter_map(|slice| device.mig_device_by_index(slice).ok()?.uuid().ok()).collect())
        });
        Listed {
            uuid: self.get(|d| d.uuid()).unwrap_or_default(),
            name: self.get(|d| d.name()).unwrap_or_default(),
            slices: slices.unwrap_or_default(),
        }
    }

    fn get<T>(
        &self,
        read: impl for<'n> FnOnce(&mut nvml_wrapper::Device<'n>) -> Result<T, NvmlError>,
    ) -> Result<T, NvmlError> {
        read(&mut self.nvml.device_by_index(self.index)?)
    }

    /// Reads what a divided GPU has for each slice; the values of the GPU itself would be those of all slices.
    fn get_own<T>(
        &self,
        read: impl for<'n> FnOnce(&mut nvml_wrapper::Device<'n>) -> Result<T, NvmlError>,
    ) -> Result<T, NvmlError> {
        match &self.slice {
            _ if !self.is_divided() => self.get(read),
            Some(uuid) => read(&mut self.nvml.device_by_uuid(uuid.as_str())?),
            None => Err(NvmlError::NotSupported),
        }
    }
}

impl Gpu for DriverGpu {
    fn facts(&self) -> BTreeMap<String, String> {
        let shown = |value: Result<String, NvmlError>| value.unwrap_or_else(|_| "not observable".to_owned());
        BTreeMap::from([
            ("gpu".to_owned(), shown(self.get(|d| d.name()))),
            ("gpu_driver".to_owned(), shown(self.nvml.sys_driver_version())),
            ("gpu_memory".to_owned(), shown(self.get_own(|d| d.memory_info()).map(|m| m.total.to_string()))),
            ("gpu_divided".to_owned(), if self.is_divided() { "MIG" } else { "no" }.to_owned()),
            ("gpu_power_limit".to_owned(), shown(self.get(|d| d.enforced_power_limit()).map(|mw| format!("{mw} mW")))),
        ])
    }

    fn bus_id(&self) -> Option<String> {
        self.get(|d| d.pci_info()).ok().map(|pci| pci.bus_id)
    }

    fn clock_mhz(&self) -> Option<u32> {
        self.get(|d| d.clock_info(Clock::SM)).ok()
    }

    fn clock_reasons(&self) -> Option<u64> {
        self.get(|d| d.current_throttle_reasons()).ok().map(|reasons| reasons.bits())
    }

    fn temperature(&self) -> Option<f64> {
        self.get(|d| d.temperature(TemperatureSensor::Gpu)).ok().map(f64::from)
    }

    fn slowdown_temperature(&self) -> Option<f64> {
        self.get(|d| d.temperature_threshold(TemperatureThreshold::Slowdown)).ok().map(f64::from)
    }

    fn processes(&self) -> Option<Vec<GpuProcess>> {
        let bytes = |memory: &UsedGpuMemory| match memory {
            UsedGpuMemory::Used(bytes) => Some(*bytes),
            UsedGpuMemory::Unavailable => None,
        };
        let all = self.get_own(|d| d.running_compute_processes()).ok()?;
        Some(all.iter().map(|p| GpuProcess { pid: p.pid, bytes: bytes(&p.used_gpu_memory) }).collect())
    }

    fn busy_percent(&self) -> Option<f64> {
        self.get(|d| d.utilization_rates()).ok().filter(|_| !self.is_divided()).map(|rates| f64::from(rates.gpu))
    }

    fn is_divided(&self) -> bool {
        self.get(|d| d.mig_mode()).is_ok_and(|mode| mode.current == 1)
    }

    fn energy_millijoules(&self) -> Option<u64> {
        self.get(|d| d.total_energy_consumption()).ok()
    }

    fn steady_clock_mhz(&self) -> Option<u32> {
        // Newer GPUs have no default application clock. They can hold their maximum clock as long as the power limit allows.
        let default = self.get(|d| d.clock(Clock::SM, ClockId::DefaultAppClock)).ok().filter(|mhz| *mhz > 0);
        default.or_else(|| self.get(|d| d.max_clock_info(Clock::SM)).ok())
    }

    fn lock_clock(&self, mhz: u32) -> Result<(), String> {
        let setting = GpuLockedClocksSetting::Numeric { min_clock_mhz: mhz, max_clock_mhz: mhz };
        self.get(|d| d.set_gpu_locked_clocks(setting)).map_err(|e| e.to_string())
    }

    fn reset_clock(&self) -> Result<(), String> {
        self.get(|d| d.reset_gpu_locked_clocks()).map_err(|e| e.to_string())
    }
}
