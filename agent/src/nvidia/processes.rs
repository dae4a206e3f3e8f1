//! Names of the processes that compute on a GPU beside this one.

use std::fs;
use std::path::Path;

use nasprof_profiler::protocol::BusyProcess;

use super::{Gpu, GpuProcess};

/// Number of processes beside this one that certainly compute on the GPU. In a container the driver may list process numbers of
/// another namespace, or not list this process, although it computes. One of the listed processes may then be this one, so
/// a single one says nothing.
pub(super) fn others(listed: &[GpuProcess], own: u32) -> Option<usize> {
    let others = listed.iter().filter(|process| process.pid != own).count();
    if others < listed.len() { Some(others) } else { others.checked_sub(1).filter(|certain| *certain > 0) }
}

/// The other processes that compute on the GPU, by name if the driver lists numbers of this namespace. The driver reports
/// only how busy the GPU is in total, so every process gets that percentage. `own` is this process; `root` contains
/// `/proc`.
#[must_use]
pub fn foreign(gpu: &dyn Gpu, own: u32, root: &Path) -> Vec<BusyProcess> {
    let processes = gpu.processes().unwrap_or_default();
    let percent = gpu.busy_percent().unwrap_or(0.0).clamp(0.0, 100.0);
    if processes.iter().all(|process| process.pid != own) {
        // Numbers of another namespace belong to other processes here, and one of them is ours.
        let count = others(&processes, own).unwrap_or(0);
        let name = format!("{count} outside the container (GPU)");
        return if count > 0 { vec![BusyProcess { name, percent }] } else { Vec::new() };
    }
    let name = |pid: u32| {
        let name = fs::read_to_string(root.join(format!("proc/{pid}/comm"))).ok();
        match name.as_deref().map(str::trim) {
            Some(name) if !name.is_empty() => format!("{name} ({pid}, GPU)"),
            _ => format!("process {pid} (GPU)"),
        }
    };
    let others = processes.iter().filter(|process| process.pid != own);
    others.map(|process| BusyProcess { name: name(process.pid), percent }).collect()
}

#[cfg(test)]
mod tests {
    use nasprof_testkit::machine::tree;

    use super::super::fake::{FakeGpu, OWN};
    use super::*;

    #[test]
    fn foreign_processes_are_named_and_our_own_is_not() {
        let root = tree(&[("proc/7/comm", "python3\n"), ("proc/100/comm", "agent\n")]);
        let processes = |pids: &[u32]| Some(pids.iter().map(|&pid| GpuProcess { pid, bytes: None }).collect());
        let seen = |pids: &[u32]| {
            let gpu = FakeGpu { processes: processes(pids), busy: Some(63.0), ..FakeGpu::default() };
            foreign(&gpu, OWN, &root).into_iter().map(|p| (p.name, p.percent)).collect::<Vec<_>>()
        };
        assert_eq!(seen(&[7, OWN]), [("python3 (7, GPU)".to_owned(), 63.0)]);
        assert_eq!(seen(&[OWN, 8]), [("process 8 (GPU)".to_owned(), 63.0)]);
        assert_eq!(seen(&[OWN]), []);
        // Numbers of another name space are not looked up in ours.
        assert_eq!(seen(&[7, 9]), [("1 outside the container (GPU)".to_owned(), 63.0)]);
        assert_eq!(seen(&[7]), []);
        let gpu = FakeGpu { processes: None, ..FakeGpu::default() };
        assert_eq!(foreign(&gpu, OWN, &root), []);
    }
}
