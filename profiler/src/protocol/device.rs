//! Something that can be measured, and why it does not answer.

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
    /// The request failed on the device; it goes on.
    #[error("{0}")]
    Refused(String),
    /// The device is not in the state that was asked for.
    #[error("{0}")]
    ContextChanged(String),
    /// The device is gone.
    #[error("device lost: {0}")]
    Lost(String),
    /// It answered what cannot be an answer.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
}

/// An agent that says what the protocol does not allow. Nothing of it is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("agent {agent} broke the protocol: {problem}")]
pub struct ProtocolError {
    /// Device and program.
    pub agent: String,
    /// What it did.
    pub problem: String,
}

/// Something that can be measured: an agent process, or a back end inside one.
pub trait Device {
    /// Device and program, for messages.
    fn name(&self) -> String {
        "of this process".to_owned()
    }

    /// Sets up; must be called once and first.
    ///
    /// # Errors
    /// If the set-up is impossible on this device.
    fn configure(&mut self, setup: &Setup) -> Result<Fingerprint, DeviceError>;

    /// Builds a network under a number and runs it once.
    ///
    /// # Errors
    /// If a layer does not run.
    fn load(&mut self, workload: u32, graph: &Graph) -> Result<Loaded, DeviceError>;

    /// Opens a model file under a number and runs it once.
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

    /// Lets virtual time pass; a device in real time needs nothing for that.
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

    /// Reads the clock settings as they are, with what is needed to bring them back.
    ///
    /// # Errors
    /// If the device has none, or one cannot be read.
    fn clocks(&mut self, _request: &ClockRequest) -> Result<Stored, DeviceError> {
        Err(DeviceError::Refused("this device has no clocks to lock".to_owned()))
    }
}
