//! The built program from outside. `commands`: what works; `drawing`: searches without training; `bad_input`: what is
//! refused and how; `broken_agent`: what an agent may not say; `interruption`: what survives; `torch`: real layers, where an agent with libtorch is at hand;
//! `searching`: searches and trainings with libtorch; `onnx`: models of networks; `layout`: the invariants of the workspace; `docs` and `messages`: the
//! documentation against the program.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bad_input;
mod broken_agent;
mod browser;
mod circles;
mod clocks;
mod commands;
mod docs;
mod drawing;
mod energy;
mod harness;
mod interruption;
mod layout;
mod messages;
mod onnx;
mod reports;
mod sample_lut;
mod searching;
mod sharing;
mod tables;
mod tables_of_others;
mod torch;
mod types;
