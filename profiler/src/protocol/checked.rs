//! A device that checks every reply before it is used or recorded. A reply must match its request, have the requested shape
//! and hold only plausible numbers. One invalid reply in a journal would spoil the whole measurement.

mod checks;

use std::collections::BTreeMap;
use std::time::Duration;

use nasprof_graph::Graph;

pub use self::checks::check_stored;
use self::checks::{
    check_canary, check_energy, check_fingerprint, check_loaded, check_memory, check_model, check_probes, check_visit,
};
use super::clocks::{ClockRequest, Stored};
use super::device::{Device, DeviceError, ProtocolError};
use super::model::{ModelOpened, ModelRequest};
use super::reply::{Canary, Energy, Fingerprint, Loaded, Memory, Probes, Visit};
use super::request::{Setup, VisitRequest};

/// A device with checked replies.
pub struct Checked {
    inner: Box<dyn Device>,
    /// Number of layers of each loaded workload.
    layers: BTreeMap<u32, usize>,
}

impl Checked {
    /// Checks the replies of this device.
    #[must_use]
    pub fn new(inner: Box<dyn Device>) -> Self {
        Self { inner, layers: BTreeMap::new() }
    }

    /// The reply if it passes the check, else a protocol error.
    fn checked<T>(&self, answer: T, check: impl FnOnce(&T) -> Result<(), String>) -> Result<T, DeviceError> {
        match check(&answer) {
            Ok(()) => Ok(answer),
            Err(problem) => Err(DeviceError::Protocol(ProtocolError { agent: self.inner.name(), problem })),
        }
    }
}

impl Device for Checked {
    fn name(&self) -> String {
        self.inner.name()
    }

    fn configure(&mut self, setup: &Setup) -> Result<Fingerprint, DeviceError> {
        let answer = self.inner.configure(setup)?;
        self.checked(answer, check_fingerprint)
    }

    fn load(&mut self, workload: u32, graph: &Graph) -> Result<Loaded, DeviceError> {
        let layers = graph.layers().count();
        let answer = self.inner.load(workload, graph)?;
        let answer = self.checked(answer, |loaded| check_loaded(workload, layers, loaded))?;
        self.layers.insert(workload, layers);
        Ok(answer)
    }

    fn open_model(&mut self, request: &ModelRequest) -> Result<ModelOpened, DeviceError> {
        let answer = self.inner.open_model(request)?;
        let answer = self.checked(answer, |opened| check_model(request, opened))?;
        self.layers.insert(request.workload, answer.kernels.len());
        Ok(answer)
    }

    fn visit(&mut self, request: &VisitRequest) -> Result<Visit, DeviceError> {
        let layers = self.layers.get(&request.workload).copied();
        let layers =
            layers.ok_or_else(|| DeviceError::Refused(format!("workload {} is not loaded", request.workload)))?;
        let answer = self.inner.visit(request)?;
        self.checked(answer, |visit| check_visit(request, layers, visit))
    }

    fn canary(&mut self) -> Result<Canary, DeviceError> {
        let answer = self.inner.canary()?;
        self.checked(answer, check_canary)
    }

    fn pass_time(&mut self, time: Duration) -> Result<(), DeviceError> {
        self.inner.pass_time(time)
    }

    fn probe(&mut self) -> Result<Probes, DeviceError> {
        let answer = self.inner.probe()?;
        self.checked(answer, check_probes)
    }

    fn memory(&mut self, graph: &Graph) -> Result<Memory, DeviceError> {
        let answer = self.inner.memory(graph)?;
        self.checked(answer, check_memory)
    }

    fn energy(&mut self, graph: &Graph) -> Result<Energy, DeviceError> {
        let answer = self.inner.energy(graph)?;
        self.checked(answer, check_energy)
    }

    fn clocks(&mut self, request: &ClockRequest) -> Result<Stored, DeviceError> {
        let answer = self.inner.clocks(request)?;
        self.checked(answer, |stored| check_stored(request, stored))
    }
}
