//! What runs: found in `/proc`, and sent signals.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) name: String,
    parent: i32,
    /// Whether it is the supervisor.
    pub(crate) supervises: bool,
}

impl Process {
    pub(crate) fn signal(&self, signal: Signal) {
        // It may be gone.
        let _ = kill(Pid::from_raw(self.pid), signal);
    }

    fn read(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
        let mut fields = rest.split_whitespace();
        // A zombie runs no more.
        fields.next().filter(|state| *state != "Z")?;
        let parent = fields.next()?.parse().ok()?;
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let supervises = arguments.split(|&b| b == 0).nth(1) == Some(b"supervise");
        Some(Self { pid, name: name.to_owned(), parent, supervises })
    }
}

fn all() -> Vec<Process> {
    let entries = fs::read_dir("/proc").unwrap();
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter_map(Process::read).collect()
}

/// All below a process, children before their own.
pub(crate) fn descendants(pid: u32) -> Vec<Process> {
    let mut children: BTreeMap<i32, Vec<Process>> = BTreeMap::new();
    for process in all() {
        children.entry(process.parent).or_default().push(process);
    }
    let mut found: Vec<Process> = Vec::new();
    let mut next = vec![i32::try_from(pid).unwrap()];
    while let Some(pid) = next.pop() {
        for child in children.remove(&pid).unwrap_or_default() {
            next.push(child.pid);
            found.push(child);
        }
    }
    found
}

/// Programs of a folder that run.
pub(crate) fn below(folder: &Path) -> Vec<Process> {
    let inside = |process: &Process| {
        fs::read_link(format!("/proc/{}/exe", process.pid)).is_ok_and(|program| program.starts_with(folder))
    };
    all().into_iter().filter(inside).collect()
}

/// What is waited for happens at once or within seconds; on a machine that is busy with other things it may take much longer.
const PATIENCE: Duration = Duration::from_secs(240);

/// Waits until something holds; a test fails if it never does.
pub(crate) fn wait_until(what: &str, holds: impl FnMut() -> bool) {
    wait_unless(what, holds, || None, String::new);
}

/// The same where something may happen that makes it useless to wait; a failure says what `more` says.
pub(crate) fn wait_unless(
    what: &str,
    mut holds: impl FnMut() -> bool,
    mut is_useless: impl FnMut() -> Option<String>,
    more: impl Fn() -> String,
) {
    let started = Instant::now();
    loop {
        // Asked first: what ends may have brought it about.
        let useless = is_useless();
        if holds() {
            return;
        }
        let useless = useless.or_else(|| (started.elapsed() >= PATIENCE).then(|| format!("not within {PATIENCE:?}")));
        if let Some(why) = useless {
            panic!("{what}: {why}\n{}", more());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
