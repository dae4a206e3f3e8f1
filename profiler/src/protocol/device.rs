//! A measurable device, and its errors.

use std::time::Duration;

use nasprof_graph::Graph;
use thiserror::Error;

use super::clocks::{ClockRequest, Stored};
use super::model::{ModelOpened, ModelRequest};
use super::reply::{Canary, Energy, Fingerprint, Loaded, Memory, Probes, Visit};
use super::request::{Setup, VisitRequest};

/// Why a device did not answer.
#[derive(Debug, Error)]
pub enum DeviceError {
    /// The request failed on the device, which continues.
    #[error("{0}")]
    Refused(String),
    /// The device is not in the required state.
    #[error("{0}")]
    ContextChanged(String),
    /// The device is gone.
    #[error("device lost: {0}")]
    Lost(String),
    /// Its reply breaks the protocol.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
}

impl DeviceError {
    /// Names what the device refused to do.
    #[must_use]
    pub(crate) fn of(self, what: &str) -> Self {
        match self {
            Self::Refused(problem) => Self::Refused(format!("{what}: {problem}")),
            other => other,
        }
    }
}

/// An agent's reply that breaks the protocol. Nothing of the reply is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("agent {agent} broke the protocol: {problem}")]
pub struct ProtocolError {
    /// Device and program.
    pub agent: String,
    /// What it did.
    pub problem: String,
}

/// A measurable device: an agent process, or a back end inside one.
pub trait Device {
    /// Device and program, for messages.
    fn name(&self) -> String {
        "of this process".to_owned()
    }

    /// Sets up the device; call it once, before all other requests.
    ///
    /// # Errors
    /// If this device does not support the setup.
    fn configure(&mut self, setup: &Setup) -> Result<Fingerprint, DeviceError>;

    /// Builds a network, assigns it the number and runs it once.
    ///
    /// # Errors
    /// If a layer does not run.
    fn load(&mut self, workload: u32, graph: &Graph) -> Result<Loaded, DeviceError>;

    /// Opens a model file, assigns it a number and runs it once.
    ///
    /// # Errors
    /// If the back end reads no models, or its runtime refuses this one.
    fn open_model(&mut self, _request: &ModelRequest) -> Result<ModelOpened, DeviceError> {
        Err(DeviceError::Refused("this back end runs networks, not model files".to_owned()))
    }

    /// Times a loaded network.
    ///
    /// # Errors
    /// If the workload is not loaded or a layer fails.
    fn visit(&mut self, request: &VisitRequest) -> Result<Visit, DeviceError>;

    /// Times the fixed kernels.
    ///
    /// # Errors
    /// If the device is lost.
    fn canary(&mut self) -> Result<Canary, DeviceError>;

    /// Advances virtual time; does nothing on a device in real time.
    ///
    /// # Errors
    /// If the device is lost.
    fn pass_time(&mut self, _time: Duration) -> Result<(), DeviceError> {
        Ok(())
    }

    /// Reads the machine's state.
    ///
    /// # Errors
    /// If the device is lost.
    fn probe(&mut self) -> Result<Probes, DeviceError>;

    /// Measures the memory of a graph; call it on a fresh device only.
    ///
    /// # Errors
    /// If a layer does not run.
    fn memory(&mut self, graph: &Graph) -> Result<Memory, DeviceError>;

    /// Measures the energy of a graph.
    ///
    /// # Errors
    /// If the device shows no energy, its meter is too coarse, or a layer does not run.
    fn energy(&mut self, _graph: &Graph) -> Result<Energy, DeviceError> {
        Err(DeviceError::Refused("this device has no energy meter".to_owned()))
    }

    /// Reads the current clock settings, with all that restoring them needs.
    ///
    /// # Errors
    /// If the device has none, or one cannot be read.
    fn clocks(&mut self, _request: &ClockRequest) -> Result<Stored, DeviceError> {
        Err(DeviceError::Refused("this device has no clocks to lock".to_owned()))
    }
}
