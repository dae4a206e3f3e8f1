//! Pinning the process and its threads to cores.

use std::fs;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

/// Pins the calling thread and all that it starts later to `cores`; nothing if the list is empty.
pub(crate) fn pin_process(cores: &[usize]) -> Result<(), String> {
    if cores.is_empty() { Ok(()) } else { pin(0, cores) }
}

/// Gives every thread of the process one core of its own, in order, the main thread the first.
pub(crate) fn pin_threads(cores: &[usize]) -> Result<(), String> {
    if cores.is_empty() {
        return Ok(());
    }
    let mut threads: Vec<i32> = fs::read_dir("/proc/self/task")
        .map_err(|e| format!("cannot list threads: {e}"))?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    threads.sort_unstable();
    threads.iter().zip(cores.iter().cycle()).try_for_each(|(thread, core)| pin(*thread, &[*core]))
}

fn pin(thread: i32, cores: &[usize]) -> Result<(), String> {
    let mut set = CpuSet::new();
    for core in cores {
        set.set(*core).map_err(|e| format!("core {core}: {e}"))?;
    }
    sched_setaffinity(Pid::from_raw(thread), &set).map_err(|e| format!("cannot pin to cores {cores:?}: {e}"))
}
