//! One function for each kind of input that comes from outside. libFuzzer calls it with inputs that it grows by coverage
//! (`fuzz_targets/`), a plain test with seeds and seeded mutations of them (`tests/replay.rs`).
//!
//! A target fails by panicking: a parser that panics, one that asks for more memory than [`guard`] allows, or one whose answer
//! differs from that of the slow readers in [`slow`].

pub mod guard;
pub mod mutate;
pub mod slow;
mod targets;

pub use targets::{TARGETS, Target};

/// Runs a target by its name.
///
/// # Panics
/// If there is none of that name, or it finds a fault.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    let target = target.unwrap_or_else(|| panic!("no target `{name}`"));
    guard::watched(|| (target.run)(data));
}
