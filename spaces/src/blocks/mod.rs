//! Composite blocks: functions that append the layers of one block to a builder, one file per family of networks.

pub mod auxiliary;
pub mod darts;
pub mod mobilenet;
pub mod ofa;
pub mod zoph;
