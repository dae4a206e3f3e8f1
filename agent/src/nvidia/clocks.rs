//! Locks the clock of a GPU, as `nvidia-smi -lgc` does.

use std::rc::Rc;
use std::time::Duration;

use nasprof_profiler::protocol::Setting;

use super::Gpu;
use crate::clocks::{ClockControl, ClockError};

const CONTROL: &str = "nvidia";
/// The GPU reaches a clock within moments, in steps of 15 MHz.
const TRIES: u32 = 40;
const PAUSE: Duration = Duration::from_millis(50);
const WITHIN: f64 = 0.02;

/// The clock of one GPU. The driver does not show whether a clock is locked, so restoring always unlocks it. A lock that
/// somebody else had set is lost.
pub struct GpuClocks {
    gpu: Rc<dyn Gpu>,
    index: u32,
}

impl GpuClocks {
    /// The clock of a GPU, by its number.
    #[must_use]
    pub fn new(gpu: Rc<dyn Gpu>, index: u32) -> Self {
        Self { gpu, index }
    }

    fn setting(&self, value: String) -> Setting {
        Setting { control: CONTROL.to_owned(), name: format!("gpu{}_mhz", self.index), value }
    }

    fn wrong(&self, problem: impl ToString) -> ClockError {
        ClockError::Setting { name: format!("clock of GPU {}", self.index), problem: problem.to_string() }
    }
}

impl ClockControl for GpuClocks {
    fn name(&self) -> &'static str {
        CONTROL
    }

    fn read(&mut self) -> Result<Vec<Setting>, ClockError> {
        Ok(vec![self.setting("not locked".to_owned())])
    }

    fn lock(&mut self) -> Result<Vec<Setting>, ClockError> {
        let mhz =
            self.gpu.steady_clock_mhz().ok_or_else(|| self.wrong("the driver reports no clock that can be held"))?;
        self.gpu.lock_clock(mhz).map_err(|e| self.wrong(e))?;
        let wanted = vec![self.setting(mhz.to_string())];
        for _ in 0..TRIES {
            if self.differences(&wanted).is_empty() {
                break;
            }
            std::thread::sleep(PAUSE);
        }
        Ok(wanted)
    }

    fn differences(&mut self, wanted: &[Setting]) -> Vec<String> {
        let Some(mhz) = wanted.first().and_then(|s| s.value.parse::<f64>().ok()) else { return Vec::new() };
        match self.gpu.clock_mhz().map(f64::from) {
            Some(now) if (now / mhz - 1.0).abs() <= WITHIN => Vec::new(),
            Some(now) => vec![format!("GPU {} runs at {now} MHz, not {mhz}", self.index)],
            None => vec![format!("GPU {} does not report its clock", self.index)],
        }
    }

    fn restore(&mut self, before: &[Setting]) -> Result<(), ClockError> {
        if before.is_empty() {
            return Ok(());
        }
        self.gpu.reset_clock().map_err(|e| self.wrong(e))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::FakeGpu;
    use super::*;

    #[test]
    fn a_clock_is_held_read_back_and_let_go() {
        let gpu = Rc::new(FakeGpu::default());
        let mut clocks = GpuClocks::new(gpu.clone(), 0);
        let before = clocks.read().unwrap();
        let wanted = clocks.lock().unwrap();
        assert_eq!((wanted[0].name.as_str(), wanted[0].value.as_str()), ("gpu0_mhz", "1200"));
        assert!(gpu.locked.get() && clocks.differences(&wanted).is_empty());
        gpu.clock.set(Some(1100));
        assert_eq!(clocks.differences(&wanted).len(), 1);
        clocks.restore(&before).unwrap();
        assert!(!gpu.locked.get());
    }

    #[test]
    fn a_clock_that_does_not_take_is_seen() {
        let mut refuses = GpuClocks::new(Rc::new(FakeGpu { takes: None, ..FakeGpu::default() }), 0);
        assert!(refuses.lock().unwrap_err().to_string().contains("permissions"));
        let mut ignores = GpuClocks::new(Rc::new(FakeGpu { takes: Some(1980), ..FakeGpu::default() }), 0);
        let wanted = ignores.lock().unwrap();
        assert_eq!(ignores.differences(&wanted).len(), 1);
    }
}
