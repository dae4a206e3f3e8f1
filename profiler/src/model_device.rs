//! A device that runs a model file instead of networks, so that code for timing whole networks can time it.

use std::time::Duration;

use nasprof_graph::{Graph, GraphBuilder, GraphError, Op};

use crate::protocol::{
    Canary, ClockRequest, Device, DeviceError, Fingerprint, Loaded, Memory, ModelRequest, Probes, Setup, Stored, Visit,
    VisitRequest,
};

/// A device that runs a model file whatever graph it gets. It times only whole runs, because the graph does not have the
/// model's layers.
pub struct ModelDevice {
    inner: Box<dyn Device>,
    request: ModelRequest,
}

impl ModelDevice {
    /// Makes a device that runs the model of `request` on `inner`.
    #[must_use]
    pub fn new(inner: Box<dyn Device>, request: ModelRequest) -> Self {
        Self { inner, request }
    }

    /// The graph that represents a model: one layer, whose name identifies the model.
    ///
    /// # Errors
    /// If the name is empty.
    pub fn graph(name: &str) -> Result<Graph, GraphError> {
        let mut builder = GraphBuilder::new();
        let input = builder.input("inputs", [1])?;
        let model = builder.add(name, Op::Relu, &[input])?;
        builder.build(&[model])
    }
}

impl Device for ModelDevice {
    fn name(&self) -> String {
        self.inner.name()
    }

    fn configure(&mut self, setup: &Setup) -> Result<Fingerprint, DeviceError> {
        self.inner.configure(setup)
    }

    fn load(&mut self, workload: u32, _: &Graph) -> Result<Loaded, DeviceError> {
        let opened = self.inner.open_model(&ModelRequest { workload, ..self.request.clone() })?;
        Ok(Loaded { workload, first_ns: vec![opened.first_ns] })
    }

    fn visit(&mut self, request: &VisitRequest) -> Result<Visit, DeviceError> {
        if request.layer_runs > 0 {
            return Err(DeviceError::Refused("a model file is timed only as a whole".to_owned()));
        }
        self.inner.visit(request)
    }

    fn canary(&mut self) -> Result<Canary, DeviceError> {
        self.inner.canary()
    }

    fn pass_time(&mut self, time: Duration) -> Result<(), DeviceError> {
        self.inner.pass_time(time)
    }

    fn probe(&mut self) -> Result<Probes, DeviceError> {
        self.inner.probe()
    }

    fn memory(&mut self, _: &Graph) -> Result<Memory, DeviceError> {
        let opened = self.inner.open_model(&ModelRequest { workload: 0, ..self.request.clone() })?;
        Ok(Memory {
            first_ns: opened.first_ns,
            peak_bytes: None,
            network_bytes: opened.peak_bytes,
            stored_bytes: None,
            method: "model file".to_owned(),
            resolution_bytes: 0,
        })
    }

    fn clocks(&mut self, request: &ClockRequest) -> Result<Stored, DeviceError> {
        self.inner.clocks(request)
    }
}
