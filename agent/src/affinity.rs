//! Pins the process and its threads to cores.

use std::collections::BTreeMap;
use std::fs;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::{Pid, gettid};

/// Pins the calling thread and all threads that it starts later to `cores`; does nothing if the list is empty.
pub fn pin_process(cores: &[usize]) -> Result<(), String> {
    if cores.is_empty() { Ok(()) } else { pin(0, cores) }
}

/// Pins each thread that takes part in `work` to a core of its own; the calling thread gets the first core. Threads that
/// gain run time during `work` take part; a process has idle threads too. Two working threads on one core would wait for
/// each other at the end of every parallel loop.
pub fn pin_threads(cores: &[usize], work: impl FnOnce()) -> Result<(), String> {
    let Some((first, others)) = cores.split_first() else { return Ok(()) };
    let before = run_times()?;
    work();
    let caller = gettid().as_raw();
    let gained = |(thread, ns): (i32, u64)| (ns - before.get(&thread).copied().unwrap_or(0).min(ns), thread);
    let mut workers: Vec<(u64, i32)> = run_times()?.into_iter().map(gained).filter(|(_, t)| *t != caller).collect();
    workers.sort_unstable();
    workers.reverse();
    workers.truncate(others.len());
    let working = workers.iter().filter(|(ns, _)| *ns > 0).count();
    if working < others.len() {
        return Err(format!("{} threads were requested, but {} work", cores.len(), working + 1));
    }
    pin(0, &[*first])?;
    workers.iter().zip(others).try_for_each(|((_, thread), core)| pin(*thread, &[*core]))
}

/// Run time of each thread of the process, nanoseconds.
fn run_times() -> Result<BTreeMap<i32, u64>, String> {
    let threads = fs::read_dir("/proc/self/task").map_err(|e| format!("cannot list threads: {e}"))?;
    let threads = threads.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let time = |thread: i32| {
        let path = format!("/proc/self/task/{thread}/schedstat");
        // The thread may have ended after it was listed.
        let Ok(text) = fs::read_to_string(&path) else { return Ok(None) };
        let ns = text.split_whitespace().next().and_then(|ns| ns.parse().ok());
        ns.map(|ns| Some((thread, ns))).ok_or_else(|| format!("{path}: no run time, so working threads are not known"))
    };
    threads.map(time).filter_map(Result::transpose).collect()
}

fn pin(thread: i32, cores: &[usize]) -> Result<(), String> {
    let mut set = CpuSet::new();
    for core in cores {
        set.set(*core).map_err(|e| format!("core {core}: {e}"))?;
    }
    sched_setaffinity(Pid::from_raw(thread), &set).map_err(|e| format!("cannot pin to cores {cores:?}: {e}"))
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;
    use std::process::Command;
    use std::sync::mpsc::channel;
    use std::thread;

    use super::*;

    fn allowed(thread: i32) -> String {
        let status = fs::read_to_string(format!("/proc/self/task/{thread}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        line.unwrap().trim().to_owned()
    }

    fn spin() {
        (0..20_000_000_u64).for_each(|i| {
            black_box(i);
        });
    }

    /// Runs a test again in a process of its own: beside others, their threads would work as well.
    fn alone(test: &str) -> bool {
        if std::env::var_os("NASPROF_TEST_ALONE").is_some() {
            return true;
        }
        let name = format!("affinity::tests::{test}");
        let mut again = Command::new(std::env::current_exe().unwrap());
        let again = again.args(["--exact", &name, "--nocapture"]).env("NASPROF_TEST_ALONE", "1").output().unwrap();
        assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
        false
    }

    /// An idle thread that was there first gets no core of its own; in the order of their numbers it would.
    #[test]
    fn threads_that_work_share_no_core() {
        if thread::available_parallelism().unwrap().get() < 2 {
            nasprof_testkit::skip::skip("one core only");
            return;
        }
        if !alone("threads_that_work_share_no_core") {
            return;
        }
        let (stop, stopped) = channel::<()>();
        let (sender, receiver) = channel();
        let name = sender.clone();
        let idle = thread::spawn(move || {
            name.send(gettid().as_raw()).unwrap();
            let _ = stopped.recv();
        });
        let idle_thread = receiver.recv().unwrap();
        let (ask, asked) = channel::<()>();
        let worker = thread::spawn(move || {
            sender.send(gettid().as_raw()).unwrap();
            while asked.recv().is_ok() {
                spin();
                sender.send(0).unwrap();
            }
        });
        let worker_thread = receiver.recv().unwrap();
        assert!(idle_thread < worker_thread);
        let caller = thread::spawn(move || {
            pin_threads(&[0, 1], || {
                ask.send(()).unwrap();
                spin();
                receiver.recv().unwrap();
            })
            .unwrap();
            (allowed(gettid().as_raw()), allowed(worker_thread), allowed(idle_thread))
        });
        let (caller, working, idling) = caller.join().unwrap();
        assert_eq!((caller.as_str(), working.as_str()), ("0", "1"));
        assert_ne!(idling, "1");
        drop(stop);
        idle.join().unwrap();
        worker.join().unwrap();
    }

    #[test]
    fn a_thread_that_does_not_work_is_missed() {
        if !alone("a_thread_that_does_not_work_is_missed") {
            return;
        }
        let found = thread::spawn(|| pin_threads(&[0; 64], spin)).join().unwrap();
        assert!(found.unwrap_err().starts_with("64 threads were requested"));
    }
}
