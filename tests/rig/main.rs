//! A board over SSH: a real sshd on this machine, the built program, and everything that can go wrong between them.
//!
//! `board`: the board and its device file; `cable`: a link that can be cut; `processes`: what runs on the board.
//! `measuring`: what works; `identity`: who is believed, and who lets us in; `link`: links that are cut and peers that
//! freeze; `command`: a command in the agent's place; `clocks`: clocks that are left locked; `sharding`: boards that share one
//! LUT; `faults`: what dies or is not there; `hostile`: boards that lie; `library`: ONNX Runtime for a board that has none; `namespaces`: a real interface that goes down.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "what is skipped is said")]

mod board;
mod cable;
mod clocks;
mod command;
mod faults;
#[path = "../end_to_end/harness.rs"]
mod harness;
mod hostile;
mod identity;
mod library;
mod link;
mod measuring;
mod models;
mod namespaces;
mod processes;
mod sharding;
