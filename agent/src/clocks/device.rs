//! A device whose clocks are locked during a measurement.

use std::io::{BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use nasprof_graph::Graph;
use nasprof_profiler::protocol::{
    Canary, ClockRequest, Device, DeviceError, Energy, Fingerprint, Loaded, Memory, ModelOpened, ModelRequest, Probe,
    Probes, Setup, Visit, VisitRequest, read_line,
};

use super::ClockError;
use super::holder::{HOLD_ARGUMENT, Order, Report};
use super::machine::describe;
use super::store::is_left;

/// Names of the probe and of the fact.
const PROBE: &str = "clock_lock";
const FACT: &str = "clocks";

/// A back end together with the clocks of its machine.
pub struct ClockedDevice {
    inner: Box<dyn Device>,
    root: PathBuf,
    lock: Option<Lock>,
}

impl ClockedDevice {
    /// A back end on the machine below `root` (the real one, or a made-up tree in tests).
    #[must_use]
    pub fn new(inner: Box<dyn Device>, root: &Path) -> Self {
        Self { inner, root: root.to_owned(), lock: None }
    }
}

impl Device for ClockedDevice {
    /// Locks the clocks before the back end is set up, and adds the mode to the facts, because it is part of the context.
    fn configure(&mut self, setup: &Setup) -> Result<Fingerprint, DeviceError> {
        if let (Some(request), None) = (&setup.clocks, &self.lock) {
            let lock = Lock::start(&self.root, request, &setup.clock_copy)
                .map_err(|e| DeviceError::Refused(format!("clocks: {e}")))?;
            self.lock = Some(lock);
        }
        let mut fingerprint = self.inner.configure(&Setup { clocks: None, ..setup.clone() })?;
        let mode = match &self.lock {
            Some(lock) => format!("locked: {}", lock.mode),
            None if is_left(&self.root) => "left locked by an earlier measurement, or held by another one".to_owned(),
            None => "as found".to_owned(),
        };
        fingerprint.facts.insert(FACT.to_owned(), mode);
        Ok(fingerprint)
    }

    fn load(&mut self, workload: u32, graph: &Graph) -> Result<Loaded, DeviceError> {
        self.inner.load(workload, graph)
    }

    fn open_model(&mut self, request: &ModelRequest) -> Result<ModelOpened, DeviceError> {
        self.inner.open_model(request)
    }

    fn visit(&mut self, request: &VisitRequest) -> Result<Visit, DeviceError> {
        self.inner.visit(request)
    }

    fn canary(&mut self) -> Result<Canary, DeviceError> {
        self.inner.canary()
    }

    fn pass_time(&mut self, time: Duration) -> Result<(), DeviceError> {
        self.inner.pass_time(time)
    }

    /// Adds a probe with the number of clocks that are no longer as set.
    fn probe(&mut self) -> Result<Probes, DeviceError> {
        let mut probes = self.inner.probe()?;
        if let Some(lock) = &mut self.lock {
            let changed = lock.differences().map_err(|e| DeviceError::Refused(format!("clocks: {e}")))?.len();
            let probe = if changed == 0 { Probe::Ok(0.0) } else { Probe::Bad(changed as f64) };
            probes.values.insert(PROBE.to_owned(), probe);
        }
        Ok(probes)
    }

    fn memory(&mut self, graph: &Graph) -> Result<Memory, DeviceError> {
        self.inner.memory(graph)
    }

    fn energy(&mut self, graph: &Graph) -> Result<Energy, DeviceError> {
        self.inner.energy(graph)
    }
}

/// A running holder. Dropping it restores the clocks and waits until they are restored.
struct Lock {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    mode: String,
}

impl Lock {
    fn start(root: &Path, request: &ClockRequest, name: &str) -> Result<Self, ClockError> {
        let failed = |e: std::io::Error| ClockError::Holder(e.to_string());
        let mut child = Command::new(std::env::current_exe().map_err(failed)?)
            .arg(HOLD_ARGUMENT)
            .arg(root)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Not the agent's stderr: a process that waits for the end of the agent's stderr must not wait for the holder.
            .stderr(Stdio::null())
            // A signal to the agent's process group must not end the holder before it has restored the clocks.
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(ClockError::Holder("it has no pipes".to_owned()));
        };
        let mut lock = Self { child, input: Some(input), output: BufReader::new(output), mode: String::new() };
        let order = Order { request: request.clone(), name: name.to_owned() };
        let line = serde_json::to_string(&order).map_err(|e| ClockError::Holder(e.to_string()))?;
        let report = lock.ask(&line)?;
        match report.error {
            Some(error) => Err(ClockError::Refused(error)),
            None => {
                lock.mode = describe(&report.locked);
                Ok(lock)
            }
        }
    }

    fn differences(&mut self) -> Result<Vec<String>, ClockError> {
        Ok(self.ask("check")?.differences)
    }

    fn ask(&mut self, line: &str) -> Result<Report, ClockError> {
        let gone = || ClockError::Holder("it ended; the clocks may have changed".to_owned());
        let input = self.input.as_mut().ok_or_else(gone)?;
        writeln!(input, "{line}").map_err(|_| gone())?;
        let answer = read_line(&mut self.output).ok().flatten().ok_or_else(gone)?;
        serde_json::from_str(&answer).map_err(|e| ClockError::Holder(e.to_string()))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.input = None;
        // If the holder cannot restore, it leaves the stored settings for the next contact.
        let _ = self.child.wait();
    }
}
