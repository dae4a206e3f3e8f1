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

fn target(name: &str) -> &'static Target {
    TARGETS.iter().find(|target| target.name == name).unwrap_or_else(|| panic!("no target `{name}`"))
}

/// Writes a target's seeds into the folder that NASPROF_FUZZ_SEEDS names, before libFuzzer reads it.
///
/// # Panics
/// If there is no target of that name, or the folder cannot be written to.
pub fn write_seeds(name: &str) {
    let Some(folder) = std::env::var_os("NASPROF_FUZZ_SEEDS").map(std::path::PathBuf::from) else { return };
    for (i, seed) in (target(name).seeds)().into_iter().enumerate() {
        std::fs::write(folder.join(format!("seed-{i}")), seed).expect("a seed is written");
    }
}

/// Runs a target by its name.
///
/// # Panics
/// If there is none of that name, or it finds a fault.
pub fn run(name: &str, data: &[u8]) {
    guard::watched(|| (target(name).run)(data));
}
