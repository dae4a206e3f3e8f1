//! A simulated GPU for tests.

use std::cell::Cell;
use std::collections::BTreeMap;

use super::{Gpu, GpuProcess};

/// Process number that tests use as their own.
pub(crate) const OWN: u32 = 100;

pub(crate) struct FakeGpu {
    pub(crate) temperature: Option<f64>,
    pub(crate) reasons: Option<u64>,
    pub(crate) processes: Option<Vec<GpuProcess>>,
    pub(crate) clock: Cell<Option<u32>>,
    pub(crate) energy: Cell<Option<u64>>,
    /// The clock after locking; absent: locking is refused.
    pub(crate) takes: Option<u32>,
    pub(crate) locked: Cell<bool>,
    pub(crate) busy: Option<f64>,
    pub(crate) divided: bool,
}

impl Default for FakeGpu {
    fn default() -> Self {
        Self {
            temperature: Some(50.0),
            reasons: Some(0),
            processes: Some(vec![GpuProcess { pid: OWN, bytes: Some(600 << 20) }]),
            clock: Cell::new(Some(1980)),
            energy: Cell::new(Some(1000)),
            takes: Some(1200),
            locked: Cell::new(false),
            busy: Some(0.0),
            divided: false,
        }
    }
}

impl Gpu for FakeGpu {
    fn facts(&self) -> BTreeMap<String, String> {
        BTreeMap::from([("gpu".to_owned(), "fake".to_owned())])
    }
    fn bus_id(&self) -> Option<String> {
        Some("00000000:65:00.0".to_owned())
    }
    fn clock_mhz(&self) -> Option<u32> {
        self.clock.get()
    }
    fn clock_reasons(&self) -> Option<u64> {
        self.reasons
    }
    fn temperature(&self) -> Option<f64> {
        self.temperature
    }
    fn slowdown_temperature(&self) -> Option<f64> {
        Some(90.0)
    }
    fn processes(&self) -> Option<Vec<GpuProcess>> {
        self.processes.clone()
    }
    fn busy_percent(&self) -> Option<f64> {
        self.busy
    }
    fn is_divided(&self) -> bool {
        self.divided
    }
    fn energy_millijoules(&self) -> Option<u64> {
        self.energy.get()
    }
    fn steady_clock_mhz(&self) -> Option<u32> {
        Some(1200)
    }
    fn lock_clock(&self, _mhz: u32) -> Result<(), String> {
        let clock = self.takes.ok_or("insufficient permissions")?;
        self.clock.set(Some(clock));
        self.locked.set(true);
        Ok(())
    }
    fn reset_clock(&self) -> Result<(), String> {
        self.clock.set(Some(1980));
        self.locked.set(false);
        Ok(())
    }
}
