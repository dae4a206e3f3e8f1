//! The built program from outside. `commands`: what works; `drawing`: searches without training; `bad_input`: what is
//! refused and how; `outputs`: what is never written over; `broken_agent`: what an agent may not say; `terminal`: what never
//! reaches the terminal; `interruption`: what survives, and when it ends; `environment`: where files and programs come from;
//! `torch`: real layers, where an agent with libtorch is at hand; `searching`: searches and trainings with libtorch; `simulating`: searches on a table; `onnx`:
//! models of networks; `onnxruntime`: its back end; `model_profiles`: what is measured of models; `querying`: what is asked in SQL; `layout`, `circles` and `repository`: the invariants of the workspace; `docs`, `messages` and `spaces`:
//! the documentation against the program.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod architectures;
mod bad_input;
mod broken_agent;
mod browser;
mod by_command;
mod check_gpu;
mod circles;
mod clocks;
mod commands;
mod docs;
mod drawing;
mod energy;
mod environment;
mod fake_agent;
mod gpu;
mod harness;
mod interruption;
mod layout;
mod messages;
mod model_profiles;
mod onnx;
mod onnxruntime;
mod outputs;
mod precision;
mod querying;
mod ranking;
mod reports;
mod repository;
mod sample_lut;
mod searching;
mod sharding;
mod simulating;
mod spaces;
mod tables;
mod tables_of_others;
mod terminal;
mod timing;
mod torch;
mod types;
