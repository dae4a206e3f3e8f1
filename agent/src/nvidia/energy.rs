//! Energy of a GPU, from the counter of its driver.

use std::rc::Rc;
use std::time::Duration;

use nasprof_profiler::energy::EnergyMeter;

use super::Gpu;

/// The counter's unit is a millijoule …
const STEP_MICROJOULES: f64 = 1000.0;
/// … and its update interval is about this long; the driver does not report it.
const UPDATE: Duration = Duration::from_millis(20);

/// Energy of one GPU: the chip and its memory, including idle power, but without the host processor.
pub struct GpuEnergy {
    gpu: Rc<dyn Gpu>,
    begun: u64,
}

impl GpuEnergy {
    /// The meter of a GPU.
    ///
    /// # Errors
    /// If the driver shows no energy counter (GPUs older than Volta have none), or is divided (MIG): the counter covers all slices.
    pub fn of(gpu: Rc<dyn Gpu>) -> Result<Self, String> {
        if gpu.is_divided() {
            return Err("this GPU is divided (MIG), and its energy meter counts all slices".to_owned());
        }
        let begun = gpu.energy_millijoules().ok_or("the driver shows no energy meter of this GPU")?;
        Ok(Self { gpu, begun })
    }
}

impl EnergyMeter for GpuEnergy {
    fn method(&self) -> String {
        "NVML total energy of the GPU".to_owned()
    }

    fn update(&self) -> Duration {
        UPDATE
    }

    fn step_microjoules(&self, _window: Duration) -> f64 {
        STEP_MICROJOULES
    }

    fn begin(&mut self) -> Result<(), String> {
        self.begun = self.gpu.energy_millijoules().ok_or("the GPU's energy counter is gone")?;
        Ok(())
    }

    /// The counter restarts only when the driver is reloaded, so a decrease is an error.
    fn end(&mut self) -> Result<f64, String> {
        let now = self.gpu.energy_millijoules().ok_or("the GPU's energy counter is gone")?;
        let passed =
            now.checked_sub(self.begun).ok_or("the GPU's energy counter went back: the driver was reloaded")?;
        Ok(passed as f64 * 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::FakeGpu;
    use super::*;

    #[test]
    fn the_counter_is_followed_and_doubted() {
        let gpu = Rc::new(FakeGpu::default());
        let mut meter = GpuEnergy::of(gpu.clone()).unwrap();
        meter.begin().unwrap();
        gpu.energy.set(Some(1250));
        assert_eq!(meter.end(), Ok(250_000.0));
        gpu.energy.set(Some(10));
        assert!(meter.end().unwrap_err().contains("went back"));
        gpu.energy.set(None);
        assert!(meter.end().is_err() && GpuEnergy::of(gpu).is_err());
        let divided = GpuEnergy::of(Rc::new(FakeGpu { divided: true, ..FakeGpu::default() }));
        assert!(divided.err().unwrap().contains("all slices"));
    }
}
