//! Finds the processes that use most processor time between two readings.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use nasprof_profiler::protocol::BusyProcess;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind};

/// Maximum number of reported processes; more would not help a user to stop the disturbance.
const MOST: usize = 5;
/// Percent of the machine's processor time below which a process does not disturb.
const LEAST: f64 = 0.5;
/// Names from the kernel have at most 15 bytes; longer names occur only in tests.
const NAME_CHARACTERS: usize = 40;

/// Reads the processor time of all processes from time to time.
pub(crate) struct Watch {
    /// `None` if the system does not show its processes.
    system: Option<System>,
    last: Option<Look>,
}

/// Processor time of every process, in milliseconds since it began.
struct Look {
    at: Instant,
    used: HashMap<Pid, (String, u64)>,
}

impl Watch {
    pub(crate) fn new() -> Self {
        // Memory, users and command lines are not read: that would take most of the time.
        Self { system: System::new().ok(), last: None }
    }

    /// Stores the processor time of every process so far.
    pub(crate) fn look(&mut self) {
        self.last = self.now();
    }

    /// The other processes that used most processor time since the last look, in descending order; processes with the same
    /// name are added up. Becomes the new last look. Empty if unknown.
    pub(crate) fn since_last_look(&mut self) -> Vec<BusyProcess> {
        let Some(before) = self.last.take() else {
            self.look();
            return Vec::new();
        };
        let Some(now) = self.now() else { return Vec::new() };
        let passed = now.at.duration_since(before.at);
        let busy = most(&before.used, &now.used, passed, processors());
        self.last = Some(now);
        busy
    }

    fn now(&mut self) -> Option<Look> {
        let system = self.system.as_mut()?;
        let kind = ProcessRefreshKind::nothing().with_cpu().without_tasks().with_exe(UpdateKind::Never);
        system.refresh_processes_specifics(ProcessesToUpdate::All, true, kind);
        let own = sysinfo::get_current_pid().ok();
        let others = system.processes().values().filter(|process| Some(process.pid()) != own);
        let used = others.map(|process| {
            let name = process.name().to_string_lossy().chars().take(NAME_CHARACTERS).collect();
            (process.pid(), (name, process.accumulated_cpu_time()))
        });
        Some(Look { at: Instant::now(), used: used.collect() })
    }
}

fn processors() -> f64 {
    use nix::unistd::{SysconfVar, sysconf};
    // All processors of the machine, not only those that this process may use.
    let online = sysconf(SysconfVar::_NPROCESSORS_ONLN).ok().flatten().unwrap_or(1);
    online.max(1) as f64
}

/// The names with the most of the machine's processor time.
fn most(
    before: &HashMap<Pid, (String, u64)>,
    now: &HashMap<Pid, (String, u64)>,
    passed: Duration,
    processors: f64,
) -> Vec<BusyProcess> {
    let mut by_name: BTreeMap<&str, u64> = BTreeMap::new();
    for (pid, (name, used)) in now {
        // A process that started since the last look used all of its time since then. The same holds for a new process with
        // a reused number.
        let begun = before.get(pid).filter(|(earlier, _)| earlier == name).map_or(0, |(_, used)| *used);
        let since = used.checked_sub(begun).unwrap_or(*used);
        let sum = by_name.entry(name).or_default();
        *sum = sum.saturating_add(since);
    }
    let available = passed.as_secs_f64() * 1000.0 * processors;
    let share = |milliseconds: u64| 100.0 * milliseconds as f64 / available;
    let mut busy: Vec<BusyProcess> = by_name
        .into_iter()
        .map(|(name, used)| BusyProcess { name: name.to_owned(), percent: share(used) })
        .filter(|process| process.percent.is_finite() && process.percent >= LEAST)
        // Processor time is counted in ticks and read slightly later than the clock, so it can exceed the elapsed time.
        .map(|process| BusyProcess { percent: process.percent.min(100.0), ..process })
        .collect();
    // A stable sort: equal shares stay in the order of their names.
    busy.sort_by(|a, b| b.percent.total_cmp(&a.percent));
    busy.truncate(MOST);
    busy
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    fn used(all: &[(usize, &str, u64)]) -> HashMap<Pid, (String, u64)> {
        all.iter().map(|&(pid, name, used)| (Pid::from(pid), (name.to_owned(), used))).collect()
    }

    #[test]
    fn shares_are_of_the_machine_and_names_count_together() {
        let before = used(&[(1, "init", 500), (2, "rustc", 1000), (3, "chromium", 0), (4, "idle", 7), (6, "gone", 9)]);
        let now =
            used(&[(1, "init", 500), (2, "rustc", 1400), (3, "chromium", 900), (4, "idle", 8), (5, "rustc", 360)]);
        let busy = most(&before, &now, Duration::from_secs(1), 2.0);
        let told: Vec<(&str, f64)> = busy.iter().map(|b| (b.name.as_str(), b.percent)).collect();
        assert_eq!(told, [("chromium", 45.0), ("rustc", 38.0)]);
    }

    #[test]
    fn a_number_in_use_again_and_a_clock_that_stands_mean_no_nonsense() {
        let before = used(&[(2, "old", 1000), (3, "same", 1000)]);
        let now = used(&[(2, "new", 500), (3, "same", 400)]);
        let busy = most(&before, &now, Duration::from_secs(1), 1.0);
        let told: Vec<(&str, f64)> = busy.iter().map(|b| (b.name.as_str(), b.percent)).collect();
        assert_eq!(told, [("new", 50.0), ("same", 40.0)]);
        assert!(most(&before, &now, Duration::ZERO, 1.0).is_empty());
    }

    #[test]
    fn ticks_that_are_counted_late_make_no_more_than_all() {
        let busy = |spent| most(&used(&[(2, "a", 0)]), &used(&[(2, "a", spent)]), Duration::from_millis(500), 2.0);
        // 101.8 % by the counters.
        assert_eq!(busy(1018)[0].percent, 100.0);
        assert_eq!(busy(999)[0].percent, 99.9);
    }

    /// The real thing, however busy the machine is: a process that never rests is seen in the end. The control: once it has
    /// ended, it is not.
    #[test]
    fn a_process_that_never_rests_is_named() {
        let folder = tempfile::tempdir().unwrap();
        // The kernel's name of a script is that of its file.
        let path = folder.path().join("nasprof-spins");
        std::fs::write(&path, "#!/bin/sh\nwhile :; do :; done\n").unwrap();
        assert!(Command::new("chmod").arg("+x").arg(&path).status().unwrap().success());
        let mut spinner = Command::new(path).stdin(Stdio::null()).spawn().unwrap();
        let mut watch = Watch::new();
        watch.look();
        let mut wait_until_named = |named: bool| {
            let started = Instant::now();
            loop {
                std::thread::sleep(Duration::from_millis(100));
                let busy = watch.since_last_look();
                if busy.iter().any(|b| b.name == "nasprof-spins") == named {
                    return true;
                }
                if started.elapsed() > Duration::from_secs(120) {
                    return false;
                }
            }
        };
        let seen = wait_until_named(true);
        spinner.kill().unwrap();
        spinner.wait().unwrap();
        assert!(seen && wait_until_named(false));
    }
}
