//! Composite blocks: functions that append the layers of a block to a builder. One file for each family of networks.

pub mod auxiliary;
pub mod darts;
pub mod mobilenet;
pub mod ofa;
pub mod zoph;
