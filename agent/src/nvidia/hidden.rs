//! A GPU whose driver library cannot be used, as in a container with the capability `compute` alone. CUDA works there.

use std::collections::BTreeMap;

use super::{Gpu, GpuProcess};

/// A GPU that CUDA uses and the driver's library (NVML) does not show. Nothing of its state is observable.
pub struct HiddenGpu {
    /// Its model, according to CUDA.
    pub name: String,
}

impl Gpu for HiddenGpu {
    fn facts(&self) -> BTreeMap<String, String> {
        let unseen = "not observable";
        let facts = [
            ("gpu", self.name.as_str()),
            ("gpu_driver", "not observable; a container needs NVIDIA_DRIVER_CAPABILITIES=compute,utility"),
            ("gpu_memory", unseen),
            ("gpu_divided", unseen),
            ("gpu_power_limit", unseen),
        ];
        facts.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }
    fn bus_id(&self) -> Option<String> {
        None
    }
    fn clock_mhz(&self) -> Option<u32> {
        None
    }
    fn clock_reasons(&self) -> Option<u64> {
        None
    }
    fn temperature(&self) -> Option<f64> {
        None
    }
    fn slowdown_temperature(&self) -> Option<f64> {
        None
    }
    fn processes(&self) -> Option<Vec<GpuProcess>> {
        None
    }
    fn busy_percent(&self) -> Option<f64> {
        None
    }
    fn is_divided(&self) -> bool {
        false
    }
    fn energy_millijoules(&self) -> Option<u64> {
        None
    }
    fn steady_clock_mhz(&self) -> Option<u32> {
        None
    }
    fn lock_clock(&self, _mhz: u32) -> Result<(), String> {
        self.reset_clock()
    }
    fn reset_clock(&self) -> Result<(), String> {
        Err("the driver's library libnvidia-ml.so.1 cannot be used".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use nasprof_profiler::protocol::Probe;

    use super::super::fake::{FakeGpu, OWN};
    use super::super::{GpuEnergy, probes};
    use super::*;

    #[test]
    fn nothing_is_observable_and_the_model_is_known() {
        let gpu = HiddenGpu { name: "H200".to_owned() };
        assert!(probes(&gpu, OWN).values().all(|probe| *probe == Probe::NotObservable));
        assert!(gpu.lock_clock(1200).unwrap_err().contains("libnvidia-ml.so.1"));
        // The same facts as other GPUs have, so that a library that comes back is a change of the context.
        assert_eq!(gpu.facts()["gpu"], "H200");
        assert!(gpu.facts()["gpu_driver"].contains("compute,utility"));
        assert!(GpuEnergy::of(Rc::new(gpu)).is_err());
        // Control.
        assert!(probes(&FakeGpu::default(), OWN).values().any(|probe| *probe != Probe::NotObservable));
    }
}
