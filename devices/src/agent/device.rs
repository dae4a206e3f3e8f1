//! An agent as the engine sees it: a [`Device`].

use std::time::Duration;

use nasprof_graph::Graph;
use nasprof_profiler::protocol::{
    Canary, ClockRequest, Device, DeviceError, Energy, Fingerprint, Loaded, Memory, ModelOpened, ModelRequest, Probe,
    Probes, Reply, Request, Setup, Stored, Visit, VisitRequest,
};

use super::AgentClient;

/// Sends a request and accepts only the matching kind of reply.
macro_rules! ask {
    ($client:expr, $request:expr, $answer:path) => {
        match $client.ask(&$request)? {
            $answer(answer) => Ok(answer),
            other => Err(DeviceError::Protocol($client.unexpected(&other))),
        }
    };
}

impl Device for AgentClient {
    fn name(&self) -> String {
        self.name.clone()
    }

    /// Locks clocks only if the host has a copy of the original ones.
    fn configure(&mut self, setup: &Setup) -> Result<Fingerprint, DeviceError> {
        let mut setup = setup.clone();
        if let Some(request) = &setup.clocks {
            setup.clock_copy = self.keep_clocks(request)?;
            self.locks = true;
        }
        let locks = self.locks;
        let mut fingerprint: Fingerprint = ask!(self, Request::Configure(setup), Reply::Configured)?;
        if let (true, Some(mode)) = (locks, &self.additions.power_mode) {
            self.additions.facts.extend(mode.fact(self.pipe.run(&mode.command)?)?);
        }
        fingerprint.facts.extend(self.additions.facts.clone());
        Ok(fingerprint)
    }

    fn load(&mut self, workload: u32, graph: &Graph) -> Result<Loaded, DeviceError> {
        ask!(self, Request::Load { workload, graph: graph.clone() }, Reply::Loaded)
    }

    fn open_model(&mut self, request: &ModelRequest) -> Result<ModelOpened, DeviceError> {
        ask!(self, Request::OpenModel(request.clone()), Reply::ModelOpened)
    }

    fn visit(&mut self, request: &VisitRequest) -> Result<Visit, DeviceError> {
        ask!(self, Request::Visit(request.clone()), Reply::Visited)
    }

    fn canary(&mut self) -> Result<Canary, DeviceError> {
        ask!(self, Request::Canary, Reply::Canary)
    }

    fn pass_time(&mut self, time: Duration) -> Result<(), DeviceError> {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        match self.ask(&Request::PassTime { nanoseconds })? {
            Reply::TimePassed => Ok(()),
            other => Err(self.unexpected(&other).into()),
        }
    }

    fn probe(&mut self) -> Result<Probes, DeviceError> {
        let mut probes: Probes = ask!(self, Request::Probe, Reply::Probes)?;
        if let (Some(limit), Some(probe)) =
            (self.additions.temperature_limit, probes.values.get_mut("temperature_celsius"))
        {
            *probe = match *probe {
                Probe::Ok(value) | Probe::Bad(value) if value <= limit => Probe::Ok(value),
                Probe::Ok(value) | Probe::Bad(value) => Probe::Bad(value),
                Probe::NotObservable => Probe::NotObservable,
            };
        }
        Ok(probes)
    }

    fn memory(&mut self, graph: &Graph) -> Result<Memory, DeviceError> {
        ask!(self, Request::Memory { graph: graph.clone() }, Reply::Memory)
    }

    fn energy(&mut self, graph: &Graph) -> Result<Energy, DeviceError> {
        ask!(self, Request::Energy { graph: graph.clone() }, Reply::Energy)
    }

    fn clocks(&mut self, request: &ClockRequest) -> Result<Stored, DeviceError> {
        match self.ask(&Request::Clocks { how: request.clone() })? {
            Reply::Clocks { stored } => Ok(stored),
            other => Err(self.unexpected(&other).into()),
        }
    }
}
