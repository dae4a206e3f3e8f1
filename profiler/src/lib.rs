//! The host side of measuring: the agent protocol, the engine that decides what to measure next, the journal of all
//! observations, and synthetic devices in virtual time.

pub mod backend;
pub mod energy;
pub mod engine;
pub mod journal;
pub mod model_device;
pub mod model_kernels;
pub mod model_measure;
pub mod model_profile;
pub mod protocol;
pub mod queued;
pub mod synthetic;
